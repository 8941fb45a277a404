"""The bill: known amounts by hand, sums, files that are current, and previews that cannot be used."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pydantic
import pytest
from typer.testing import CliRunner

from cost import __main__ as command
from cost.estate import Estate, Resource, component_of, from_inventory, from_preview
from cost.estimate import estimate
from cost.line import Case
from cost.prices import PriceTable, load_prices
from cost.reference import claims
from cost.report import money, text
from cost.rules_data import class_at
from cost.usage import HOURS_A_MONTH, load_usage
from cost.whatif import what_if

PRICES = load_prices()
USAGE = load_usage("prod")
SETTINGS: dict[str, Any] = {
    "training": {
        "useSpot": True,
        "trainingInstanceType": "ml.g4dn.xlarge",
        "processingInstanceType": "ml.m5.2xlarge",
        "volumeSizeGb": 100,
    },
    "registry": {"autoDeploy": True, "inferenceInstanceType": "ml.m5.xlarge", "inferenceInstances": 1},
    "security": {"trailInsights": ["ApiCallRateInsight"]},
}


def estate(*resources: tuple[str, str, dict[str, Any]]) -> Estate:
    made = [Resource(type=f"aws:{kind}", name=name, component="c", inputs=inputs) for kind, name, inputs in resources]
    return Estate(stack="test", settings=SETTINGS, resources=made)


def bill(*resources: tuple[str, str, dict[str, Any]]) -> dict[str, float]:
    """USD by price."""
    return estimate(estate(*resources), USAGE, PRICES).by("price")


ZONES = [("ec2/subnet:Subnet", name, {"tags": {"SubnetType": "Private"}}) for name in ("n-1", "n-2")]


@pytest.mark.parametrize(
    ("resources", "price", "usd"),
    [
        ([("ec2/natGateway:NatGateway", "n", {})], "nat-hour", 730 * 0.045),
        ([*ZONES, ("ec2/vpcEndpoint:VpcEndpoint", "n-kms", {"vpcEndpointType": "Interface"})], "endpoint-hour", 14.6),
        ([("kms/key:Key", "k", {"enableKeyRotation": True})], "kms-rotation", 1.0),
        ([("cloudwatch/metricAlarm:MetricAlarm", "a", {})], "alarm-metric", 0.1),
        (
            [("cloudwatch/metricAlarm:MetricAlarm", "a", {"metricQueries": [{"metric": {}}, {"metric": {}}, {}]})],
            "alarm-metric",
            0.2,
        ),
        ([("sagemaker/pipeline:Pipeline", "p", {})], "ml.g4dn.xlarge", 4 * 3 * 0.7364 * 0.3),
        ([("sagemaker/pipeline:Pipeline", "p", {})], "ml.m5.xlarge", 730 * 0.23),
        ([("wafv2/webAcl:WebAcl", "w", {"rules": [{"name": "a"}, {"name": "b"}]})], "waf-rule", 2.0),
        ([("cognito/userPool:UserPool", "u", {"userPoolTier": "PLUS"})], "cognito-plus-user", 20 * 0.02),
        (
            [
                ("ecs/service:Service", "s-service", {"desiredCount": 2}),
                ("ecs/taskDefinition:TaskDefinition", "s-task", {"cpu": "2048", "memory": "4096"}),
            ],
            "fargate-vcpu-hour",
            2 * 2 * 730 * 0.04048,
        ),
        ([("lb/loadBalancer:LoadBalancer", "l", {"loadBalancerType": "network"})], "balancer-hour", 730 * 0.0225),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_resource_costs_what_a_person_computes(resources: list[Any], price: str, usd: float) -> None:
    assert bill(*resources)[price] == pytest.approx(usd, abs=1e-3)


@pytest.mark.parametrize(
    "resource",
    [("ec2/vpcEndpoint:VpcEndpoint", "n-s3", {"vpcEndpointType": "Gateway"}), ("iam/role:Role", "r", {})],
    ids=["gateway-endpoint", "role"],
)
def test_what_aws_does_not_bill_has_no_line(resource: Any) -> None:
    assert bill(*ZONES, resource) == {}


def test_a_type_that_nobody_priced_is_listed_with_its_number() -> None:
    found = estimate(estate(("rds/instance:Instance", "a", {}), ("rds/instance:Instance", "b", {})), USAGE, PRICES)
    assert found.not_priced == {"aws:rds/instance:Instance": 2}
    assert "not priced: aws:rds/instance:Instance (2)" in text(found, PRICES, PRICES.typed)


@pytest.mark.parametrize(
    ("age", "kind"),
    [
        (0, "STANDARD"),
        (2, "STANDARD"),
        (3, "INTELLIGENT_TIERING"),
        (4, "INTELLIGENT_TIERING_INFREQUENT"),
        (6, "GLACIER_IR"),
        (80, "GLACIER_IR"),
    ],
)
def test_data_costs_by_its_age(age: int, kind: str) -> None:
    assert class_at(age, {"GLACIER_IR": 6, "INTELLIGENT_TIERING": 3}) == kind


def test_tiering_goes_on_by_itself_where_no_life_cycle_follows() -> None:
    assert class_at(10, {"INTELLIGENT_TIERING": 3}) == "INTELLIGENT_TIERING_ARCHIVE_INSTANT"
    assert class_at(10, {}) == "STANDARD"


def test_every_sum_is_the_sum_of_the_lines() -> None:
    found = estimate(from_inventory(command._inventory("prod")), USAGE, PRICES)
    for attribute in ("service", "component", "driver", "type", "price"):
        assert sum(found.by(attribute).values()) == pytest.approx(found.total)
    document = found.document()
    assert document["monthlyUsd"] == pytest.approx(found.total, abs=0.01)
    assert sum(line["usd"] for line in document["lines"]) == pytest.approx(found.total)
    assert found.per_scan is not None
    assert found.per_scan * USAGE.scans == pytest.approx(found.by("driver")["scan"])


def test_a_stack_without_scans_has_no_cost_per_scan() -> None:
    idle = USAGE.model_copy(update={"scans_per_day": 0.0, "trainings_per_month": 0.0})
    found = estimate(from_inventory(command._inventory("prod")), idle, PRICES)
    assert (found.per_scan, found.per_training, found.whole_per_scan) == (None, None, None)
    assert 0 < found.total < estimate(from_inventory(command._inventory("prod")), USAGE, PRICES).total


def test_what_if_changes_one_thing_at_a_time() -> None:
    inventory = from_inventory(command._inventory("prod"))
    changes = {one.change: one for one in what_if(inventory, USAGE, PRICES)}
    hours = USAGE.trainings_per_month * USAGE.training_hours * PRICES.usd("ml.g4dn.xlarge")
    assert changes["training on demand"].difference == pytest.approx(hours * USAGE.spot_percent / 100, abs=1e-3)
    assert changes["no endpoint (batch transform only)"].difference == pytest.approx(-HOURS_A_MONTH * 2 * 0.23), (
        "two machines"
    )
    assert changes["one NAT gateway less"].difference == pytest.approx(-HOURS_A_MONTH * 0.045, abs=1e-3)
    plan = changes["a Savings Plan on SageMaker, Fargate and Lambda"].difference
    assert -USAGE.savings_plan_percent / 100 * 390 < plan < 0, "only compute is covered, and Spot is not"
    assert changes["twice the scans"].difference > 0
    on_demand = replace(
        inventory, settings={**inventory.settings, "training": {**SETTINGS["training"], "useSpot": False}}
    )
    assert "training on Spot" in {one.change for one in what_if(on_demand, USAGE, PRICES)}


def test_the_references_arithmetic_is_computed_and_not_typed() -> None:
    found = {claim.about: claim for claim in claims(PRICES, 0.341)}
    assert found["training, proof of concept"].computed == pytest.approx(4 * 25 / 60 * 3.825)
    assert found["production, sum of its own lines"].computed == found["production, sum of its own lines"].stated
    dearer = PRICES.model_copy(
        update={"prices": {**PRICES.prices, "nat-hour": PRICES.prices["nat-hour"].model_copy(update={"usd": 1.0})}}
    )
    assert {claim.about: claim for claim in claims(dearer, 0.341)}["NAT gateways in two zones"].computed > 1_400


@pytest.mark.parametrize("path", sorted(command.generated()), ids=lambda path: path.name)
def test_document_and_schema_are_current(path: Path) -> None:
    assert path.read_text() == command.generated()[path], "run `make cost-document`"


@pytest.mark.parametrize(
    ("change", "key"),
    [({"scansPerDay": -1}, "scansPerDay"), ({"readres": 3}, "readres"), ({"readers": "many"}, "readers")],
    ids=["negative", "unknown-key", "no-number"],
)
def test_a_wrong_usage_file_is_refused_by_key(
    change: dict[str, Any],
    key: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = USAGE.model_dump(mode="json", by_alias=True) | change
    path = tmp_path / "usage.yaml"
    path.write_text(json.dumps(told))
    with pytest.raises(pydantic.ValidationError):
        load_usage(str(path))
    monkeypatch.setattr("sys.argv", ["cost", "bill", "--usage", str(path)])
    assert command.main() == 1
    assert f"cost: {key}:" in capsys.readouterr().err


def test_a_price_without_a_page_to_check_it_on_is_refused() -> None:
    told = PRICES.model_dump(by_alias=True)
    told["sources"].pop("AWS KMS")
    with pytest.raises(pydantic.ValidationError, match="AWS KMS"):
        PriceTable.model_validate(told)


def test_an_instance_without_a_price_is_named() -> None:
    other = Estate(
        stack="test",
        settings={**SETTINGS, "training": {**SETTINGS["training"], "trainingInstanceType": "ml.p5.48xlarge"}},
        resources=[Resource(type="aws:sagemaker/pipeline:Pipeline", name="p", component="mlops", inputs={})],
    )
    with pytest.raises(KeyError, match=r"ml\.p5\.48xlarge"):
        estimate(other, USAGE, PRICES)


def test_stale_prices_are_said_and_fresh_ones_are_not() -> None:
    found = estimate(estate(), USAGE, PRICES)
    assert "STALE" in text(found, PRICES, PRICES.check_again + timedelta(days=1))
    assert "STALE" not in text(found, PRICES, PRICES.check_again)


@pytest.mark.parametrize(("usd", "shown"), [(1234.5, "$1,234.50"), (-3, "-$3.00"), (0.0041, "$0.0041"), (None, "-")])
def test_money_is_shown_as_money(usd: float | None, shown: str) -> None:
    assert money(usd) == shown


def step(kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    urn = f"urn:pulumi:test::imaging::imaging:network:SecureVPC$awsx:ec2:Vpc${kind}::{name}"
    return {"op": "create", "urn": urn, "newState": {"type": kind, "inputs": inputs}}


def test_a_preview_is_read_down_to_what_prices_depend_on() -> None:
    told = {
        "steps": [
            step("aws:lambda/function:Function", "f", {"memorySize": 512, "environment": {"SECRET": "sentinel"}}),
            step("aws:ec2/subnet:Subnet", "s", {"tags": {"SubnetType": "Private", "owner": "x"}}),
            step("imaging:network:SecureVPC", "n", {}),
        ]
    }
    found = from_preview("test", json.dumps(told), SETTINGS)
    assert [(one.type, one.component) for one in found.resources] == [
        ("aws:ec2/subnet:Subnet", "network"),
        ("aws:lambda/function:Function", "network"),
    ]
    assert "sentinel" not in found.dumps()
    assert found.private_zones == 1


def test_the_previewed_stacks_own_settings_count() -> None:
    told = {"config": {"imaging:training": '{"useSpot": false}'}, "steps": [step("aws:kms/key:Key", "k", {})]}
    found = from_preview("test", json.dumps(told), SETTINGS)
    assert found.settings["training"] == {**SETTINGS["training"], "useSpot": False}


def test_an_inventory_survives_being_written(tmp_path: Path) -> None:
    found = from_inventory(command._inventory("prod"))
    path = tmp_path / "kept.json"
    path.write_text(found.dumps())
    assert from_inventory(path) == found


def test_a_program_that_only_a_policy_refused_has_a_price() -> None:
    steps = [step("aws:kms/key:Key", "k", {})]
    refused = {"steps": steps, "diagnostics": [{"severity": "error", "message": "error: preview failed\n"}]}
    assert len(from_preview("test", json.dumps(refused), SETTINGS).resources) == 1
    failed = {"steps": steps, "diagnostics": [{"severity": "error", "message": "error: Program failed: boom"}]}
    with pytest.raises(ValueError, match="boom"):
        from_preview("test", json.dumps(failed), SETTINGS)


@pytest.mark.parametrize("text_", ["", "error: no", '{"steps": []}'])
def test_a_preview_that_failed_is_no_bill(text_: str) -> None:
    with pytest.raises(ValueError, match="preview failed"):
        from_preview("test", text_, SETTINGS)


def test_a_resource_outside_of_every_component_belongs_to_the_program() -> None:
    assert component_of("urn:pulumi:test::imaging::aws:kms/key:Key::k") == "program"


def test_the_difference_of_two_programs_is_said_by_service(tmp_path: Path) -> None:
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    keys = [step("aws:kms/key:Key", name, {}) for name in ("a", "b", "c")]
    before.write_text(json.dumps({"steps": keys[:2]}))
    after.write_text(json.dumps({"steps": [*keys, step("aws:rds/instance:Instance", "d", {})]}))
    told = CliRunner().invoke(
        command.app, ["difference", "--stack", "prod", "--base", str(before), "--head", str(after)]
    )
    assert told.exit_code == 0, told.output
    assert "+1.00 $ a month" in told.output
    assert "- AWS KMS: +1.00" in told.output
    assert "- not priced: aws:rds/instance:Instance (1)" in told.output


def test_every_rule_can_be_called_alone() -> None:
    """No rule depends on another resource being there but the container service on its task."""
    from cost.estimate import RULES

    for kind, rule in RULES.items():
        if kind == "aws:ecs/service:Service":
            continue
        resource = Resource(type=kind, name="x-y", component="c", inputs={})
        case = Case(estate=Estate(stack="test", settings=SETTINGS, resources=[resource]), usage=USAGE, prices=PRICES)
        assert all(amount.quantity >= 0 for amount in rule(resource, case)), kind


def test_the_difference_reaches_the_comment_of_a_pull_request(tmp_path: Path) -> None:
    from gitops.__main__ import app

    preview, cost, nothing = tmp_path / "preview.json", tmp_path / "cost.json", tmp_path / "nothing.json"
    preview.write_text(json.dumps({"steps": [step("aws:kms/key:Key", "k", {})]}))
    cost.write_text('{"before": 1000.0, "after": 1012.0}\n')
    nothing.write_text("")
    given = ["compare", "--stack", "prod", "--commit", "f" * 40, "--base", str(preview), "--head", str(preview)]
    told = CliRunner().invoke(app, [*given, "--cost", str(cost)])
    assert "Estimated cost: $1,012 a month (+12)." in told.output
    silent = CliRunner().invoke(app, [*given, "--cost", str(nothing)])
    assert silent.exit_code == 0
    assert "Estimated cost" not in silent.output
