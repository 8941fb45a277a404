"""Errors as problem+json (RFC 9457), without anything of the request in them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from api.identity import NotAllowedError, NotSignedInError
from api.models import Problem
from lambda_shared.errors import ConflictError, InvalidEventError, NotFoundError, PlatformError, TransientError
from lambda_shared.logs import describe, logger

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "2"


class ProblemResponse(JSONResponse):
    """A JSON answer of the problem media type."""

    media_type = MEDIA_TYPE


def problem(
    status: int, title: str, code: str, detail: str = "", headers: dict[str, str] | None = None
) -> JSONResponse:
    """A problem answer."""
    body = Problem(title=title, status=status, code=code, detail=detail)
    return ProblemResponse(body.model_dump(), status_code=status, headers=headers)


def install(app: FastAPI) -> None:
    """Register the handlers; what nobody foresaw is logged by type and place and answered as 500."""
    app.add_exception_handler(NotSignedInError, _not_signed_in)
    app.add_exception_handler(NotAllowedError, _not_allowed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(PlatformError, _platform)
    app.add_middleware(LastResort)


def _not_signed_in(_: Request, __: Exception) -> JSONResponse:
    return problem(401, "Sign in first", "NOT_SIGNED_IN", headers={"WWW-Authenticate": "Bearer"})


def _not_allowed(request: Request, error: Exception) -> JSONResponse:
    """A refusal is recorded as well: who tried what, by the operation's name and the path's pseudonyms."""
    if not isinstance(error, NotAllowedError):
        raise TypeError("not a refusal")
    action = str(getattr(request.scope.get("route"), "operation_id", None) or "unknown")
    keys = [str(value) for _, value in sorted(request.path_params.items())]
    request.app.state.ports.audit.record(error.subject, action, keys, "denied")
    return problem(403, error.title, error.code)


def _invalid(_: Request, error: Exception) -> JSONResponse:
    mistakes: list[Any] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    places = "; ".join(f"{'.'.join(str(part) for part in entry['loc'])} ({entry['type']})" for entry in mistakes)
    return problem(422, "The request does not have the agreed form", "INVALID_REQUEST", places)


def _http(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    titles = {404: "There is no such resource", 405: "The resource does not know this method"}
    return problem(status, titles.get(status, "The request cannot be answered"), f"HTTP_{status}")


def _platform(_: Request, error: Exception) -> JSONResponse:
    code = error.code if isinstance(error, PlatformError) else "UNKNOWN"
    if isinstance(error, NotFoundError):
        return problem(404, "There is no such resource", code)
    if isinstance(error, ConflictError):
        return problem(409, "The resource's state forbids this", code)
    if isinstance(error, InvalidEventError):
        return problem(422, "The request does not have the agreed form", code)
    logger().error("A request failed", extra=describe(error))
    if isinstance(error, TransientError):
        return problem(503, "Try again in a moment", code, headers={"Retry-After": RETRY_AFTER_SECONDS})
    return problem(502, "A part of the platform failed", code)


class LastResort:
    """Answers what no handler foresaw.

    Not an exception handler: for those of `Exception`, Starlette raises again after the answer, and the server around
    it would write the text, which may quote a patient, into the log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; reduce an unforeseen exception to its type and place."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            logger().error("A request failed unexpectedly", extra=describe(error))
            await problem(500, "The platform failed", "UNEXPECTED")(scope, receive, send)
