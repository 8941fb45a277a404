"""Rules that hold for every component and every resource of the program, in `up` and in a first preview."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from fnmatch import fnmatchcase
from typing import Any

import pulumi_aws as aws
import pytest

import components
from components._base import PlatformComponent
from tests.fixtures.platform_program import recorded_program

REQUIRED_TAGS = {"project", "stack", "component", "owner", "data-class", "managed-by"}
# Resources whose service has no rights on a single resource; each statement says so where it is made.
ACTIONS_WITHOUT_RESOURCES = {
    "application-autoscaling:DescribeScalableTargets",
    "cloudtrail:DescribeTrails",
    "cloudtrail:LookupEvents",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "sagemaker:ListModelPackages",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
# Services that ask for these on `*`: network interfaces of a VPC, and the delivery of vended logs.
PREFIXES_WITHOUT_RESOURCES = ("ec2:", "logs:")
ENCRYPTED = {
    "aws:cloudwatch/eventArchive:EventArchive": "kmsKeyIdentifier",
    "aws:cloudwatch/eventBus:EventBus": "kmsKeyIdentifier",
    "aws:cloudwatch/logGroup:LogGroup": "kmsKeyId",
    "aws:lambda/function:Function": "kmsKeyArn",
    "aws:s3/bucketObjectv2:BucketObjectv2": "kmsKeyId",
    "aws:secretsmanager/secret:Secret": "kmsKeyId",
    "aws:sns/topic:Topic": "kmsMasterKeyId",
    "aws:sqs/queue:Queue": "kmsMasterKeyId",
}


def all_components() -> list[type[PlatformComponent]]:
    """Every component class of the package, found by walking it: a new one is tested without being listed."""
    found: set[type[PlatformComponent]] = set()
    for module in pkgutil.iter_modules(components.__path__):
        for value in vars(importlib.import_module(f"components.{module.name}")).values():
            if inspect.isclass(value) and issubclass(value, PlatformComponent) and value is not PlatformComponent:
                found.add(value)
    return sorted(found, key=lambda kind: kind.__name__)


def taggable(token: str) -> bool:
    """Whether the provider's class takes tags."""
    module, _, name = token.partition(":")[2].partition("/")[0], "", token.rsplit(":", 1)[1]
    package = getattr(aws, "lambda_" if module == "lambda" else module, None)
    kind = getattr(package, name, None)
    return kind is not None and "tags" in inspect.signature(kind._internal_init).parameters


def of_ours(program: Any) -> list[Any]:
    """Resources that our code registers: awsx makes its own below `awsx:ec2:Vpc`."""
    return [resource for resource in program.resources if resource.token.startswith(("aws:", "imaging:"))]


@pytest.mark.parametrize("kind", all_components(), ids=lambda kind: kind.__name__)
def test_a_component_takes_name_args_and_opts_and_says_what_it_is(kind: type[PlatformComponent]) -> None:
    assert list(inspect.signature(kind.__init__).parameters) == ["self", "name", "args", "opts"]
    assert kind.__doc__, "a reader learns from the docstring what it creates and guarantees"
    assert kind.output_names(), "a component without outputs cannot be joined to another"


OPTIONAL = {"ReplicaKeys", "Replication"}
"""Made only where a stack's data names a second region: tests/unit/components/test_second_region.py."""


@pytest.mark.parametrize("kind", [kind for kind in all_components() if kind.__name__ not in OPTIONAL], ids=str)
def test_every_component_is_part_of_the_program(kind: type[PlatformComponent], program: Any) -> None:
    module = kind.__module__.rsplit(".", 1)[-1]
    assert program.of(f"imaging:{module}:{kind.__name__}"), (
        "the token follows module and class, and the program uses it"
    )


def test_every_component_registers_exactly_its_annotated_outputs(program_in_both_modes: Any) -> None:
    recording = program_in_both_modes
    kinds = {f"imaging:{kind.__module__.rsplit('.', 1)[-1]}:{kind.__name__}": kind for kind in all_components()}
    checked = 0
    for resource in recording.resources:
        if resource.token in kinds:
            registered = recording.component_outputs.get(resource.urn)
            assert registered is not None, f"{resource.name} never called register_outputs"
            assert set(registered) <= kinds[resource.token].output_names()  # an output that is None is left out
            checked += 1
    assert checked >= len(kinds)


