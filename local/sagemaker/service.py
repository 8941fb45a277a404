"""The service as ministack calls it: protocol, rights, threads, start and stop."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import re
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote

from local.sagemaker import progress, scaling
from local.sagemaker.context import Context
from local.sagemaker.definition.arguments import check_request
from local.sagemaker.endpoints.manager import Manager
from local.sagemaker.endpoints.runtime import Invocation, invoke
from local.sagemaker.errors import ModelError, ServiceError, UnknownOperationError, ValidationError
from local.sagemaker.executor import Executor
from local.sagemaker.ports import Credentials
from local.sagemaker.routes import table

Reply = tuple[int, dict[str, str], bytes]
_INVOCATION = re.compile(r"^/endpoints/([^/]+)/invocations/?$")
_JSON = "application/x-amz-json-1.1"
_THREADS = 32
_STOP_SECONDS = 10.0
logger = logging.getLogger(__name__)


class SageMaker:
    """One stand-in; `resume` after the embedded AWS serves, `stop` before it ends."""

    def __init__(self, context: Context, access_key: Callable[[Mapping[str, str], Any], str]) -> None:
        self._context, self._access_key = context, access_key
        self.executor = Executor(context)
        self.manager = Manager(context)
        self._routes = table(self.executor, self.manager)
        # Own threads: a handler may wait for S3, which the event loop of this very process answers.
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="sagemaker")
        shutil.rmtree(context.folder / "jobs", ignore_errors=True)
        shutil.rmtree(context.folder / "endpoints", ignore_errors=True)

    def resume(self) -> None:
        """Settle what the last process left running: executions end as Failed, endpoints start at their first use."""
        count = progress.recover(self._context)
        if count:
            logger.warning("%d pipeline execution(s) ended with the last process and are marked Failed", count)
        self.manager.resume()

    def stop(self) -> None:
        """End every child process; what is running stays so in the store until `resume` settles it."""
        self._context.closing.set()
        self._context.store.close()
        self.executor.close(_STOP_SECONDS)
        self.manager.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def handle(self, method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Reply:
        """ministack's handler signature."""
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._pool, lambda: context.run(self.answer, method, path, headers, body, query)
        )

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any) -> Reply:
        """One request, one reply; every ServiceError becomes its wire form."""
        caller = Credentials(access_key_id=self._access_key(headers, query) or "", principal_arn="")
        try:
            invocation = _INVOCATION.match(path)
            if invocation and method == "POST":
                return self._invoke(unquote(invocation.group(1)), caller, headers, body)
            answer = self._act(headers.get("x-amz-target", ""), caller, body)
        except ModelError as error:
            return _model_error(error)
        except ServiceError as error:
            return _error(error, "application/json" if _INVOCATION.match(path) else _JSON)
        return 200, {"Content-Type": _JSON}, json.dumps(answer).encode()

    def _act(self, target: str, caller: Credentials, body: bytes) -> dict[str, Any]:
        service, _, action = target.rpartition(".")
        scales = service == scaling.TARGET and action in scaling.ACTIONS
        route = None if service == scaling.TARGET else self._routes.get(action)
        if route is None and not scales:
            raise UnknownOperationError(f"The embedded SageMaker does not serve the action '{action or 'none'}'")
        try:
            request = json.loads(body or b"{}")
        except ValueError as error:
            raise ValidationError("The request body is not valid JSON") from error
        if route is None:
            check_request(action, request, scaling.SERVICE)
            return scaling.act(self._context, caller, action, request)
        check_request(action, request)
        cloud, scope = self._context.cloud, self._context.scope
        tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags") or []}
        context = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        cloud.authorize(caller, f"sagemaker:{action}", route.resource(scope, request), context)
        if route.role and request.get(route.role):
            passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
            cloud.authorize(caller, "iam:PassRole", request[route.role], passed)
        try:
            return route.run(self._context, request)
        except KeyError as error:
            # Clients check required members before they send; only a hand-made request comes here.
            raise ValidationError(f"{action}: the member {error} is missing") from error

    def _invoke(self, name: str, caller: Credentials, headers: Mapping[str, str], body: bytes) -> Reply:
        arn = self._context.scope.arn("endpoint", name)
        self._context.cloud.authorize(caller, "sagemaker:InvokeEndpoint", arn)
        return invoke(self._context, self.manager, Invocation.of(name, headers, body))


def _error(error: ServiceError, content_type: str) -> Reply:
    body = {"__type": error.code, "message": error.message, "Message": error.message}
    return error.status, {"Content-Type": content_type, "x-amzn-errortype": error.code}, json.dumps(body).encode()


def _model_error(error: ModelError) -> Reply:
    body = {
        "Message": error.message,
        "OriginalStatusCode": error.original_status,
        "OriginalMessage": error.original_message,
        "LogStreamArn": error.log_stream_arn,
    }
    headers = {"Content-Type": "application/json", "x-amzn-errortype": error.code}
    return error.status, headers, json.dumps(body).encode()
