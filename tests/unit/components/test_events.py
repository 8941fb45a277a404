"""The bus, the topic and what people are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from components._base import Context
from components._configuration_alerts import SlackSettings
from components._workload import Workload
from components.event_routes import EventRoutes, EventRoutesArgs, Receiver
from components.events import PlatformEvents, PlatformEventsArgs, Subscription

TOPIC = "aws:sns/topic:Topic"
QUEUE = "aws:sqs/queue:Queue"
RULE = "aws:cloudwatch/eventRule:EventRule"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"


@pytest.fixture
def program(context: Context, workload: Workload) -> Callable[..., dict[str, Any]]:
    """Bus and routes of a stack."""

    def run(*people: str, inbox: bool = False, retrains: bool = False, **channels: Any) -> dict[str, Any]:
        events = PlatformEvents(
            "events",
            PlatformEventsArgs(
                context=context,
                key_arn=workload.keys.events,
                archive_retention_days=365,
                logs=workload.logs,
                subscriptions=[Subscription(protocol="email", endpoint=person) for person in people],
                alerts_inbox=inbox,
                **channels,
            ),
        )

        def receiver(role: str) -> Receiver:
            return Receiver(name=role, arn=context.naming.arn("lambda", f"function:{role}"))

        routes = EventRoutes(
            "routes",
            EventRoutesArgs(
                context=context,
                bus_name=events.bus_name,
                pipeline_arn=context.naming.arn("sagemaker", "pipeline/training"),
                topic_arn=events.topic_arn,
                error_log_group_arn=events.error_log_group_arn,
                dead_letters_arn=events.dead_letters_arn,
                training_requests_arn=context.naming.arn("sqs", "training-requests"),
                model_evaluation=receiver("model-evaluation"),
                model_registry=receiver("model-registry"),
                drift_schedule="rate(1 day)",
                drift_retrains=retrains,
                trial_schedule="rate(1 day)",
            ),
        )
        return {"rules": routes.rule_names, "inbox": events.alerts_inbox_url}

    return run


def test_bus_archive_and_topic_are_encrypted_with_the_key_of_events(
    record: Any, program: Any, workload: Workload, preview: bool
) -> None:
    recording = record(program, preview=preview)
    bus = recording.one("aws:cloudwatch/eventBus:EventBus").inputs
    archive = recording.one("aws:cloudwatch/eventArchive:EventArchive").inputs
    assert bus["kmsKeyIdentifier"] == archive["kmsKeyIdentifier"] == workload.keys.events
    assert archive["retentionDays"] == 365
    assert recording.one(TOPIC).inputs["kmsMasterKeyId"] == workload.keys.events


def test_the_topic_listens_to_our_rules_and_alarms_only(record: Any, program: Any) -> None:
    policy = record(program).policy(TOPIC, "events-alerts")
    assert policy["DenyPlainTransport"]["Effect"] == "Deny"
    rules = policy["RulesTellPeople"]["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert {arn.rsplit("/", 1)[-1].removeprefix("healthcare-imaging-mlops-test-") for arn in rules} == {
        "metric-violation",
        "pipeline-failure",
    }
    alarms = policy["AlarmsTellPeople"]["Condition"]["ArnLike"]["aws:SourceArn"]
    assert alarms.endswith(":alarm:healthcare-imaging-mlops-test-*")


def test_everybody_whom_the_stack_names_is_told(record: Any, program: Any) -> None:
    recording = record(lambda: program("a@example.org", "b@example.org"))
    told = {(one.inputs["protocol"], one.inputs["endpoint"]) for one in recording.of(SUBSCRIPTION)}
    assert told == {("email", "a@example.org"), ("email", "b@example.org")}


def test_the_slack_channel_reads_the_topic_and_nobody_in_it_can_do_anything(
    record: Any, program: Any, context: Context, preview: bool
) -> None:
    slack = SlackSettings(team_id="T0123ABCD", channel_id="C0123ABCD")
    recording = record(lambda: program(slack=slack), preview=preview)
    channel = recording.one("aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration")
    assert (channel.inputs["slackTeamId"], channel.inputs["slackChannelId"]) == ("T0123ABCD", "C0123ABCD")
    assert channel.inputs["guardrailPolicyArns"] == ["arn:aws:iam::aws:policy/AWSDenyAll"]
    assert channel.inputs["userAuthorizationRequired"] is True
    assert channel.inputs["tags"]["component"] == "events"
    assert channel.property_dependencies["snsTopicArns"] == (recording.one(TOPIC).urn,)
    role = recording.one("aws:iam/role:Role")
    assert channel.property_dependencies["iamRoleArn"] == (role.urn,)
    assert recording.of("aws:iam/rolePolicy:RolePolicy") == []
    assert "managedPolicyArns" not in role.inputs
    assert role.inputs["permissionsBoundary"] == context.boundary_arn
    trust = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    assert [one["Principal"] for one in trust] == [{"Service": ["chatbot.amazonaws.com"]}]


def test_the_paging_service_gets_alerts_over_tls_and_its_address_is_a_secret(
    record: Any, program: Any, preview: bool
) -> None:
    url = "https://events.example.org/integration/0123456789abcdef/enqueue"
    pager = record(lambda: program(pager_url=url), preview=preview).one(SUBSCRIPTION, "events-alerts-pager")
    assert (pager.inputs["protocol"], pager.inputs["endpoint"]) == ("https", url)
    assert pager.inputs["endpointAutoConfirms"] is True
    assert "endpoint" in pager.secret_inputs


def test_without_settings_nobody_else_is_told(record: Any, program: Any) -> None:
    recording = record(program)
    assert recording.of(SUBSCRIPTION) == []
    assert recording.of("aws:chatbot/slackChannelConfiguration:SlackChannelConfiguration") == []


def test_the_inbox_keeps_what_people_are_told_and_takes_it_from_the_topic_alone(record: Any, program: Any) -> None:
    recording = record(lambda: program(inbox=True))
    policy = recording.policy(QUEUE, "events-alerts-inbox")
    assert policy["FromAlerts"]["Principal"] == {"Service": ["sns.amazonaws.com"]}
    assert policy["FromAlerts"]["Condition"]["ArnEquals"]["aws:SourceArn"][0].endswith("-alerts")
    assert recording.one(SUBSCRIPTION, "events-alerts-inbox").inputs["protocol"] == "sqs"
    assert recording.values["inbox"].endswith("alerts-inbox")


def test_without_an_inbox_there_is_no_queue_for_it(record: Any, program: Any) -> None:
    recording = record(program)
    assert [queue.name for queue in recording.of(QUEUE)] == ["events-dead-letters"]
    assert recording.values["inbox"] is None


ROUTES = [
    ("training-complete", "model-evaluation", False),
    ("model-evaluation-passed", "model-registry", True),
]


@pytest.mark.parametrize(("role", "function", "on_bus"), ROUTES, ids=[route[0] for route in ROUTES])
def test_an_event_reaches_its_function_and_only_its_rule_may_invoke_it(
    record: Any, program: Any, role: str, function: str, on_bus: bool
) -> None:
    recording = record(program)
    rule = recording.one(RULE, f"routes-{role}").inputs
    assert rule.get("eventBusName") == ("healthcare-imaging-mlops-test-platform" if on_bus else None)
    assert recording.one(TARGET, f"routes-{role}-target").inputs["arn"].endswith(f":{function}")
    permission = recording.one("aws:lambda/permission:Permission", f"routes-{role}-permission").inputs
    assert permission["sourceArn"].endswith(f"-{role}")
    assert permission["function"] == function


@pytest.mark.parametrize(
    ("role", "on_bus"), [("image-verified", True), ("training-ended", False), ("drift-found", True)]
)
def test_what_may_want_a_training_waits_in_the_triggers_queue(
    record: Any, program: Any, role: str, on_bus: bool
) -> None:
    recording = record(program)
    rule = recording.one(RULE, f"routes-{role}").inputs
    assert rule.get("eventBusName") == ("healthcare-imaging-mlops-test-platform" if on_bus else None)
    assert recording.one(TARGET, f"routes-{role}-target").inputs["arn"].endswith(":training-requests")


@pytest.mark.parametrize("retrains", [True, False])
def test_a_drift_asks_for_a_training_only_where_the_stack_says_so(record: Any, program: Any, retrains: bool) -> None:
    recording = record(lambda: program(retrains=retrains))
    assert recording.one(RULE, "routes-drift-found").inputs.get("state") == (None if retrains else "DISABLED")


def test_the_drift_check_is_asked_for_by_its_schedule(record: Any, program: Any) -> None:
    recording = record(program)
    assert recording.one(RULE, "routes-drift-check").inputs["scheduleExpression"] == "rate(1 day)"
    target = recording.one(TARGET, "routes-drift-check-target").inputs
    assert (target["arn"].rsplit(":", 1)[-1], json.loads(target["input"])) == (
        "model-evaluation",
        {"operation": "drift"},
    )


def test_a_failed_training_is_told_to_people_and_kept(record: Any, program: Any) -> None:
    recording = record(program)
    pattern = json.loads(recording.one(RULE, "routes-pipeline-failure").inputs["eventPattern"])
    assert pattern["detail"]["currentPipelineExecutionStatus"] == ["Failed"]
    people = recording.one(TARGET, "routes-pipeline-failure-people").inputs
    kept = recording.one(TARGET, "routes-pipeline-failure-log").inputs
    assert people["arn"].endswith("-alerts")
    assert "/aws/events/" in kept["arn"], "EventBridge writes to groups below this prefix only"
    assert "inputTransformer" not in kept


def test_what_no_target_took_is_kept_by_the_very_rules_that_exist(record: Any, program: Any) -> None:
    recording = record(program)
    allowed = recording.policy(QUEUE, "events-dead-letters")["FromOurRulesAndBus"]["Condition"]["ArnEquals"]
    named = {arn.rsplit("/", 1)[-1] for arn in allowed["aws:SourceArn"] if ":rule/" in arn}
    assert named == {rule.inputs["name"] for rule in recording.of(RULE)}


def test_event_bridge_may_write_the_error_log_for_the_failure_rule_only(record: Any, program: Any) -> None:
    policy = record(program).policy(
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy", "events-pipeline-errors", key="policyDocument"
    )
    source = policy["RuleWritesErrors"]["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert source.endswith("rule/healthcare-imaging-mlops-test-pipeline-failure")
    assert policy["RuleOpensStreams"]["Condition"]["StringEquals"]["aws:SourceAccount"] == "111122223333"
