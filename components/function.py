"""A Lambda function of the platform: in the VPC, under its own least-privilege role, with nothing lost silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._iam import ServiceRole, Statement, policy_document, service_role
from components._logs import LogClass, LogKeeping, log_group
from components._tags import DataClass

EVENT_AGE_SECONDS = 6 * 60 * 60
"""Lambda's own limit: how long an asynchronous event is retried before it goes to the dead-letter queue."""
DEAD_LETTER_RETENTION_SECONDS = 14 * 24 * 60 * 60
"""SQS's limit: two weeks to find the cause and send the messages again."""

_NETWORK_INTERFACE_ACTIONS = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ec2:UnassignPrivateIpAddresses",
)


@dataclass(frozen=True, kw_only=True)
class FunctionCode:
    """What runs. The archive holds the folder under the package's name, as the tests import it.

    Attributes:
        package: importable name, e.g. `image_ingestion`; the default folder is `lambdas/<package>`.
        handler: dotted handler, e.g. `image_ingestion.handler.handler`.
        runtime: Lambda runtime identifier, e.g. `python3.12`.
        layers: ARNs of layer versions, at most five.
        path: folder of the package, relative to the project.
    """

    package: str
    handler: str
    runtime: str
    layers: Sequence[pulumi.Input[str]] = ()
    path: str | None = None

    def archive(self) -> pulumi.AssetArchive:
        """The deployment package, file by file: a folder would carry the caches that a test run leaves behind."""
        folder = Path(self.path or f"lambdas/{self.package}")
        files = sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        return pulumi.AssetArchive(
            {f"{self.package}/{p.relative_to(folder).as_posix()}": pulumi.FileAsset(p.as_posix()) for p in files}
        )


@dataclass(frozen=True, kw_only=True)
class FunctionSize:
    """Memory (MiB), timeout (seconds) and reserved concurrency (None: the account's shared pool)."""

    memory_mb: int
    timeout_seconds: int
    reserved_concurrency: int | None = None


@dataclass(frozen=True, kw_only=True)
class FunctionNetwork:
    """Private subnets and security groups of the function's network interfaces."""

    subnet_ids: Sequence[pulumi.Input[str]] | pulumi.Output[Sequence[str]]
    security_group_ids: Sequence[pulumi.Input[str]]


@dataclass(frozen=True, kw_only=True)
class FunctionKeys:
    """ARNs of the keys for environment variables, the log group, and the dead-letter queue."""

    environment: pulumi.Input[str]
    dead_letters: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class PlatformFunctionArgs:
    """Everything a function needs.

    Attributes:
        role: the part of the physical names after project and stack, e.g. `image-ingestion`.
        environment: plain variables; secrets go by ARN, never by value.
        statements: all that the function may do beyond its own logs, traces, network and dead letters.
        logs: how logs are kept, by class.
        log_class: `audit` where its log tells who did what to health information.
        log_level: INFO or above; DEBUG lines could carry what the data holds.
        data_class: the most sensitive class the function touches, for its tags.
    """

    context: Context
    role: str
    description: str
    code: FunctionCode
    size: FunctionSize
    network: FunctionNetwork
    keys: FunctionKeys
    environment: Mapping[str, pulumi.Input[str]]
    statements: Sequence[Statement]
    logs: LogKeeping
    log_class: LogClass = "operations"
    log_level: str = "INFO"
    data_class: DataClass = "operations"


