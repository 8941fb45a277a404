"""The same month otherwise: each change alone, against the stack as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cost.estate import Estate, Resource
from cost.estimate import Estimate, estimate
from cost.prices import PriceTable
from cost.rules_data import LIFECYCLE
from cost.usage import Usage

COMPUTE: Final = ("Amazon SageMaker", "Amazon ECS on Fargate", "AWS Lambda")
"""Services that a Savings Plan covers; Spot hours are not, and are taken out."""


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """One change: what it would cost a month, against `now`."""

    change: str
    usd: float
    now: float

    @property
    def difference(self) -> float:
        """Negative: cheaper."""
        return self.usd - self.now


def what_if(estate: Estate, usage: Usage, prices: PriceTable) -> list[WhatIf]:
    """Every change, priced by the same rules."""
    now = estimate(estate, usage, prices)
    spot = bool(estate.settings["training"].get("useSpot"))
    zones = estate.of("aws:ec2/natGateway:NatGateway")

    def total(changed: Estate, used: Usage = usage) -> float:
        return estimate(changed, used, prices).total

    changes: list[tuple[str, Callable[[], float]]] = [
        (
            f"training {'on demand' if spot else 'on Spot'}",
            lambda: total(_setting(estate, "training", useSpot=not spot)),
        ),
        (
            "training on ml.g5.xlarge, same hours",
            lambda: total(_instance(estate, "trainingInstanceType", "ml.g5.xlarge")),
        ),
        ("a Savings Plan on SageMaker, Fargate and Lambda", lambda: now.total - _planned(now, usage, estate)),
        ("no endpoint (batch transform only)", lambda: total(_setting(estate, "registry", autoDeploy=False))),
        ("no life cycle: everything stays in S3 Standard", lambda: total(_without_lifecycle(estate))),
        ("two lasting copies of a file instead of three", lambda: total(estate, _fewer_copies(usage))),
        ("one NAT gateway less", lambda: total(_without(estate, zones[-1:]))),
        ("steps of the workflow halved", lambda: total(estate, _fewer_steps(usage))),
        ("an Express workflow (ingestion.workflow)", lambda: total(_express(estate))),
        (
            "data uncompressed in HealthImaging",
            lambda: total(estate, usage.model_copy(update={"stored_fraction": 1.0})),
        ),
        ("twice the scans", lambda: total(estate, usage.model_copy(update={"scans_per_day": 2 * usage.scans_per_day}))),
        ("the bill after seven years", lambda: total(estate, usage.model_copy(update={"months_in_operation": 84}))),
    ]
    return [WhatIf(change=change, usd=price(), now=now.total) for change, price in changes]


def _setting(estate: Estate, group: str, **values: Any) -> Estate:
    settings: Mapping[str, Any] = {**estate.settings, group: {**estate.settings[group], **values}}
    return replace(estate, settings=settings)


def _instance(estate: Estate, key: str, instance: str) -> Estate:
    return _setting(estate, "training", **{key: instance})


def _without(estate: Estate, gone: list[Resource]) -> Estate:
    return replace(estate, resources=[one for one in estate.resources if one not in gone])


def _without_lifecycle(estate: Estate) -> Estate:
    return _without(estate, estate.of(LIFECYCLE))


def _fewer_copies(usage: Usage) -> Usage:
    return usage.model_copy(update={"per_file": usage.per_file.model_copy(update={"lasting_copies": 2})})


def _express(estate: Estate) -> Estate:
    changed = [
        replace(one, inputs={**one.inputs, "type": "EXPRESS"}) if one.name == "ingestion-machine" else one
        for one in estate.resources
    ]
    return replace(estate, resources=changed)


def _fewer_steps(usage: Usage) -> Usage:
    halved = usage.per_file.transitions / 2
    return usage.model_copy(update={"per_file": usage.per_file.model_copy(update={"transitions": halved})})


def _planned(now: Estimate, usage: Usage, estate: Estate) -> float:
    """What a plan saves: its share of all covered compute that is not Spot."""
    spot = estate.settings["training"]["trainingInstanceType"] if estate.settings["training"].get("useSpot") else None
    covered = sum(
        line.usd
        for line in now.lines
        if line.service in COMPUTE and line.price not in {spot, "sagemaker-storage-gb", "lambda-request"}
    )
    return covered * usage.savings_plan_percent / 100
