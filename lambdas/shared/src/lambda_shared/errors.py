"""One hierarchy of errors, each with a machine code and the answer to "does trying again help?".

Step Functions matches ``Retry`` on the class *name* that the Lambda runtime reports, so the one class that means "try
again" is `TransientError` and nothing derives from it. No message here may carry an identifier or a value of a DICOM
element: these texts end in execution histories, dead-letter queues and logs.
"""

# boto3 ships no type information.
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

THROTTLE_CODES = frozenset(
    {
        "ThrottlingException",
        "Throttling",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "ProvisionedThroughputExceededException",
        "ServiceQuotaExceededException",
        "LimitExceededException",
        "ResourceLimitExceeded",
        "SlowDown",
    }
)
TRANSIENT_CODES = THROTTLE_CODES | {
    "InternalServerException",
    "InternalServerError",
    "InternalFailure",
    "InternalError",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "RequestTimeout",
    "TransactionInProgressException",
    "KMSInternalException",
    "DependencyTimeoutException",
}


class PlatformError(Exception):
    """A failure that the platform understands.

    Attributes:
        code: upper-case machine code, stable across versions, free of identifiers.
        retryable: whether the same call may succeed later.
    """

    retryable: bool = False

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class TransientError(PlatformError):
    """Trying again later may succeed. Step Functions retries on exactly this class name."""

    retryable = True


class ConfigurationError(PlatformError):
    """The function's environment is incomplete or malformed; no retry helps."""


class InvalidEventError(PlatformError):
    """An event does not have the shape that was agreed."""


class NotFoundError(PlatformError):
    """The thing asked for does not exist."""


class ConflictError(PlatformError):
    """The thing exists in a state that forbids the operation."""


class UnexpectedError(PlatformError):
    """An exception nobody foresaw, reduced to its type and place: its text could carry an identifier."""


def aws_code(error: BaseException) -> str:
    """The error code of a botocore ClientError, or the class name of anything else."""
    details = _answer(error).get("Error")
    return str(details.get("Code", "Unknown")) if details is not None else type(error).__name__


def http_status(error: BaseException) -> int:
    """The HTTP status of a botocore ClientError; 0 when there was no answer."""
    return int(_answer(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def cancellation_codes(error: BaseException) -> frozenset[str]:
    """Why DynamoDB cancelled a transaction: the codes of its parts, without "None"."""
    reasons = _answer(error).get("CancellationReasons", [])
    return frozenset(str(reason.get("Code", "None")) for reason in reasons) - {"None"}


def _answer(error: BaseException) -> dict[str, Any]:
    """What the service answered; empty for an error that is not botocore's."""
    response: object = getattr(error, "response", None)
    return cast("dict[str, Any]", response) if isinstance(response, dict) else {}


@contextmanager
def aws_errors(operation: str) -> Generator[None]:
    """Translate botocore's exceptions: what a retry may cure becomes `TransientError`, other `ClientError`s pass.

    A ``ClientError`` that passes is for the caller to handle by code; if nobody does, the guard of
    `lambda_shared.runtime` reduces it to its code, because AWS texts can quote names and keys.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if aws_code(error) in TRANSIENT_CODES or http_status(error) >= 500:
            raise TransientError(aws_code(error), f"{operation} was refused for now") from None
        raise
    except BotoCoreError as error:
        raise TransientError(type(error).__name__, f"{operation} got no answer") from None
