"""Rules over several resources, rules about every resource, and waivers: each refuses what it is for, and no more."""

from __future__ import annotations

import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pulumi_policy import PolicyResource, ResourceValidationArgs
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from hipaa_pack import waivers
from hipaa_pack.pack import rules
from hipaa_pack.reads import plain
from hipaa_pack.rule import AnyRule, CompanionRule, ResourceRule, StackRule
from hipaa_pack.rules.governance import LAST

RULES = {rule.id: rule for rule in rules()}
BUCKET, TABLE, ROLE = "aws:s3/bucket:Bucket", "aws:dynamodb/table:Table", "aws:iam/role:Role"
FUNCTION, GROUP = "aws:lambda/function:Function", "aws:cloudwatch/logGroup:LogGroup"
ROUTES, TASK = "aws:ec2/routeTable:RouteTable", "aws:ecs/taskDefinition:TaskDefinition"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
STORE = "aws:cloudcontrol/resource:Resource"


def resource(
    kind: str, name: str, links: dict[str, list[PolicyResource]] | None = None, /, **props: Any
) -> PolicyResource:
    opts: Any = SimpleNamespace(protect=props.pop("protect", False))
    values = unknown_checking_proxy(props)
    return PolicyResource(kind, values, f"urn:pulumi:s::p::{kind}::{name}", name, opts, None, None, [], links or {})  # type: ignore[arg-type]


def refused(rule: str, *resources: PolicyResource) -> list[str]:
    found = RULES[rule]
    assert isinstance(found, StackRule)
    return [r.name for r, _ in found.violations(list(resources))]


AUDIT = resource(BUCKET, "audit", tags={"data-class": "audit"})
PHI = resource(BUCKET, "phi", tags={"data-class": "phi"})


@pytest.mark.parametrize(("bucket", "days", "bad"), [(AUDIT, 30.0, True), (AUDIT, 2557.0, False), (PHI, 30.0, False)])
def test_an_audit_record_is_not_deleted_early(bucket: PolicyResource, days: float, bad: bool) -> None:
    setting = resource(LIFECYCLE, "rules", {"bucket": [bucket]}, rules=[{"expiration": {"days": days}}])
    assert bool(refused("s3-audit-no-early-expiry", bucket, setting)) is bad


def test_a_stack_that_protects_one_store_protects_all() -> None:
    kept = resource(TABLE, "kept", deletionProtectionEnabled=True)
    loose = resource(TABLE, "loose", deletionProtectionEnabled=False)
    bucket = resource(BUCKET, "bucket", forceDestroy=True)
    store = resource(STORE, "store", typeName="AWS::HealthImaging::Datastore")
    protected = resource(STORE, "protected", typeName="AWS::HealthImaging::Datastore", protect=True)
    assert refused("stores-protected-alike", kept, loose, bucket, store, protected) == ["loose", "bucket", "store"]
    assert refused("stores-protected-alike", loose, bucket, store) == []
    assert (
        refused("stores-protected-alike", kept, resource(TABLE, "u", deletionProtectionEnabled=UNKNOWN_STRING_VALUE))
        == []
    )


def test_two_functions_do_not_share_a_role() -> None:
    role, other = resource(ROLE, "role"), resource(ROLE, "other")
    functions = [resource(FUNCTION, name, {"role": [r]}) for name, r in (("a", role), ("b", role), ("c", other))]
    assert refused("lambda-own-role", role, other, *functions) == ["b"]


def test_a_function_logs_into_a_group_of_the_program() -> None:
    group = resource(GROUP, "group", name="/aws/lambda/a")
    named = resource(FUNCTION, "named", loggingConfig={"logGroup": "/aws/lambda/a"})
    linked = resource(FUNCTION, "linked", {"loggingConfig": [group]}, loggingConfig={"logGroup": UNKNOWN_STRING_VALUE})
    stray = resource(FUNCTION, "stray", loggingConfig={"logGroup": "/aws/lambda/b"})
    assert refused("lambda-log-group", group, named, linked, stray) == ["stray"]


def test_only_a_public_route_table_leads_to_the_internet_gateway() -> None:
    public = resource(ROUTES, "public", tags={"SubnetType": "Public"})
    private = resource(ROUTES, "private", tags={"SubnetType": "Private"})
    way = {"gatewayId": "igw", "destinationCidrBlock": "0.0.0.0/0"}
    routes = [resource("aws:ec2/route:Route", f"to-{t.name}", {"routeTableId": [t]}, **way) for t in (public, private)]
    inline = resource(ROUTES, "inline", routes=[{"gatewayId": "igw", "cidrBlock": "0.0.0.0/0"}])
    assert refused("vpc-no-igw-route", public, private, inline, *routes) == ["inline", "to-private"]


