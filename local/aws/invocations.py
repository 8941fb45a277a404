"""How many functions run at once on this machine, and how asynchronous events are retried.

Beyond a number of running functions further invocations wait for their turn instead of starting more processes: a
burst of a thousand uploads would otherwise start a thousand interpreters. Nested calls do not wait, for their caller
holds a turn.

Asynchronous events by "How Lambda handles errors and retries with asynchronous invocation": a throttled event is
kept and tried again until it is too old, a failing one is tried MaximumRetryAttempts more times, then it goes to the
OnFailure destination (as an envelope) or to the dead-letter queue (as it came).
"""

from __future__ import annotations

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.
import contextvars
import json
import logging
import os
import threading
import time
from typing import Any

logger = logging.getLogger("local.aws.invocations")

TURNS = max(4, 4 * (os.cpu_count() or 1))
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
_EVENT_AGE_SECONDS = 6 * 3600


def install() -> None:
    """Patch ministack's execution of functions."""
    from ministack.services import lambda_svc

    turns = threading.BoundedSemaphore(TURNS)
    execute = lambda_svc._execute_function_warm

    def in_turn(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        if lambda_svc._invoke_depth.get() > 1:
            return execute(func, event, request_id)
        with turns:
            return execute(func, event, request_id)

    def invoke_async(func: dict[str, Any], event: Any) -> None:
        context = contextvars.copy_context()
        work = threading.Thread(target=context.run, args=(_deliver, lambda_svc, func, event), daemon=True)
        work.start()

    throttle = lambda_svc._throttle_response

    def named_throttle(*args: Any, **named: Any) -> dict[str, Any]:
        """Step Functions tells a throttled task by this error name; ministack leaves it unnamed."""
        answer = throttle(*args, **named)
        answer["body"].update(errorType="Lambda.TooManyRequestsException", errorMessage=answer["body"]["message"])
        return answer

    lambda_svc._throttle_response = named_throttle
    lambda_svc._execute_function_warm = in_turn
    lambda_svc.invoke_async_with_retry = invoke_async


def _deliver(lambda_svc: Any, func: dict[str, Any], event: Any) -> None:
    config = func.get("config") or func
    settings = func.get("event_invoke_config") or (func.get("event_invoke_configs") or {}).get("$LATEST") or {}
    retries = settings.get("MaximumRetryAttempts")
    failures_left = 2 if retries is None else int(retries)
    deadline = time.monotonic() + float(settings.get("MaximumEventAgeInSeconds") or _EVENT_AGE_SECONDS)
    wait = FIRST_WAIT_SECONDS
    while True:
        result = lambda_svc._execute_function_with_config_scope(func, event)
        if not result.get("error"):
            return
        throttled = bool(result.get("throttle"))
        if (not throttled and failures_left == 0) or time.monotonic() + wait > deadline:
            break
        failures_left -= 0 if throttled else 1
        time.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT_SECONDS)
    _give_up(lambda_svc, config, settings, event, result)


def _give_up(lambda_svc: Any, config: dict[str, Any], settings: Any, event: Any, result: dict[str, Any]) -> None:
    name = config.get("FunctionName", "unknown")
    destination = (settings.get("DestinationConfig") or {}).get("OnFailure", {}).get("Destination")
    dead_letters = (config.get("DeadLetterConfig") or {}).get("TargetArn")
    if destination:
        lambda_svc._route_async_failure(destination, name, event, result)
    elif dead_letters:
        _bury(dead_letters, event, result.get("body") or {})
    else:
        logger.warning("function %s: an asynchronous event failed for good and has no dead-letter queue", name)


def _bury(target: str, event: Any, error: Any) -> None:
    """The event as it came, with the attributes that Lambda adds."""
    from ministack.core.arn import parse_arn
    from ministack.services import eventbridge, sns, sqs

    if ":sns:" in target:
        sns.publish_internal(target, json.dumps(event), "Lambda dead letter")
        return
    queue = sqs._queue_by_arn(target)
    if queue is None:
        logger.warning("dead-letter queue %s does not exist", target.rsplit(":", 1)[-1])
        return
    eventbridge._dispatch_to_sqs(parse_arn(target), json.dumps(event))
    message = error.get("errorMessage", "") if isinstance(error, dict) else ""
    queue["messages"][-1]["message_attributes"] = {
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": str(message)[:1024] or "failed"},
    }
