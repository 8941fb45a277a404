"""Functions, machines and tables beyond the basics: their logs, runtimes and traces, and copies in other regions."""

from __future__ import annotations

from collections.abc import Iterator

from pulumi_policy import PolicyResource

from hipaa_pack import sections
from hipaa_pack.checks import absent, among, between, each, every, has, not_open, on, only, own_key, present, when
from hipaa_pack.reads import UNKNOWN, Values, at, plain
from hipaa_pack.rule import ResourceRule, Rule, StackRule

_FUNCTION = ("aws:lambda/function:Function",)
_TABLE = ("aws:dynamodb/table:Table",)
# runtimes that AWS patches, and no older ones (Lambda developer guide, runtime support policy)
RUNTIMES = ("python3.11", "python3.12", "python3.13", "nodejs22.x", "nodejs24.x", "provided.al2023")


def _log_config(values: Values) -> Iterator[str]:
    if at(values, "loggingConfig.applicationLogLevel") in ("TRACE", "DEBUG"):
        yield "loggingConfig.applicationLogLevel must not be TRACE or DEBUG: they print events"
    yield from present("loggingConfig.logGroup")(values)
    yield from among("loggingConfig.logFormat", "JSON")(values)


def _own_group(resources: list[PolicyResource]) -> Iterator[tuple[PolicyResource, str]]:
    groups = [r for r in resources if r.resource_type == "aws:cloudwatch/logGroup:LogGroup"]
    named = {at(plain(group.props), "name") for group in groups}
    for function in (r for r in resources if r.resource_type in _FUNCTION):
        linked = function.property_dependencies.get("loggingConfig", [])
        group = at(plain(function.props), "loggingConfig.logGroup")
        known = group is not UNKNOWN and group in named
        if not known and not any(r.resource_type == "aws:cloudwatch/logGroup:LogGroup" for r in linked):
            yield function, f"{function.name} would log into a group that Lambda makes: unencrypted and kept for ever"


def _image_or_runtime(values: Values) -> Iterator[str]:
    if at(values, "packageType") != "Image":
        yield from among("runtime", *RUNTIMES)(values)


RULES: list[Rule] = [
    ResourceRule(
        id="lambda-log-config",
        says="a function logs JSON into its own group, without debug output",
        sections=(*sections.MINIMUM_NECESSARY, *sections.ENCRYPTION),
        remedy="Set logging_config: JSON, INFO, and the group.",
        types=_FUNCTION,
        check=_log_config,
    ),
    StackRule(
        id="lambda-log-group",
        says="a function's log group is one of the program's",
        sections=(*sections.ENCRYPTION, *sections.RETENTION),
        remedy="Use components.function.PlatformFunction, or make the LogGroup.",
        types=_FUNCTION,
        find=_own_group,
    ),
    ResourceRule(
        id="lambda-runtime",
        says="a function's runtime is one that AWS patches",
        sections=sections.RISK,
        sources=("K:363",),
        remedy="Use a runtime of the list in policy/hipaa_pack/rules/functions.py.",
        types=_FUNCTION,
        check=_image_or_runtime,
    ),
    ResourceRule(
        id="lambda-concurrency",
        says="a function has concurrency of its own, and cannot use up the account's",
        sections=sections.AUDIT,
        sources=("N:LambdaConcurrency", "K:115"),
        remedy="Set reserved_concurrent_executions (stack data decides: a small account has little to reserve).",
        grade="low",
        level="advisory",
        types=_FUNCTION,
        check=between("reservedConcurrentExecutions", 0),
    ),
    ResourceRule(
        id="lambda-xray",
        says="calls of a function are traced",
        sections=sections.AUDIT,
        sources=("K:50",),
        remedy="Set tracing_config.mode=Active; no identifier in annotations.",
        grade="low",
        level="advisory",
        types=_FUNCTION,
        check=among("tracingConfig.mode", "Active"),
    ),
    ResourceRule(
        id="lambda-esm-kms",
        says="filters of an event source are encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        remedy="Set kms_key_arn beside filter_criteria.",
        grade="medium",
        level="advisory",
        types=("aws:lambda/eventSourceMapping:EventSourceMapping",),
        check=when(has("filterCriteria"), own_key("kmsKeyArn")),
    ),
    ResourceRule(
        id="sfn-activity-cmk",
        says="an activity is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        remedy="Set encryption_configuration.",
        types=("aws:sfn/activity:Activity",),
        check=among("encryptionConfiguration.type", "CUSTOMER_MANAGED_KMS_KEY"),
    ),
    ResourceRule(
        id="sfn-xray",
        says="executions are traced",
        sections=sections.AUDIT,
        sources=("K:284",),
        remedy="Set tracing_configuration.enabled=True.",
        grade="low",
        level="advisory",
        types=("aws:sfn/stateMachine:StateMachine",),
        check=on("tracingConfiguration.enabled"),
    ),
    ResourceRule(
        id="ddb-replica-cmk",
        says="a table's copy in another region is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("K:271",),
        remedy="Set kms_key_arn of the replica.",
        types=("aws:dynamodb/tableReplica:TableReplica",),
        check=own_key("kmsKeyArn"),
    ),
    ResourceRule(
        id="ddb-global-cmk",
        says="every region of a global table is encrypted by a key of our own and can be restored",
        sections=(*sections.ENCRYPTION, *sections.BACKUP),
        sources=("K:271",),
        remedy="Set kms_key_arn and point_in_time_recovery of each replica.",
        types=_TABLE,
        check=each("replicas", every(own_key("kmsKeyArn"), on("pointInTimeRecovery"))),
    ),
    ResourceRule(
        id="ddb-resource-policy",
        says="no table is open to everybody",
        sections=sections.ACCESS,
        remedy="Name the principals.",
        grade="critical",
        types=("aws:dynamodb/resourcePolicy:ResourcePolicy",),
        check=not_open(),
    ),
    ResourceRule(
        id="ddb-on-demand",
        says="a table grows with its load",
        sections=sections.DISASTER,
        sources=("N:DynamoDBAutoScalingEnabled", "K2:16"),
        remedy="Set billing_mode=PAY_PER_REQUEST.",
        grade="medium",
        types=_TABLE,
        check=among("billingMode", "PAY_PER_REQUEST"),
    ),
    ResourceRule(
        id="kms-keypolicy",
        says="a key policy of its own names its users and keeps the lockout check",
        sections=sections.ACCESS,
        sources=("K:33",),
        remedy="Name principals; leave bypass_policy_lockout_safety_check off.",
        grade="critical",
        types=("aws:kms/keyPolicy:KeyPolicy",),
        check=every(not_open(), absent("bypassPolicyLockoutSafetyCheck")),
    ),
    ResourceRule(
        id="kms-grant",
        says="a grant cannot be handed on",
        sections=sections.ACCESS,
        remedy="Leave CreateGrant out of operations.",
        types=("aws:kms/grant:Grant",),
        check=only("operations", lambda v: "CreateGrant" not in (v or []), "operations must not hold CreateGrant"),
    ),
]
