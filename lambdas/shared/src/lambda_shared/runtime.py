"""The wrapping that all handlers share: context in logs, trace segment, metrics flushed, errors made safe."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lambda_shared.errors import (
    TRANSIENT_CODES,
    InvalidEventError,
    PlatformError,
    TransientError,
    UnexpectedError,
    aws_code,
)
from lambda_shared.logs import describe, logger
from lambda_shared.metrics import provider

Handler = Callable[[dict[str, Any], Any], Any]
ModelType = TypeVar("ModelType")


def lambda_handler(function: Handler) -> Handler:
    """Decorate a handler: Logger context, X-Ray segment (only where a daemon listens), EMF flush, guarded errors.

    Neither the event nor the answer is logged or traced: only references, and even those stay out.
    """
    metrics: Any = provider()
    wrapped: Any = metrics.log_metrics(guarded(function))
    if os.environ.get("AWS_XRAY_DAEMON_ADDRESS"):
        from aws_lambda_powertools import Tracer

        wrapped = Tracer().capture_lambda_handler(wrapped, capture_response=False, capture_error=False)
    with_context: Any = logger().inject_lambda_context(wrapped, clear_state=True)
    return with_context


def guarded(function: Handler) -> Handler:
    """Let `PlatformError` pass and reduce every other exception to type and place.

    The Lambda runtime reports an exception's text to Step Functions' history, to dead-letter queues and to the log;
    a text from a library can quote a value of a DICOM element, so it must not leave the function.
    """

    @functools.wraps(function)
    def call(event: dict[str, Any], context: Any) -> Any:
        try:
            return function(event, context)
        except PlatformError as error:
            logger().error("The operation failed", extra=describe(error))
            raise
        except Exception as error:
            logger().error("The operation failed unexpectedly", extra=describe(error))
            safe = _reduced(error)
        raise safe

    return call


def _reduced(error: Exception) -> PlatformError:
    code = aws_code(error)
    if code in TRANSIENT_CODES or type(error).__module__.startswith("urllib3"):
        return TransientError(code, "the service asked to try again")
    if "botocore" in type(error).__module__:
        return UnexpectedError(code, "an AWS call was refused")
    return UnexpectedError(type(error).__name__, describe(error)["error_place"])


def parse(model: type[ModelType], event: Mapping[str, Any]) -> ModelType:
    """Validate an event against a pydantic model.

    Raises:
        InvalidEventError: with the places and kinds of the mistakes, never the values (powertools' parser would put
            the values into the exception's text).
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(model).validate_python(dict(event))
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(str(part) for part in mistake['loc'])} ({mistake['type']})"
            for mistake in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise InvalidEventError("INVALID_EVENT", places) from None