class PlatformFunction(PlatformComponent):
    """Lambda function with an encrypted log group made beforehand, own role, dead-letter queue and tracing.

    Creates `{name}-logs`, `{name}-dead-letters`, `{name}-role` (+ policy), `{name}` and `{name}-invoke`.
    Guarantees: the role can do what `statements` say and no more; an asynchronous event that fails three times is
    kept in the queue; logs and variables are encrypted with our own keys (45 CFR 164.312(a)(2)(iv)).
    """

    function_arn: pulumi.Output[str]
    function_name: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    dlq_arn: pulumi.Output[str]
    log_group_name: pulumi.Output[str]

    def __init__(self, name: str, args: PlatformFunctionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the function; see `PlatformFunctionArgs` for what it takes."""
        super().__init__("imaging:function:PlatformFunction", name, opts)
        self._physical_name = args.context.naming.name(args.role)
        self._tags = args.context.tags_for(args.role, args.data_class)

        log_group = self._build_log_group(name, args)
        dead_letters = self._build_dead_letters(name, args)
        role = self._build_role(name, args)
        function = self._build_function(name, args, role, dead_letters, log_group)
        aws.lambda_.FunctionEventInvokeConfig(
            f"{name}-invoke",
            function_name=function.name,
            maximum_retry_attempts=2,
            maximum_event_age_in_seconds=EVENT_AGE_SECONDS,
            opts=self.child(),
        )

        self.function_arn = function.arn
        self.function_name = function.name
        self.role_arn = role.arn
        self.dlq_arn = dead_letters.arn
        self.log_group_name = log_group.name
        self.register_outputs(
            {
                "function_arn": self.function_arn,
                "function_name": self.function_name,
                "role_arn": self.role_arn,
                "dlq_arn": self.dlq_arn,
                "log_group_name": self.log_group_name,
            }
        )

    def _build_log_group(self, name: str, args: PlatformFunctionArgs) -> aws.cloudwatch.LogGroup:
        # made before the function: Lambda would make an unencrypted group that is kept for ever
        return log_group(
            f"{name}-logs",
            name=f"/aws/lambda/{self._physical_name}",
            log_class=args.log_class,
            keeping=args.logs,
            tags=self._tags,
            opts=self.child(),
        )

    def _build_dead_letters(self, name: str, args: PlatformFunctionArgs) -> aws.sqs.Queue:
        queue_name = args.context.naming.name(f"{args.role}-dlq", limit=80)
        queue_arn = args.context.naming.arn("sqs", queue_name)
        return aws.sqs.Queue(
            f"{name}-dead-letters",
            name=queue_name,
            kms_master_key_id=args.keys.dead_letters,
            message_retention_seconds=DEAD_LETTER_RETENTION_SECONDS,
            policy=policy_document(
                Statement(
                    sid="DenyPlainTransport",
                    effect="Deny",
                    actions=["sqs:*"],
                    resources=[queue_arn],
                    principals="*",
                    conditions={"Bool": {"aws:SecureTransport": "false"}},
                )
            ),
            tags=self._tags,
            opts=self.child(),
        )

    def _build_role(self, name: str, args: PlatformFunctionArgs) -> ServiceRole:
        return service_role(
            f"{name}-role",
            context=args.context,
            role=args.role,
            services=["lambda.amazonaws.com"],
            statements=[*args.statements, *self._runtime_statements(args)],
            tags=self._tags,
            description=args.description,
            opts=self.child(),
        )

    def _runtime_statements(self, args: PlatformFunctionArgs) -> list[Statement]:
        """What any function needs to run at all: own logs, traces, network, dead letters, own variables."""
        naming = args.context.naming
        function_arn = naming.arn("lambda", f"function:{self._physical_name}")
        own = {action for statement in args.statements for action in statement.actions}
        log_group_arn = naming.arn("logs", f"log-group:/aws/lambda/{self._physical_name}")
        return [
            Statement(
                sid="WriteOwnLogs",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[f"{log_group_arn}:*"],
            ),
            Statement(
                sid="SendTraces",  # X-Ray has no resource-level rights for these actions
                actions=["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
                resources=["*"],
            ),
            Statement(
                sid="ManageVpcNetworkInterfaces",  # Lambda checks for these on `*` when it joins the VPC
                actions=_NETWORK_INTERFACE_ACTIONS,
                resources=["*"],
            ),
            Statement(
                sid="DenyNetworkInterfacesToTheCode",  # the service needs them, the code it runs does not
                effect="Deny",
                actions=[action for action in _NETWORK_INTERFACE_ACTIONS if action not in own],
                resources=["*"],
                conditions={"ArnEquals": {"lambda:SourceFunctionArn": function_arn}},
            ),
            Statement(
                sid="KeepDeadLetters",
                actions=["sqs:SendMessage"],
                resources=[naming.arn("sqs", naming.name(f"{args.role}-dlq", limit=80))],
            ),
            Statement(
                sid="EncryptDeadLetters",
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[args.keys.dead_letters],
                conditions={"StringEquals": {"kms:ViaService": f"sqs.{args.context.region}.amazonaws.com"}},
            ),
            Statement(
                sid="DecryptOwnVariables",
                actions=["kms:Decrypt"],
                resources=[args.keys.environment],
                conditions={"StringEquals": {"kms:EncryptionContext:aws:lambda:FunctionArn": function_arn}},
            ),
        ]

    def _build_function(
        self,
        name: str,
        args: PlatformFunctionArgs,
        role: ServiceRole,
        dead_letters: aws.sqs.Queue,
        log_group: aws.cloudwatch.LogGroup,
    ) -> aws.lambda_.Function:
        return aws.lambda_.Function(
            name,
            name=self._physical_name,
            description=args.description,
            role=role.arn,
            runtime=args.code.runtime,
            handler=args.code.handler,
            code=args.code.archive(),
            layers=list(args.code.layers) or None,
            memory_size=args.size.memory_mb,
            timeout=args.size.timeout_seconds,
            reserved_concurrent_executions=args.size.reserved_concurrency,
            kms_key_arn=args.keys.environment,
            environment={"variables": dict(args.environment)},
            dead_letter_config={"target_arn": dead_letters.arn},
            tracing_config={"mode": "Active"},
            vpc_config={
                "subnet_ids": args.network.subnet_ids,
                "security_group_ids": list(args.network.security_group_ids),
            },
            logging_config={
                "log_format": "JSON",
                "application_log_level": args.log_level,
                "system_log_level": "INFO",  # INFO keeps the reports of duration and memory
                "log_group": log_group.name,
            },
            tags=self._tags,
            opts=self.child(depends_on=[role.policy]),
        )