def test_every_resource_has_a_component_as_its_parent(program: Any) -> None:
    components_of = {resource.urn for resource in program.resources if not resource.custom}
    for resource in of_ours(program):
        top = resource.token.startswith("imaging:") and resource.parent.endswith(f"::{program_stack(program)}")
        assert top or resource.parent in components_of, f"{resource.token} {resource.name} hangs on the stack itself"


def program_stack(program: Any) -> str:
    """Last part of the stack's URN."""
    urn = next(resource.parent for resource in program.resources if "pulumi:pulumi:Stack::" in resource.parent)
    return str(urn.rsplit("::", 1)[-1])


def test_every_taggable_resource_carries_the_platforms_tags(program_in_both_modes: Any) -> None:
    checked = 0
    for resource in of_ours(program_in_both_modes):
        if resource.token.startswith("aws:") and taggable(resource.token):
            tags = resource.inputs.get("tags") or {}
            assert set(tags) >= REQUIRED_TAGS, f"{resource.token} {resource.name} belongs to nobody"
            checked += 1
    assert checked > 50


def policies(program: Any) -> list[tuple[str, dict[str, Any]]]:
    """Every identity policy statement with the name of its policy."""
    return [
        (resource.name, statement)
        for resource in program.of("aws:iam/rolePolicy:RolePolicy")
        for statement in json.loads(resource.inputs["policy"])["Statement"]
    ]


def test_no_role_may_do_everything_of_a_service(program: Any) -> None:
    for name, statement in policies(program):
        if statement["Effect"] == "Allow":
            assert not [action for action in statement["Action"] if "*" in action], f"{name} {statement['Sid']}"
            assert "NotAction" not in statement
            assert "NotResource" not in statement


def test_a_right_on_everything_is_one_that_aws_cannot_bind_to_a_resource(program: Any) -> None:
    for name, statement in policies(program):
        if statement["Effect"] == "Allow" and "*" in statement["Resource"]:
            unbound = {
                action
                for action in statement["Action"]
                if action not in ACTIONS_WITHOUT_RESOURCES and not action.startswith(PREFIXES_WITHOUT_RESOURCES)
            }
            assert not unbound, f"{name} {statement['Sid']} must name its resources"


def test_a_role_is_handed_on_only_to_the_service_that_needs_it(program: Any) -> None:
    found = [statement for _, statement in policies(program) if "iam:PassRole" in statement["Action"]]
    assert len(found) >= 3
    for statement in found:
        assert statement["Condition"]["StringEquals"]["iam:PassedToService"].endswith(".amazonaws.com")
        assert "*" not in "".join(statement["Resource"])


def test_every_role_is_bounded_and_trusts_services_of_this_account_only(program: Any) -> None:
    roles = program.of("aws:iam/role:Role")
    assert len(roles) >= 10
    for role in roles:
        assert role.inputs["permissionsBoundary"].endswith("boundary"), role.name
        for statement in json.loads(role.inputs["assumeRolePolicy"])["Statement"]:
            if "AWS" in statement["Principal"]:  # people: emergency access
                assert statement["Condition"]["Bool"]["aws:MultiFactorAuthPresent"] == "true", role.name
                assert statement["Condition"]["ArnEquals"]["aws:PrincipalArn"], "an account is no person"
            else:
                said = statement["Condition"].get("StringEquals") or statement["Condition"]["StringEqualsIfExists"]
                assert said["aws:SourceAccount"] == "111122223333"


@pytest.mark.parametrize("token", sorted(ENCRYPTED))
def test_everything_at_rest_is_encrypted_with_a_key_of_our_own(token: str, program: Any) -> None:
    found = program.of(token)
    assert found, "the table names a type that the program does not use"
    for resource in found:
        assert str(resource.inputs.get(ENCRYPTED[token], "")).startswith("arn:aws:kms:"), resource.name


