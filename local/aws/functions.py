"""Lambda as on AWS: typed errors, warm environments after an exception, a clean interpreter and environment."""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

_PLAIN_ERROR = 'json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()})'
# "ok" keeps the worker process: AWS reuses an environment whose handler raised.
_TYPED_ERROR = (
    'json.dumps({"status": "ok", "result": None, "raised": '
    '{"type": type(e).__name__, "error": str(e), "trace": traceback.format_exc()}})'
)

# What a function may see of the host: how to find programs and whom to trust. The rest is the launcher's business.
_INHERITED = frozenset({"PATH", "LANG", "LC_ALL", "TMPDIR", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"})


class PatchError(AssertionError):
    """ministack is not the version whose source these patches were written against."""


def install(lambda_python: Path) -> None:
    """Patch ministack's Lambda runtime; `lambda_python` runs every Python function."""
    _type_errors()
    _use_interpreter(str(lambda_python))
    _clean_environment()


def _type_errors() -> None:
    """Answer `errorType` with the exception's class: Step Functions Retry and Catch match by it."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(_PLAIN_ERROR) != 1:
        raise PatchError("ministack's worker script changed: check the patch of typed Lambda errors")
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(_PLAIN_ERROR, _TYPED_ERROR)

    last = threading.local()
    invoke, execute = lambda_runtime.Worker.invoke, lambda_svc._execute_function_warm

    def remember(self: Any, *args: Any, **named: Any) -> dict[str, Any]:
        reply = invoke(self, *args, **named)
        last.raised = reply.get("raised")
        return reply

    def with_type(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        last.raised = None
        result, raised = execute(func, event, request_id), last.raised
        if raised is None:
            return result
        body = {
            "errorMessage": raised["error"],
            "errorType": raised["type"],
            "requestId": request_id,
            "stackTrace": raised["trace"].splitlines()[1:-1],
        }
        log = "\n".join(filter(None, [result.get("log", ""), f"[ERROR] {raised['type']}", raised["trace"]]))
        return {"body": body, "error": True, "log": log}

    lambda_runtime.Worker.invoke, lambda_svc._execute_function_warm = remember, with_type


def _use_interpreter(lambda_python: str) -> None:
    """Run Python functions by a virtual environment with boto3 only, so that a missing layer fails as on AWS."""
    from ministack.core import lambda_runtime

    detect = lambda_runtime._detect_runtime_binary

    def chosen(runtime: str) -> tuple[str, str]:
        binary, script = detect(runtime)
        return (lambda_python, script) if binary == sys.executable else (binary, script)

    lambda_runtime._detect_runtime_binary = chosen


class _CleanSubprocess:
    """Stands for the `subprocess` module inside ministack's worker code; only the environment differs."""

    def __init__(self) -> None:
        self.current = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, *args: Any, **named: Any) -> subprocess.Popen[Any]:  # noqa: N802 - the module's own name
        config = getattr(self.current, "config", None)
        if config is not None and named.get("env") is not None:
            named["env"] = function_environment(config, named["env"], os.environ)
        return subprocess.Popen(*args, **named)


def function_environment(config: dict[str, Any], proposed: Any, host: Any) -> dict[str, str]:
    """What the function process sees: its own variables, the runtime's, and nothing else of this process.

    `proposed` is what ministack would pass (all of `host`, the function's variables and the runtime's).
    """
    variables = (config.get("Environment") or {}).get("Variables") or {}
    kept = {
        name: value
        for name, value in proposed.items()
        if name in _INHERITED or name in variables or host.get(name) != value
    }
    runtime, name = config.get("Runtime", ""), config.get("FunctionName", "")
    group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
    return {
        **kept,
        "AWS_REGION": proposed.get("AWS_REGION", ""),
        "AWS_DEFAULT_REGION": proposed.get("AWS_DEFAULT_REGION", ""),
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": group,
        "PYTHONDONTWRITEBYTECODE": "1",
        "TZ": ":UTC",
        "_HANDLER": config.get("Handler", ""),
    }


def _clean_environment() -> None:
    from ministack.core import lambda_runtime

    clean = _CleanSubprocess()
    spawn = lambda_runtime.Worker._spawn

    def with_config(self: Any, *args: Any, **named: Any) -> Any:
        clean.current.config = self.config
        try:
            return spawn(self, *args, **named)
        finally:
            clean.current.config = None

    lambda_runtime.subprocess = clean
    lambda_runtime.Worker._spawn = with_config
