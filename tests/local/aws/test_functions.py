"""Functions behave as on AWS where plain ministack does not."""

from __future__ import annotations

from typing import Any

ENVIRONMENT = """
import os, sys
def handler(event, context):
    try:
        import ministack
        found = "ministack"
    except ModuleNotFoundError as error:
        found = str(error)
    return {"environment": dict(os.environ), "found": found, "executable": sys.executable,
            "group": context.log_group_name}
"""


def test_a_function_sees_its_own_variables_and_none_of_the_launchers(function: Any, invoke: Any) -> None:
    function("environment", ENVIRONMENT, Environment={"Variables": {"LOG_LEVEL": "WARNING", "TABLE": "t"}})
    answer = invoke("environment")["payload"]
    environment = answer["environment"]
    leaked = {
        name
        for name in environment
        if name.startswith(("MINISTACK_", "GATEWAY_", "S3_", "STATE_", "PERSIST")) or name in {"AUTH", "HOME"}
    }
    assert leaked == set()
    assert (environment["TABLE"], environment["LOG_LEVEL"]) == ("t", "WARNING")
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.11"
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/environment"
    assert environment["AWS_ENDPOINT_URL"].startswith("https://")
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")


def test_a_package_of_the_host_is_missing_as_on_aws(function: Any, invoke: Any) -> None:
    function("host-package", ENVIRONMENT)
    answer = invoke("host-package")["payload"]
    assert answer["found"] == "No module named 'ministack'"
    assert ".venvs/lambda" in answer["executable"]


def test_an_exception_is_answered_by_its_class_and_leaves_the_environment_warm(function: Any, invoke: Any) -> None:
    function(
        "typed",
        """
        calls = 0
        class NotADicomFile(Exception): pass
        def handler(event, context):
            global calls
            calls += 1
            if event.get("raise"):
                raise NotADicomFile("no preamble")
            return calls
        """,
    )
    failed = invoke("typed", {"raise": True})
    assert failed["error"] == "Unhandled"
    assert failed["payload"]["errorType"] == "NotADicomFile"
    assert failed["payload"]["errorMessage"] == "no preamble"
    assert any("main.py" in line for line in failed["payload"]["stackTrace"])
    assert invoke("typed")["payload"] == 2


def test_metrics_in_the_log_raise_the_alarm_that_watches_them(
    aws: Any, function: Any, invoke: Any, eventually: Any
) -> None:
    function(
        "metered",
        """
        import json
        def handler(event, context):
            print(json.dumps({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "Tests",
                "Dimensions": [["service"]], "Metrics": [{"Name": "Missing", "Unit": "Count"}]}]},
                "service": "reconciler", "Missing": 7}))
            print(json.dumps({"level": "ERROR", "code": 503}))
        """,
    )
    aws("logs").create_log_group(logGroupName="/aws/lambda/metered")
    aws("logs").put_metric_filter(
        logGroupName="/aws/lambda/metered",
        filterName="errors",
        filterPattern='{ $.level = "ERROR" && $.code >= 500 }',
        metricTransformations=[{"metricName": "Errors5xx", "metricNamespace": "Tests", "metricValue": "1"}],
    )
    queue = aws("sqs").create_queue(QueueName="alarm-mail")["QueueUrl"]
    topic = aws("sns").create_topic(Name="alarms")["TopicArn"]
    arn = aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},'
        f'"Action":"sqs:SendMessage","Resource":"{arn}"}}]}}'
    )
    aws("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    for name, dimensions in (("Missing", [{"Name": "service", "Value": "reconciler"}]), ("Errors5xx", [])):
        aws("cloudwatch").put_metric_alarm(
            AlarmName=f"tests-{name}",
            Namespace="Tests",
            MetricName=name,
            Dimensions=dimensions,
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
            AlarmActions=[topic],
        )
    invoke("metered")

    def states() -> bool:
        alarms = aws("cloudwatch").describe_alarms(AlarmNamePrefix="tests-")["MetricAlarms"]
        return {alarm["StateValue"] for alarm in alarms} == {"ALARM"} and len(alarms) == 2

    eventually(states, what="both alarms")
    eventually(lambda: aws("sqs").receive_message(QueueUrl=queue).get("Messages"), what="the alarm's message")


def test_a_burst_waits_its_turn_and_an_event_that_fails_for_good_is_kept(
    aws: Any, function: Any, eventually: Any
) -> None:
    import json

    dead = aws("sqs").create_queue(QueueName="function-dead")["QueueUrl"]
    arn = aws("sqs").get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    done = aws("sqs").create_queue(QueueName="function-done")["QueueUrl"]
    function(
        "burst",
        f"""
        import boto3
        queue = boto3.client("sqs")
        def handler(event, context):
            if event["n"] < 0:
                raise ValueError("never")
            queue.send_message(QueueUrl="{done}", MessageBody=str(event["n"]))
        """,
        DeadLetterConfig={"TargetArn": arn},
    )
    aws("lambda").put_function_concurrency(FunctionName="burst", ReservedConcurrentExecutions=3)
    for number in [-1, *range(12)]:
        aws("lambda").invoke(FunctionName="burst", InvocationType="Event", Payload=json.dumps({"n": number}))
    seen: set[int] = set()

    def all_done() -> bool:
        answer = aws("sqs").receive_message(QueueUrl=done, MaxNumberOfMessages=10)
        seen.update(int(message["Body"]) for message in answer.get("Messages", []))
        return seen == set(range(12))

    eventually(all_done, seconds=90, what="all events of the burst, throttled ones too")
    message = eventually(lambda: aws("sqs").receive_message(QueueUrl=dead).get("Messages"), what="the dead event")
    assert json.loads(message[0]["Body"]) == {"n": -1}