def test_training_and_serving_cannot_read_the_phi_zone(program: Any) -> None:
    """Minimum necessary, 45 CFR 164.502(b): models are made from pseudonymous images only."""
    roles = ("mlops-pipeline-role-policy", "mlops-model-role-policy", "mlops-model-evaluation-role-policy")
    phi_key = next(key for key in program.of("aws:kms/key:Key") if key.name == "keys-phi").name
    for name in roles:
        text = program.one("aws:iam/rolePolicy:RolePolicy", name).inputs["policy"]
        for forbidden in ("training-data", "image-tracking", "medical-imaging:", "secretsmanager:", f"key/{phi_key}"):
            assert forbidden not in text, f"{name} reaches the PHI zone by {forbidden}"


def test_every_queue_and_topic_refuses_plain_transport_and_strangers(program: Any) -> None:
    found = program.of("aws:sqs/queue:Queue") + program.of("aws:sns/topic:Topic")
    assert len(found) >= 10
    for resource in found:
        document = json.loads(resource.inputs["policy"])["Statement"]
        denied = [one for one in document if one["Effect"] == "Deny"]
        assert denied[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}, resource.name
        for statement in document:
            if statement["Effect"] == "Allow":
                keys = {key for condition in statement["Condition"].values() for key in condition}
                assert keys == {"aws:SourceArn"}, f"{resource.name} {statement['Sid']}: any account could send"


def test_every_event_target_is_retried_for_a_day_and_has_dead_letters(program: Any) -> None:
    targets = program.of("aws:cloudwatch/eventTarget:EventTarget")
    assert targets, "a program without targets would pass for nothing"
    for target in targets:
        assert target.inputs["retryPolicy"]["maximumEventAgeInSeconds"] == 86_400
        assert target.inputs["deadLetterConfig"]["arn"].startswith("arn:aws:sqs:")


def test_every_rule_may_leave_its_dead_letters_where_its_target_says(program: Any) -> None:
    queues = {queue.inputs["name"]: json.loads(queue.inputs["policy"]) for queue in program.of("aws:sqs/queue:Queue")}
    buses = {
        rule.inputs["name"]: rule.inputs.get("eventBusName")
        for rule in program.of("aws:cloudwatch/eventRule:EventRule")
    }
    for target in program.of("aws:cloudwatch/eventTarget:EventTarget"):
        rule = target.inputs["rule"]
        place = f"{buses[rule]}/" if buses[rule] else ""
        arn = f"arn:aws:events:us-east-1:111122223333:rule/{place}{rule}"
        allowed = [
            source
            for statement in queues[target.inputs["deadLetterConfig"]["arn"].rsplit(":", 1)[-1]]["Statement"]
            if statement["Effect"] == "Allow"
            for source in statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        ]
        assert arn in allowed, f"{target.name}: an event that cannot be delivered would be lost as well"


def test_nothing_depends_on_the_name_of_a_stack() -> None:
    """The same data under another stack's name gives the same resources: stacks differ by data alone."""
    plain = recorded_program("local")
    renamed = recorded_program("local", name="somebody-else")
    shape = [(resource.token, resource.name) for resource in plain.resources]
    assert sorted(shape) == sorted((resource.token, resource.name) for resource in renamed.resources)


def test_every_encrypted_log_group_is_one_that_its_keys_policy_names(program: Any) -> None:
    """A group whose name the key's condition does not match could not be made: CloudWatch Logs would be refused."""
    patterns = [
        pattern
        for key in program.of("aws:kms/key:Key")
        for condition in (s.get("Condition") or {} for s in json.loads(key.inputs["policy"])["Statement"])
        for pattern in condition.get("ArnLike", {}).get("kms:EncryptionContext:aws:logs:arn", [])
    ]
    encrypted = [group for group in program.of("aws:cloudwatch/logGroup:LogGroup") if group.inputs.get("kmsKeyId")]
    assert len(encrypted) > 5
    for group in encrypted:
        ends = f":log-group:{group.inputs['name']}"
        assert any(fnmatchcase(ends, pattern[pattern.index(":log-group:") :]) for pattern in patterns), group.name
