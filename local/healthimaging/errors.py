"""Errors of the service, named and numbered as the API model has them (medical-imaging 2023-07-19)."""

from __future__ import annotations


class ServiceError(Exception):
    """One modelled exception; the message never holds identifiers of a patient."""

    status = 500
    code = "InternalServerException"


class ValidationError(ServiceError):
    """The request breaks a constraint."""

    status, code = 400, "ValidationException"


class AccessDeniedError(ServiceError):
    """The caller, or the role it passes, has no right to do this."""

    status, code = 403, "AccessDeniedException"


class NotFoundError(ServiceError):
    """The data store, job, image set or frame does not exist."""

    status, code = 404, "ResourceNotFoundException"


class ConflictError(ServiceError):
    """The resource's state does not allow this now."""

    status, code = 409, "ConflictException"


class QuotaError(ServiceError):
    """A quota of the account is used up."""

    status, code = 402, "ServiceQuotaExceededException"


class ThrottlingError(ServiceError):
    """Too many at once."""

    status, code = 429, "ThrottlingException"


class NotServedError(ServiceError):
    """An operation of the real service that this stand-in leaves out."""

    status, code = 400, "UnknownOperationException"
