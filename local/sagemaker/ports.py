"""What the stand-in needs from the world around it, so that every module can be tested without an AWS process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """Keys of one principal; secrets stay out of `repr`."""

    access_key_id: str
    principal_arn: str
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class StoredObject:
    """One listed S3 object: key and size in bytes."""

    key: str
    size: int


@dataclass(frozen=True, kw_only=True)
class FunctionReply:
    """Answer of a Lambda invocation; `error` is the function's error type when it failed."""

    payload: Any
    error: str | None = None


class ObjectStore(Protocol):
    """S3 as one principal. Every method raises StorageError when S3 says no."""

    def list(self, bucket: str, prefix: str) -> Iterator[StoredObject]: ...
    def download(self, bucket: str, key: str, path: Path) -> None: ...
    def upload(self, path: Path, bucket: str, key: str, kms_key: str | None = None) -> None: ...
    def read(self, bucket: str, key: str) -> bytes: ...
    def write(self, bucket: str, key: str, content: bytes, kms_key: str | None = None) -> None: ...


class StorageError(Exception):
    """S3 answered an error; `code` is S3's error code, `temporary` says that a repeat may help."""

    def __init__(self, code: str, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.temporary = temporary


class LogsError(Exception):
    """CloudWatch Logs did not take the lines (on AWS the job goes on without logs)."""


class Cloud(Protocol):
    """The embedded AWS as the stand-in sees it."""

    def assume(self, role_arn: str, session_name: str) -> Credentials:
        """Session of a role as service sagemaker.amazonaws.com. Raises ValidationError when the role refuses."""
        ...

    def authorize(
        self, caller: Credentials, action: str, resource: str, context: Mapping[str, Any] | None = None
    ) -> None:
        """Raises AccessDeniedError unless IAM allows it."""
        ...

    def storage(self, caller: Credentials) -> ObjectStore: ...

    def invoke_function(self, caller: Credentials, arn: str, payload: Any) -> FunctionReply: ...

    def put_logs(self, caller: Credentials, group: str, stream: str, lines: Sequence[tuple[int, str]]) -> None:
        """Lines are (epoch milliseconds, text). Raises LogsError."""
        ...

    def put_metrics(
        self, namespace: str, values: Iterable[tuple[str, float, str]], dimensions: Mapping[str, str]
    ) -> None:
        """Values are (name, value, CloudWatch unit)."""
        ...

    def alarm_states(self, caller: Credentials, names: Sequence[str]) -> dict[str, str]:
        """StateValue of the metric alarms that there are, by name. Raises AccessDeniedError."""
        ...

    def emit(self, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]) -> None:
        """Put one event with source aws.sagemaker on the default bus."""
        ...

    def environment(self, caller: Credentials) -> dict[str, str]:
        """What a job process must have in its environment to reach the embedded AWS as `caller`."""
        ...


class Clock(Protocol):
    """Time, so that retries and expiry can be tested without waiting."""

    def now(self) -> float: ...
    def wait(self, seconds: float, stop: threading.Event) -> bool: ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        """Sleep unless `stop` is set first; True when it was."""
        return stop.wait(seconds)


def split_uri(uri: str) -> tuple[str, str]:
    """('bucket', 'key') of an s3:// URI. Raises ValueError for anything else."""
    scheme, separator, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not separator or not bucket:
        raise ValueError(f"'{uri}' is not an S3 URI (s3://bucket/key)")
    return bucket, key
