"""What a stack consists of, for pricing: read from the engine's offline preview, or from a kept inventory.

An inventory is that preview without everything that no price depends on: it is small, changes only when the cost can,
and lets docs/COST.md be checked in a second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from gitops.preview import read_preview, split_document

FOLDER: Final = Path(__file__).with_name("inventory")
REFUSED: Final = "preview failed"
"""All that the engine's JSON says when a mandatory policy refuses; a program that fails says more."""
SETTINGS: Final = ("training", "registry", "security")
"""Groups of settings that decide on instances and on what is recorded."""

KEPT: Final[Mapping[str, Sequence[str]]] = {
    "aws:appautoscaling/target:Target": ("minCapacity", "maxCapacity"),
    "aws:cloudtrail/trail:Trail": ("insightSelectors",),
    "aws:cloudwatch/eventRule:EventRule": ("scheduleExpression",),
    "aws:cloudwatch/logGroup:LogGroup": ("retentionInDays",),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("metricQueries",),
    "aws:cognito/userPool:UserPool": ("userPoolTier",),
    "aws:dynamodb/table:Table": ("globalSecondaryIndexes", "pointInTimeRecovery", "replicas"),
    "aws:ec2/subnet:Subnet": ("tags",),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("vpcEndpointType",),
    "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration": ("scanType",),
    "aws:ecs/service:Service": ("desiredCount",),
    "aws:ecs/taskDefinition:TaskDefinition": ("cpu", "memory"),
    "aws:guardduty/detectorFeature:DetectorFeature": ("name", "status"),
    "aws:kms/key:Key": ("enableKeyRotation",),
    "aws:lambda/function:Function": ("memorySize", "architectures"),
    "aws:lb/loadBalancer:LoadBalancer": ("loadBalancerType",),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": ("rules",),
    "aws:sfn/stateMachine:StateMachine": ("type",),
    "aws:wafv2/webAcl:WebAcl": ("rules",),
}
"""Input properties that a price depends on, by type."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource: Pulumi type, logical name, the room of components/ that makes it, and the inputs that count."""

    type: str
    name: str
    component: str
    inputs: Mapping[str, Any]

    @property
    def role(self) -> str:
        """The name without that of its component: `training-data` of `buckets-training-data`."""
        return self.name.split("-", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class Estate:
    """A stack's resources and the settings that size what the program does not register (training jobs, endpoints)."""

    stack: str
    settings: Mapping[str, Any]
    resources: Sequence[Resource]

    def of(self, type_: str) -> list[Resource]:
        """The resources of a type."""
        return [resource for resource in self.resources if resource.type == type_]

    @property
    def private_zones(self) -> int:
        """Zones with a private subnet; an interface endpoint stands in each of them."""
        return sum("Private" in str(subnet.inputs) for subnet in self.of("aws:ec2/subnet:Subnet"))

    def dumps(self) -> str:
        """The inventory as text, a resource a line."""
        rows = [
            json.dumps({"type": r.type, "name": r.name, "component": r.component, "inputs": r.inputs}, sort_keys=True)
            for r in self.resources
        ]
        head = json.dumps({"stack": self.stack, "settings": self.settings}, sort_keys=True)[:-1]
        return head + ', "resources": [\n' + ",\n".join(rows) + "\n]}\n"


def from_preview(stack: str, text: str, settings: Mapping[str, Any]) -> Estate:
    """The estate of an offline preview from nothing; one that only a policy refused plans everything and has a price.

    Raises:
        GitopsError: a file that was cut.
        ValueError: the program failed, so that resources are missing.
    """
    preview = read_preview(text)
    faults = [error for error in preview.errors if error.removeprefix("error: ") != REFUSED]
    if faults or not preview.changes:
        raise ValueError("the preview failed: " + "; ".join(faults or ["it plans no resource"]))
    found = [
        Resource(
            type=change.type,
            name=change.name,
            component=component_of(change.urn),
            inputs=_kept(change.type, change.new),
        )
        for change in preview.changes
        if not change.type.startswith(("imaging:", "awsx:", "pulumi:"))
    ]
    found.sort(key=lambda resource: (resource.type, resource.name))
    config = cast("Mapping[str, str]", split_document(text)[0].get("config") or {})
    previewed = {name: {**settings[name], **_group(config, name)} for name in SETTINGS}
    return Estate(stack=stack, settings=previewed, resources=found)


def from_inventory(path: Path) -> Estate:
    """An estate that `dumps` wrote."""
    told = json.loads(path.read_text())
    resources = [Resource(**resource) for resource in told["resources"]]
    return Estate(stack=told["stack"], settings=told["settings"], resources=resources)


def component_of(urn: str) -> str:
    """`network` of a URN whose parents include `imaging:network:SecureVPC`; the outermost room counts."""
    chain = urn.split("::")[2].split("$")
    return next((part.split(":")[1] for part in chain if part.startswith("imaging:")), "program")


def _group(config: Mapping[str, str], name: str) -> dict[str, Any]:
    """What the previewed stack itself set in a group; it may be another checkout's than the defaults are."""
    text = next((value for key, value in config.items() if key.endswith(f":{name}")), "{}")
    return cast("dict[str, Any]", json.loads(text))


def _kept(type_: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: inputs[key] for key in KEPT.get(type_, ()) if inputs.get(key) is not None}
    if type_ == "aws:ec2/subnet:Subnet":
        return {"tags": {"SubnetType": dict(kept.get("tags", {})).get("SubnetType")}}
    for many in ("metricQueries", "globalSecondaryIndexes"):  # only their number counts
        if many in kept:
            kept[many] = [{key: one[key] for key in ("name", "metric") if key in one} for one in kept[many]]
            kept[many] = [{**one, "metric": {}} if "metric" in one else one for one in kept[many]]
    if "replicas" in kept:
        kept["replicas"] = [{"regionName": str(one.get("regionName"))} for one in kept["replicas"]]
    if type_ == "aws:wafv2/webAcl:WebAcl":
        kept["rules"] = [{"name": rule["name"]} for rule in kept["rules"]]
    return kept