def test_a_task_and_its_agent_do_not_share_a_role() -> None:
    role, other = resource(ROLE, "role"), resource(ROLE, "other")
    same = resource(TASK, "same", {"taskRoleArn": [role], "executionRoleArn": [role]})
    two = resource(TASK, "two", {"taskRoleArn": [role], "executionRoleArn": [other]})
    assert refused("ecs-roles-differ", role, other, same, two) == ["same"]


def any_refused(rule: str, kind: str, provider: Any = None, ignore: list[str] | None = None, **props: Any) -> bool:
    found = RULES[rule]
    assert isinstance(found, AnyRule)
    opts: Any = SimpleNamespace(ignore_changes=ignore or [])
    args = ResourceValidationArgs(kind, unknown_checking_proxy(props), "urn", "name", opts, provider, None)  # type: ignore[arg-type]
    return bool(list(found.find(args)))


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("aws:s3/bucket:Bucket", False),
        ("imaging:storage:SecureBucket", False),
        ("pulumi:providers:aws", False),
        ("aws:s3/bucketV2:BucketV2", True),
        ("aws:s3/bucketLoggingV2:BucketLoggingV2", True),
        ("aws:s3/bucketObject:BucketObject", True),
        ("aws:alb/loadBalancer:LoadBalancer", True),
        ("aws:rds/instance:Instance", True),
        ("aws-native:s3:Bucket", True),
        ("gcp:storage/bucket:Bucket", True),
    ],
)
def test_types_of_unknown_services_and_deprecated_twins_are_refused(kind: str, bad: bool) -> None:
    assert any_refused("meta-type-allow-list", kind) is bad


def test_nothing_is_made_out_of_sight() -> None:
    rule = "meta-no-escape-hatch"
    assert any_refused(rule, "aws:cloudformation/stack:Stack")
    assert any_refused(rule, "command:local:Command")
    assert any_refused(rule, STORE, typeName="AWS::S3::Bucket")
    assert not any_refused(rule, STORE, typeName="AWS::HealthImaging::Datastore")
    assert not any_refused(rule, STORE, typeName=UNKNOWN_STRING_VALUE)


def test_data_stays_in_the_allowed_regions() -> None:
    abroad: Any = SimpleNamespace(props={"region": "eu-west-1"})
    assert any_refused("meta-region", BUCKET, region="eu-west-1")
    assert any_refused("meta-region", BUCKET, provider=abroad)
    assert not any_refused("meta-region", BUCKET, region="us-west-2")
    assert not any_refused("meta-region", BUCKET, region=UNKNOWN_STRING_VALUE)


def test_what_holds_data_says_whose_it_is() -> None:
    tags = {"data-class": "phi", "owner": "o", "stack": "s"}
    assert not any_refused("meta-tags", BUCKET, tags=tags)
    assert any_refused("meta-tags", BUCKET)
    assert any_refused("meta-tags", BUCKET, tags={k: v for k, v in tags.items() if k != "data-class"})
    assert not any_refused("meta-tags", BUCKET, tags=UNKNOWN_STRING_VALUE)


def test_no_security_setting_is_ignored() -> None:
    assert any_refused("meta-no-ignore", BUCKET, ignore=["tags.owner"])
    assert any_refused("meta-no-ignore", "aws:kms/key:Key", ignore=["policy"])
    assert not any_refused("meta-no-ignore", FUNCTION, ignore=["description"])


DAY = datetime.date(2026, 11, 21)
ENTRY = {
    "rule": "sqs-kms",
    "resource": "urn:pulumi:dev::p::*::queue",
    "reason": "A queue of synthetic events, for a week.",
    "owner": "imaging-platform",
    "expires": datetime.date(2026, 12, 31),
}
URN = "urn:pulumi:dev::p::aws:sqs/queue:Queue::queue"
ROOT_URN = "urn:pulumi:dev::p::pulumi:pulumi:Stack::p-dev"


def loaded(tmp_path: Path, today: datetime.date = DAY, **change: Any) -> waivers.Waivers:
    import yaml

    path = tmp_path / "waivers.yaml"
    path.write_text(yaml.safe_dump({"waivers": [{**ENTRY, **change}]}))
    return waivers.load(path, today)


