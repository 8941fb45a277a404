"""Functions, queues, events, a workflow, alarms, users and an API."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws


def trust(service: str) -> str:
    """Trust policy of a service role."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _allow(**statement: Any) -> pulumi.Output[str]:
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def _function(data: dict[str, Any], net: dict[str, Any], dead: aws.sqs.Queue) -> aws.lambda_.Function:
    role = aws.iam.Role("function", assume_role_policy=trust("lambda.amazonaws.com"), max_session_duration=7200)
    extra = aws.iam.Policy("extra", policy=_allow(Action="s3:GetObject", Resource="*"))
    aws.iam.RolePolicyAttachment("extra", role=role.name, policy_arn=extra.arn)
    aws.iam.RolePolicy("function", role=role.name, policy=_allow(Action=["logs:*"], Resource="*"))
    shared = pulumi.AssetArchive({"python/shared.py": pulumi.StringAsset("X = 1")})
    layer = aws.lambda_.LayerVersion(
        "shared", layer_name="sample-shared", code=shared, compatible_runtimes=["python3.11"]
    )
    group = aws.cloudwatch.LogGroup("function", retention_in_days=14, kms_key_id=data["key"].arn)
    function = aws.lambda_.Function(
        "function",
        role=role.arn,
        handler="a.handler",
        runtime="python3.11",
        code=pulumi.AssetArchive(
            {"a.py": pulumi.StringAsset("def handler(event, context): return {'statusCode': 200, 'body': 'fine'}")}
        ),
        layers=[layer.arn],
        timeout=30,
        memory_size=256,
        environment={"variables": {"A": "b"}},
        kms_key_arn=data["key"].arn,
        dead_letter_config={"target_arn": dead.arn},
        tracing_config={"mode": "Active"},
        vpc_config={"subnet_ids": net["subnets"], "security_group_ids": [net["group"]]},
        logging_config={"log_format": "JSON", "log_group": group.name},
        reserved_concurrent_executions=5,
    )
    on_failure = {"on_failure": {"destination": dead.arn}}
    aws.lambda_.FunctionEventInvokeConfig(
        "function", function_name=function.name, maximum_retry_attempts=1, destination_config=on_failure
    )
    aws.lambda_.Alias("live", function_name=function.name, function_version="$LATEST")
    return function


def _messaging(data: dict[str, Any], function: aws.lambda_.Function, dead: aws.sqs.Queue) -> aws.sns.Topic:
    redrive = pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 5})
    work = aws.sqs.Queue(
        "work", kms_master_key_id=data["key"].arn, visibility_timeout_seconds=60, redrive_policy=redrive
    )
    sender = {"Principal": {"Service": "events.amazonaws.com"}}
    aws.sqs.QueuePolicy("work", queue_url=work.url, policy=_allow(**sender, Action="sqs:SendMessage", Resource="*"))
    aws.lambda_.EventSourceMapping(
        "work",
        function_name=function.name,
        event_source_arn=work.arn,
        batch_size=10,
        function_response_types=["ReportBatchItemFailures"],
        scaling_config={"maximum_concurrency": 5},
    )
    topic = aws.sns.Topic("alerts", kms_master_key_id=data["key"].id, display_name="Alerts")
    publish = _allow(**sender, Action="sns:Publish", Resource=topic.arn)
    aws.sns.TopicPolicy("alerts", arn=topic.arn, policy=publish)
    kinds = json.dumps({"kind": ["alert"]})
    aws.sns.TopicSubscription("work", topic=topic.arn, protocol="sqs", endpoint=work.arn, filter_policy=kinds)
    return topic


