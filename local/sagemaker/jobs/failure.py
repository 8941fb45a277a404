"""Why a job failed, in the service's own three kinds."""

from __future__ import annotations

from typing import Literal

FailureKind = Literal["AlgorithmError", "ClientError", "InternalServerError"]


class JobFailedError(Exception):
    """AlgorithmError: the script; ClientError: the request, its data, its rights; InternalServerError: this machine."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.reason = f"{kind}: {message}"
