"""The errors that the SageMaker API answers, with the code that an SDK shows (AWS API reference, Common Errors)."""

from __future__ import annotations


class ServiceError(Exception):
    """An answer other than success: `code` is the wire name, `message` one sentence without patient data."""

    code = "InternalFailure"
    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ValidationError(ServiceError):
    """The request or the pipeline definition says something the service does not accept."""

    code = "ValidationException"
    status = 400


class NotFoundError(ServiceError):
    """The named resource does not exist."""

    code = "ResourceNotFound"
    status = 400


class ConflictError(ServiceError):
    """The resource has the wrong state for this operation."""

    code = "ConflictException"
    status = 400


class AccessDeniedError(ServiceError):
    """IAM refused the action for this principal."""

    code = "AccessDeniedException"
    status = 400


class UnknownOperationError(ServiceError):
    """An action that this stand-in does not serve; the message names it."""

    code = "UnknownOperationException"
    status = 400


class ThrottledError(ServiceError):
    """The caller should wait and repeat."""

    code = "ThrottlingException"
    status = 400


class ModelError(ServiceError):
    """The model container answered an error (sagemaker-runtime InvokeEndpoint, HTTP 424)."""

    code = "ModelError"
    status = 424

    def __init__(self, message: str, original_status: int, original_message: str, log_stream_arn: str) -> None:
        super().__init__(message)
        self.original_status = original_status
        self.original_message = original_message
        self.log_stream_arn = log_stream_arn
