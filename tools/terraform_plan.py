"""A stack's resources as the JSON of a Terraform plan, for linters that read nothing else.

The AWS provider of Pulumi is made from Terraform's: types and properties are the same but for their spelling, which
is undone here. Format: https://developer.hashicorp.com/terraform/internals/json-format (planned_values, configuration).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine's preview writes for a value that only `up` will know."""
MODULES: Final[Mapping[str, str]] = {"cfg": "config", "ec2": "", "elb": "", "ec2transitgateway": "ec2", "rds": "db"}
"""Modules that are called otherwise in Terraform's names of types; all others begin with the module."""
OTHERWISE: Final[Mapping[str, str]] = {
    "aws:alb/loadBalancer:LoadBalancer": "aws_alb",
    "aws:cfg/recorder:Recorder": "aws_config_configuration_recorder",
    "aws:cfg/recorderStatus:RecorderStatus": "aws_config_configuration_recorder_status",
    "aws:cfg/rule:Rule": "aws_config_config_rule",
    "aws:cloudcontrol/resource:Resource": "aws_cloudcontrolapi_resource",
    "aws:cloudtrail/trail:Trail": "aws_cloudtrail",
    "aws:codepipeline/pipeline:Pipeline": "aws_codepipeline",
    "aws:elb/loadBalancer:LoadBalancer": "aws_elb",
    "aws:lb/loadBalancer:LoadBalancer": "aws_lb",
    "aws:s3/bucketObjectv2:BucketObjectv2": "aws_s3_object",
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": "aws_s3_bucket_replication_configuration",
}
"""Types whose two names differ by more than case, underscores and the module."""
MAPS: Final = frozenset({"tags", "variables", "labels", "options", "encryptionContext", "requestParameters"})
"""Properties whose keys are the user's words and not Terraform's."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource as the engine has it: `links` are the URNs that each property depends on."""

    type: str
    name: str
    urn: str
    parent: str
    inputs: Mapping[str, Any]
    links: Mapping[str, Sequence[str]]


def terraform_type(token: str, known: Collection[str]) -> str:
    """`aws_s3_bucket_policy` for `aws:s3/bucketPolicy:BucketPolicy`.

    Args:
        token: Pulumi's type.
        known: Terraform's types that the linter knows; a type that is not there is spelled by rule.
    """
    if token in OTHERWISE:
        return OTHERWISE[token]
    _, place, name = token.split(":")
    module = place.split("/")[0]
    spelled = {_flat(one): one for one in known}
    for prefix in (module, MODULES.get(module, module)):
        if _flat(f"aws{prefix}{name}") in spelled:
            return spelled[_flat(f"aws{prefix}{name}")]
    return f"aws_{module}_{_snake(name)}"


def plan(resources: Iterable[Resource], known: Collection[str]) -> dict[str, Any]:
    """The plan. Raises ValueError when two resources would have one address."""
    found = [one for one in resources if one.type.startswith("aws:")]
    addresses = {one.urn: f"{terraform_type(one.type, known)}.{one.name}" for one in found}
    if len(set(addresses.values())) != len(found):
        raise ValueError("two resources have one type and name: their addresses in the plan would be one")
    by_parent: dict[str, list[str]] = {}
    for one in found:
        by_parent.setdefault(one.parent, []).append(addresses[one.urn])
    values, configuration = [], []
    for one in found:
        address = addresses[one.urn]
        kind, name = address.split(".", 1)
        head = {"address": address, "mode": "managed", "type": kind, "name": name}
        values.append({**head, "values": _block(one.inputs)})
        references = {
            _snake(key): {"references": [text for urn in urns for text in _references(urn, addresses, by_parent)]}
            for key, urns in one.links.items()
            if key in one.inputs
        }
        configuration.append({**head, "expressions": {k: v for k, v in references.items() if v["references"]}})
    return {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": {"resources": values}},
        "configuration": {"root_module": {"resources": configuration}},
    }


def _references(urn: str, addresses: Mapping[str, str], by_parent: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A resource; or, for what another plugin's component gives out, the resources that it is made of."""
    for address in [addresses[urn]] if urn in addresses else by_parent.get(urn, []):
        yield f"{address}.id"
        yield address


def _block(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties as Terraform spells them: unknown ones are left out, a nested object is a list of one block."""
    block: dict[str, Any] = {}
    for key, value in properties.items():
        if key.startswith("__") or value is None or value == UNKNOWN:
            continue
        spelled = _snake(key)
        if key in MAPS:
            block[spelled] = value
        elif isinstance(value, Mapping):
            block[spelled] = [_block(value)]
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            # Pulumi names a list of blocks in the plural, Terraform in the singular
            block[_singular(spelled)] = block[spelled] = [_block(one) for one in value if isinstance(one, Mapping)]
        elif isinstance(value, list):
            block[spelled] = [_plain(one) for one in value if one != UNKNOWN]
        else:
            block[spelled] = _plain(value)
    return block


def _plain(value: Any) -> Any:
    """A whole number as Terraform writes it: the engine has no other numbers than floats, on which checks give up."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _flat(name: str) -> str:
    return name.replace("_", "").lower()


def _singular(name: str) -> str:
    for plural, one in (("ies", "y"), ("xes", "x"), ("sses", "ss"), ("s", "")):
        if name.endswith(plural):
            return name.removesuffix(plural) + one
    return name