def test_a_waiver_covers_its_rule_and_resource_and_nothing_else(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert found.cover("sqs-kms", URN)
    assert not found.cover("sqs-policy", URN)
    assert not found.cover("sqs-kms", URN.replace("dev", "prod"))
    assert list(found.stale(ROOT_URN)) == []


def test_a_waiver_that_has_ended_covers_nothing_and_is_told(tmp_path: Path) -> None:
    found = loaded(tmp_path, today=datetime.date(2027, 1, 1))
    assert not found.cover("sqs-kms", URN)
    assert "ended on 2026-12-31" in next(iter(found.stale(ROOT_URN)))


def test_a_waiver_that_covers_nothing_is_told_in_its_own_stack(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert "covers nothing" in next(iter(found.stale(ROOT_URN)))
    assert list(found.stale(ROOT_URN.replace("dev", "prod"))) == []
    assert list(found.stale(ROOT_URN.replace("::p::", "::bootstrap::"))) == []


def test_a_waiver_waits_while_its_resource_is_not_known_yet(tmp_path: Path) -> None:
    from hipaa_pack.reads import UNKNOWN

    found = loaded(tmp_path)
    found.see(URN, {"policy": UNKNOWN})
    assert list(found.stale(ROOT_URN)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "because"},
        {"owner": ""},
        {"expires": "soon"},
        {"expires": datetime.date(2030, 1, 1)},
        {"resource": "queue"},
        {"severity": "low"},
    ],
    ids=["reason", "owner", "date", "too-long", "no-stack", "unknown-key"],
)
def test_an_incomplete_waiver_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(waivers.WaiverError):
        loaded(tmp_path, **change)


def test_the_waivers_of_the_project_name_rules_of_the_pack() -> None:
    assert {waiver.rule for waiver in waivers.load().entries} <= RULES.keys()


def test_every_rule_over_a_stack_has_a_test_here() -> None:
    own = Path(__file__).read_text() + Path(__file__).with_name("test_link_rules.py").read_text()
    through_the_engine = {rule.id for rule in LAST}
    over_stacks = {rule.id for rule in RULES.values() if isinstance(rule, StackRule | AnyRule)}
    assert {rule for rule in over_stacks if f'"{rule}"' not in own} == through_the_engine


TRAIL, FLOW = "aws:cloudtrail/trail:Trail", "aws:ec2/flowLog:FlowLog"
MASK = "aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy"


def test_what_a_trail_or_flow_log_writes_is_an_audit_log() -> None:
    audit, silent = resource(GROUP, "audit", tags={"log-class": "audit"}), resource(GROUP, "silent")
    loose = resource(GROUP, "loose", tags={"log-class": "operations"})
    later = resource(GROUP, "later", tags=UNKNOWN_STRING_VALUE)
    writers = [resource(TRAIL, g.name, {"cloudWatchLogsGroupArn": [g]}) for g in (audit, silent, later)]
    flow = resource(FLOW, "flow", {"logDestination": [loose]}, logDestination=UNKNOWN_STRING_VALUE)
    assert refused("logs-audit-class", audit, silent, loose, later, *writers, flow) == ["loose"]


def test_operations_logs_of_what_touches_phi_have_a_mask() -> None:
    def group(name: str, log_class: str, data_class: str) -> PolicyResource:
        return resource(GROUP, name, name=name, tags={"log-class": log_class, "data-class": data_class})

    masked, bare = group("masked", "operations", "phi"), group("bare", "operations", "phi")
    others = [group("audit", "audit", "phi"), group("research", "operations", "research")]
    mask = resource(MASK, "mask", {"logGroupName": [masked]}, logGroupName=UNKNOWN_STRING_VALUE)
    rule = RULES["logs-mask-phi"]
    assert isinstance(rule, CompanionRule)
    assert [r.name for r, _ in rule.violations([masked, bare, *others, mask])] == ["bare"]


@pytest.mark.parametrize(
    ("tags", "days", "refusals"),
    [
        ({"log-class": "operations"}, 7.0, 0),
        ({"log-class": "audit"}, 7.0, 1),
        (UNKNOWN_STRING_VALUE, 7.0, 1),
        ({"log-class": UNKNOWN_STRING_VALUE}, 7.0, 1),
        ({}, 2557.0, 0),
    ],
)
def test_a_log_group_whose_class_is_not_known_is_kept_like_an_audit_log(tags: Any, days: float, refusals: int) -> None:
    rule = RULES["logs-retention"]
    assert isinstance(rule, ResourceRule)
    assert len(list(rule.check(plain(unknown_checking_proxy({"retentionInDays": days, "tags": tags}))))) == refusals
