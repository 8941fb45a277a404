"""Rule targets that plain ministack drops: log groups, dead-letter queues, retries of functions."""

# pyright: reportMissingImports=false
# ministack and its server live in the environment of the embedded AWS only.

from __future__ import annotations

import json
import logging
import time
import uuid
from contextvars import ContextVar
from typing import Any

logger = logging.getLogger("local.aws.event_targets")


def install() -> None:
    """Patch ministack's EventBridge dispatch."""
    from ministack.core import iam_evaluator
    from ministack.services import eventbridge, lambda_svc

    # What services send each other goes over TLS; without this, an alarm or an event that no client's request caused
    # would be refused by every topic and queue that denies aws:SecureTransport=false.
    iam_evaluator._request_origin = ContextVar("request_origin", default=("127.0.0.1", True))
    invoke = eventbridge._invoke_target

    def invoke_or_bury(target: dict[str, Any], event: Any, rule: dict[str, Any], view: Any = None) -> None:
        view = view or eventbridge._pattern_event_view(event)
        arn = target.get("Arn", "")
        problem = undeliverable(arn)
        if problem:
            logger.warning("rule %s: target not delivered: %s", rule.get("Name"), problem)
            _bury(target, json.dumps(view.event_with_detail()), rule, problem)
        elif _service(arn) == "logs":
            try:  # one target's fault must not keep the event from the rule's other targets
                _write_log(arn, _payload(eventbridge, target, rule, view))
            except Exception:
                logger.exception("rule %s: the event could not be written to its log group", rule.get("Name"))
        else:
            invoke(target, event, rule, view)

    def dispatch_to_function(arn: str, payload: str) -> None:
        """Asynchronous invocation as EventBridge makes it: two retries, then the function's dead-letter queue."""
        func, config, _name = lambda_svc._get_func_record_for_ref(arn)
        record = lambda_svc._execution_record_for_config(func, config)
        lambda_svc.invoke_async_with_retry(record, json.loads(payload))

    put_events = eventbridge._put_events

    def put_findings_too(data: dict[str, Any], allow_aws_source: bool = False) -> Any:
        """No GuardDuty watches here: whoever drills sends its findings, which on AWS only the service itself may."""
        sources = {entry.get("Source") for entry in data.get("Entries", [])}
        return put_events(data, allow_aws_source or sources == {"aws.guardduty"})

    eventbridge._put_events = put_findings_too
    eventbridge._invoke_target = invoke_or_bury
    eventbridge._dispatch_to_lambda = dispatch_to_function


def undeliverable(arn: str) -> str:
    """Why a target cannot take an event, or an empty text."""
    from ministack.services import cloudwatch_logs, lambda_svc, sns, sqs, stepfunctions

    service = _service(arn)
    name = arn.rsplit(":", 1)[-1]
    exists = True
    if service == "lambda":
        exists = lambda_svc._get_func_record_for_ref(arn)[0] is not None
    elif service == "sqs":
        exists = sqs._queue_by_arn(arn) is not None
    elif service == "sns":
        exists = arn in sns._topics
    elif service == "states":
        exists = stepfunctions._resolve_state_machine_arn(arn) is not None
    elif service == "logs":
        exists = _log_group(arn) in cloudwatch_logs._log_groups
    return "" if exists else f"{service} {name} does not exist"


def _service(arn: str) -> str:
    parts = arn.split(":")
    return parts[2] if len(parts) > 5 else ""


def _log_group(arn: str) -> str:
    return arn.split(":log-group:", 1)[-1].removesuffix(":*")


def _payload(eventbridge: Any, target: dict[str, Any], rule: dict[str, Any], view: Any) -> str:
    if target.get("InputTransformer"):
        return eventbridge._apply_input_transformer(target["InputTransformer"], rule, view)
    return target.get("Input") or json.dumps(view.event_with_detail())


def _write_log(arn: str, message: str) -> None:
    from ministack.services import cloudwatch_logs

    group, stream = _log_group(arn), str(uuid.uuid4())
    cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    event = {"timestamp": int(time.time() * 1000), "message": message}
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": [event]})


def _bury(target: dict[str, Any], event: str, rule: dict[str, Any], problem: str) -> None:
    """Send an event to its target's dead-letter queue with the attributes that EventBridge adds."""
    from ministack.core.arn import parse_arn
    from ministack.services import eventbridge, sqs

    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    queue = sqs._queue_by_arn(arn) if arn else None
    if queue is None:
        return
    eventbridge._dispatch_to_sqs(parse_arn(arn), event)
    texts = {
        "ERROR_CODE": "NO_RESOURCE",
        "ERROR_MESSAGE": problem,
        "RULE_ARN": rule.get("Arn", ""),
        "TARGET_ARN": target.get("Arn", ""),
    }
    attributes = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
    queue["messages"][-1]["message_attributes"] = attributes