def _events(function: aws.lambda_.Function, topic: aws.sns.Topic, dead: aws.sqs.Queue) -> None:
    bus = aws.cloudwatch.EventBus("platform", description="platform events")
    aws.cloudwatch.EventArchive("platform", event_source_arn=bus.arn, retention_days=30)
    rule = aws.cloudwatch.EventRule(
        "verified", event_bus_name=bus.name, event_pattern=json.dumps({"source": ["imaging.api"]})
    )
    aws.cloudwatch.EventTarget("verified", rule=rule.name, event_bus_name=bus.name, arn=topic.arn)
    timer = aws.cloudwatch.EventRule("timer", schedule_expression="rate(5 minutes)")
    aws.cloudwatch.EventTarget("timer", rule=timer.name, arn=function.arn, input=json.dumps({"a": 1}))
    aws.lambda_.Permission(
        "timer",
        action="lambda:InvokeFunction",
        function=function.name,
        principal="events.amazonaws.com",
        source_arn=timer.arn,
    )
    role = aws.iam.Role("machine", assume_role_policy=trust("states.amazonaws.com"))
    logs = aws.cloudwatch.LogGroup("machine", retention_in_days=14)
    machine = aws.sfn.StateMachine(
        "ingestion",
        role_arn=role.arn,
        definition=pulumi.Output.json_dumps(
            {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": function.arn, "End": True}}}
        ),
        logging_configuration={"level": "ERROR", "log_destination": pulumi.Output.concat(logs.arn, ":*")},
        tracing_configuration={"enabled": True},
    )
    uploaded = aws.cloudwatch.EventRule("uploaded", event_pattern=json.dumps({"source": ["aws.s3"]}))
    aws.cloudwatch.EventTarget(
        "uploaded",
        rule=uploaded.name,
        arn=machine.arn,
        role_arn=role.arn,
        input_transformer={"input_paths": {"key": "$.detail.object.key"}, "input_template": '{"key":<key>}'},
        dead_letter_config={"arn": dead.arn},
        retry_policy={"maximum_event_age_in_seconds": 3600, "maximum_retry_attempts": 3},
    )


def _alarms(function: aws.lambda_.Function, topic: aws.sns.Topic) -> None:
    errors = aws.cloudwatch.MetricAlarm(
        "errors",
        comparison_operator="GreaterThanThreshold",
        evaluation_periods=1,
        metric_name="Errors",
        namespace="AWS/Lambda",
        period=60,
        statistic="Sum",
        threshold=1,
        dimensions={"FunctionName": function.name},
        alarm_actions=[topic.arn],
        treat_missing_data="notBreaching",
    )
    aws.cloudwatch.CompositeAlarm(
        "any", alarm_name="sample-any", alarm_rule=pulumi.Output.concat("ALARM(", errors.name, ")")
    )
    aws.cloudwatch.Dashboard("board", dashboard_name="sample", dashboard_body=json.dumps({"widgets": []}))
    group = aws.cloudwatch.LogGroup("filtered", retention_in_days=7)
    metric = {"name": "Errors", "namespace": "Sample", "value": "1", "default_value": "0"}
    aws.cloudwatch.LogMetricFilter("errors", log_group_name=group.name, pattern="ERROR", metric_transformation=metric)


def _api(function: aws.lambda_.Function) -> pulumi.Output[str]:
    pool = aws.cognito.UserPool(
        "readers",
        password_policy={"minimum_length": 12, "require_numbers": True},
        mfa_configuration="OPTIONAL",
        software_token_mfa_configuration={"enabled": True},
        admin_create_user_config={"allow_admin_create_user_only": True},
        username_attributes=["email"],
        schemas=[{"name": "licence", "attribute_data_type": "String", "mutable": True}],
    )
    aws.cognito.UserPoolClient(
        "web", user_pool_id=pool.id, access_token_validity=60, token_validity_units={"access_token": "minutes"}
    )
    aws.cognito.UserGroup("radiologist", user_pool_id=pool.id, name="radiologist", precedence=1)
    scope = {"scope_name": "read", "scope_description": "read studies"}
    aws.cognito.ResourceServer("api", identifier="https://api.sample", name="api", user_pool_id=pool.id, scopes=[scope])
    integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": function.invoke_arn}
    get = {"responses": {"200": {"description": "ok"}}, "x-amazon-apigateway-integration": integration}
    document = {"openapi": "3.0.1", "info": {"title": "sample", "version": "1"}, "paths": {"/health": {"get": get}}}
    body = pulumi.Output.json_dumps(document)
    api = aws.apigateway.RestApi("api", body=body, endpoint_configuration={"types": "REGIONAL"}, description="sample")
    deployment = aws.apigateway.Deployment("api", rest_api=api.id, triggers={"body": body})
    stage = aws.apigateway.Stage(
        "v1", rest_api=api.id, deployment=deployment.id, stage_name="v1", variables={"a": "b"}, tags={"a": "b"}
    )
    settings = {"logging_level": "ERROR", "throttling_burst_limit": 50, "throttling_rate_limit": 100}
    aws.apigateway.MethodSettings(
        "all", rest_api=api.id, stage_name=stage.stage_name, method_path="*/*", settings=settings
    )
    aws.lambda_.Permission(
        "api",
        action="lambda:InvokeFunction",
        function=function.name,
        principal="apigateway.amazonaws.com",
        source_arn=pulumi.Output.concat(api.execution_arn, "/*/*"),
    )
    return stage.invoke_url


def build(data: dict[str, Any], net: dict[str, Any]) -> None:
    """Everything that works on the storage inside the network."""
    dead = aws.sqs.Queue("dead", sqs_managed_sse_enabled=True, message_retention_seconds=1209600)
    function = _function(data, net, dead)
    topic = _messaging(data, function, dead)
    _events(function, topic, dead)
    _alarms(function, topic)
    pulumi.export("url", _api(function))
