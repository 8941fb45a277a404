"""The radiologist API: Cognito at the door, API Gateway from an OpenAPI document, one function behind it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components import openapi
from components._base import PlatformComponent
from components._configuration import ApiSettings
from components._iam import Statement, service_role
from components._logs import EXECUTION_LOGS, LogClass, log_group
from components._queues import Senders, encrypted_queue
from components._rules import Rule, function_target, rule_arn
from components._workload import Workload, platform_function
from components.api_function import ApiStores, plan
from components.firewall import firewall
from components.function import FunctionSize, PlatformFunction
from components.identity import Identity, identity

STAGE: Final = "v1"
SWEEP_RULE: Final = "outbox-sweep"
SWEEP_SCHEDULE: Final = "rate(1 minute)"
SWEEP_INPUT: Final = json.dumps({"operation": "relay-outbox"})

# Who did what and how it ended; the resource is the route, not the path: no key of a study, no body, no e-mail.
ACCESS_LOG_FORMAT: Final = json.dumps(
    {
        "request_id": "$context.requestId",
        "time": "$context.requestTimeEpoch",
        "source_ip": "$context.identity.sourceIp",
        "person": "$context.authorizer.claims.sub",
        "method": "$context.httpMethod",
        "route": "$context.resourcePath",
        "status": "$context.status",
        "latency_milliseconds": "$context.responseLatency",
        "trace": "$context.xrayTraceId",
    },
    separators=(",", ":"),
)


@dataclass(frozen=True, kw_only=True)
class RadiologistApiArgs:
    """What the API needs.

    Attributes:
        settings: life of upload URLs, rate limits, browser origins, second factor, firewall.
        deletion_protection: keeps the accounts of people when the stack goes.
    """

    workload: Workload
    stores: ApiStores
    settings: ApiSettings
    size: FunctionSize
    api_layer: pulumi.Input[str]
    deletion_protection: bool


class RadiologistApi(PlatformComponent):
    """REST API with user pool, client, function, throttling, access logs and, by config, a firewall.

    Guarantees: every operation but /health asks for an ID token of the pool; request bodies are never logged; the log
    that tells who read what is kept as long as an audit record (45 CFR 164.312(b)).
    """

    url: pulumi.Output[str]
    user_pool_id: pulumi.Output[str]
    client_id: pulumi.Output[str]
    viewer_client_id: pulumi.Output[str]
    sign_in_host: pulumi.Output[str]
    function_name: pulumi.Output[str]
    function_arn: pulumi.Output[str]
    audit_log_group_name: pulumi.Output[str]

    def __init__(self, name: str, args: RadiologistApiArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("imaging:api:RadiologistApi", name, opts)
        self._args = args
        self._context = args.workload.context
        self._tags = self._context.tags_for("api", "phi")

        people = identity(
            f"{name}-people",
            context=self._context,
            mfa=args.settings.mfa,
            viewer_origins=args.settings.viewer_origins,
            deletion_protection=args.deletion_protection,
            tags=self._tags,
            opts=self.child(),
        )
        clients = [one.id for one in (people.client, people.viewer) if one is not None]
        function = self._build_function(name, pulumi.Output.all(*clients).apply(lambda ids: ",".join(map(str, ids))))
        self._build_sweep(name, function)
        rest = self._build_rest_api(name, people, function)
        stage = self._build_stage(name, rest)
        if args.settings.waf:
            firewall(
                f"{name}-firewall",
                workload=args.workload,
                stage_arn=stage.arn,
                tags=self._tags,
                opts=self.child(),
            )

        self.url = stage.invoke_url
        self.user_pool_id = people.pool.id
        self.client_id = people.client.id
        self.viewer_client_id = people.viewer.id if people.viewer else pulumi.Output.from_input("")
        self.sign_in_host = people.sign_in_host
        self.function_name = function.function_name
        self.function_arn = function.function_arn
        self.audit_log_group_name = function.log_group_name
        self.register_outputs(
            {
                "url": self.url,
                "user_pool_id": self.user_pool_id,
                "client_id": self.client_id,
                "viewer_client_id": self.viewer_client_id,
                "sign_in_host": self.sign_in_host,
                "function_name": self.function_name,
                "function_arn": self.function_arn,
                "audit_log_group_name": self.audit_log_group_name,
            }
        )

    def _build_function(self, name: str, client_ids: pulumi.Input[str]) -> PlatformFunction:
        """The function, whose log is an audit record: kept for years, under the key of that class."""
        args, workload = self._args, self._args.workload
        return platform_function(
            f"{name}-function",
            plan(
                workload,
                args.stores,
                args.settings,
                size=args.size,
                api_layer=args.api_layer,
                client_ids=client_ids,
            ),
            workload,
            self.child(),
        )

    def _build_sweep(self, name: str, function: PlatformFunction) -> None:
        """Every minute the function announces what a crash between table and bus left in the outbox."""
        dead_letters = encrypted_queue(
            f"{name}-sweep-dead-letters",
            context=self._context,
            role="sweep-dlq",
            key_arn=self._args.workload.keys.events,
            tags=self._tags,
            senders=[
                Senders(
                    sid="FromSweep",
                    service="events.amazonaws.com",
                    source_arns=[rule_arn(self._context, SWEEP_RULE)],
                )
            ],
            opts=self.child(),
        )
        function_target(
            f"{name}-sweep",
            Rule(role=SWEEP_RULE, description="Announces labels that are still in the outbox", schedule=SWEEP_SCHEDULE),
            context=self._context,
            function_name=function.function_name,
            function_arn=function.function_arn,
            dead_letters_arn=dead_letters.arn,
            tags=self._tags,
            child=self.child(),
            constant_input=SWEEP_INPUT,
        )

    def _build_rest_api(self, name: str, people: Identity, function: PlatformFunction) -> aws.apigateway.RestApi:
        title = self._context.naming.name("api", limit=128)
        origins = list(self._args.settings.cors_origins)
        region, partition = self._context.region, self._context.partition
        body = pulumi.Output.all(function=function.function_arn, pool=people.pool.arn).apply(
            lambda known: openapi.document_json(
                title=title,
                invoke_arn=openapi.invoke_arn(known["function"], region, partition),
                user_pool_arn=known["pool"],
                origins=origins,
            )
        )
        rest = aws.apigateway.RestApi(
            name,
            name=title,
            description="Studies, labels, models and training runs for radiologists",
            body=body,
            put_rest_api_mode="overwrite",
            endpoint_configuration={"types": "REGIONAL"},
            tags=self._tags,
            opts=self.child(),
        )
        aws.lambda_.Permission(
            f"{name}-permission",
            statement_id=f"{name}-permission",
            action="lambda:InvokeFunction",
            function=function.function_name,
            principal="apigateway.amazonaws.com",
            source_arn=pulumi.Output.concat(rest.execution_arn, f"/{STAGE}/*"),
            opts=self.child(),
        )
        return rest

    def _build_stage(self, name: str, rest: aws.apigateway.RestApi) -> aws.apigateway.Stage:
        deployment = aws.apigateway.Deployment(
            f"{name}-deployment",
            rest_api=rest.id,
            triggers={"body": rest.body.apply(_digest)},
            opts=self.child(),
        )
        access_log = self._log_group(
            f"{name}-access-logs", f"/aws/apigateway/{self._context.naming.name('api')}", "audit"
        )
        # made beforehand: API Gateway would make an unencrypted group that is kept for ever
        self._log_group(
            f"{name}-execution-logs",
            pulumi.Output.concat(EXECUTION_LOGS, rest.id, f"/{STAGE}"),
            "operations",
        )
        stage = aws.apigateway.Stage(
            f"{name}-stage",
            rest_api=rest.id,
            deployment=deployment.id,
            stage_name=STAGE,
            xray_tracing_enabled=True,
            access_log_settings={
                "destination_arn": access_log.arn.apply(_without_streams),
                "format": ACCESS_LOG_FORMAT,
            },
            tags=self._tags,
            opts=self.child(depends_on=[self._build_log_account(name)]),
        )
        aws.apigateway.MethodSettings(
            f"{name}-methods",
            rest_api=rest.id,
            stage_name=stage.stage_name,
            method_path="*/*",
            settings={
                "throttling_rate_limit": self._args.settings.throttle_rate,
                "throttling_burst_limit": self._args.settings.throttle_burst,
                "logging_level": "ERROR",
                "data_trace_enabled": False,  # would log whole requests and answers
                "metrics_enabled": True,
                "caching_enabled": False,
            },
            opts=self.child(),
        )
        return stage

    def _log_group(
        self, logical_name: str, physical_name: pulumi.Input[str], log_class: LogClass
    ) -> aws.cloudwatch.LogGroup:
        workload = self._args.workload
        return log_group(
            logical_name,
            name=physical_name,
            log_class=log_class,
            keeping=workload.logs,
            tags=self._tags,
            opts=self.child(),
        )

    def _build_log_account(self, name: str) -> aws.apigateway.Account:
        """API Gateway has one log role for the account and region; every stack sets an equal one."""
        context = self._context
        role = service_role(
            f"{name}-log-role",
            context=context,
            role="api-logs",
            services=["apigateway.amazonaws.com"],
            statements=[self._log_statement()],
            tags=self._tags,
            description="API Gateway writes the access and execution logs",
            opts=self.child(),
        )
        return aws.apigateway.Account(
            f"{name}-log-account", cloudwatch_role_arn=role.arn, opts=self.child(depends_on=[role.policy])
        )

    def _log_statement(self) -> Statement:
        return Statement(
            sid="WriteApiLogs",
            actions=[
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogGroups",
                "logs:DescribeLogStreams",
                "logs:FilterLogEvents",
                "logs:GetLogEvents",
                "logs:PutLogEvents",
            ],
            # one role serves all APIs of the account and region, whose groups have the APIs' random ids in their names
            resources=[self._context.naming.arn("logs", "*")],
        )


def _digest(body: str | None) -> str:
    """A new document is a new deployment, an equal one is none."""
    return hashlib.sha256((body or "").encode()).hexdigest()


def _without_streams(log_group_arn: str) -> str:
    return log_group_arn.removesuffix(":*")
