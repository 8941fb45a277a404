"""Why a request is not answered with what it asked for: one exception, shown as problem+json (RFC 9457).

No text here holds a value of the request, of a token or of a data set.
"""

from __future__ import annotations

import orjson
from starlette.responses import Response

TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    413: "Too large",
    416: "Range not satisfiable",
    429: "Too many requests",
    500: "Internal error",
    502: "Bad answer from upstream",
    503: "Not available now",
    504: "Upstream did not answer in time",
}


class ProxyError(Exception):
    """A refusal.

    Attributes:
        status: HTTP status.
        code: stable machine code in upper case.
        detail: one sentence for a person.
        retry_after: seconds after which trying again makes sense, or None.
    """

    def __init__(self, status: int, code: str, detail: str, *, retry_after: int | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after = retry_after


def not_found(detail: str = "there is no such object") -> ProxyError:
    """404."""
    return ProxyError(404, "NOT_FOUND", detail)


def bad_request(detail: str) -> ProxyError:
    """400."""
    return ProxyError(400, "BAD_REQUEST", detail)


def answer(error: ProxyError) -> Response:
    """The refusal as problem+json; never cached."""
    body = {"type": "about:blank", "title": TITLES[error.status], "status": error.status}
    headers = {"Cache-Control": "no-store"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return Response(
        orjson.dumps({**body, "code": error.code, "detail": error.detail}),
        error.status,
        headers,
        "application/problem+json",
    )
