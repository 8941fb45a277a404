"""CloudWatch Logs inside this process, with the rights of the job's role asked in the form that AWS asks.

AWS checks CreateLogGroup and CreateLogStream on `...:log-group:NAME:log-stream:` and PutLogEvents on
`...:log-stream:STREAM`, so that the usual statement on `log-group:NAME:*` allows them. ministack's front door checks
the bare group name, which such a statement would not allow: hence the way past it.
"""

# ministack lives in the environment of the embedded AWS only.
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable, Sequence

from local.sagemaker.errors import AccessDeniedError
from local.sagemaker.names import Scope
from local.sagemaker.ports import LogsError

Authorize = Callable[[str, str], None]
_OK = 200


def append(scope: Scope, authorize: Authorize, group: str, stream: str, lines: Sequence[tuple[int, str]]) -> None:
    """Add (epoch milliseconds, text) lines, making group and stream when they are new. Raises LogsError."""
    from ministack.core.responses import request_scope
    from ministack.services import cloudwatch_logs

    names = {"logGroupName": group, "logStreamName": stream}
    resource = scope.log_stream(group, "")
    try:
        with request_scope(scope.account, scope.region):
            if cloudwatch_logs._log_groups.get(group) is None:
                authorize("logs:CreateLogGroup", resource)
                cloudwatch_logs._create_log_group({"logGroupName": group})
            if stream not in cloudwatch_logs._log_groups[group]["streams"]:
                authorize("logs:CreateLogStream", resource)
                cloudwatch_logs._create_log_stream(names)
            authorize("logs:PutLogEvents", resource + stream)
            events = [{"timestamp": at, "message": text} for at, text in lines]
            status, _, body = cloudwatch_logs._put_log_events({**names, "logEvents": events})
    except AccessDeniedError as error:
        raise LogsError(error.message) from error
    if status != _OK:
        raise LogsError(bytes(body).decode(errors="replace"))
