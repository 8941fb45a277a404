"""One line of a bill, and what a rule of pricing gets to see."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from cost.estate import Estate, Resource
from cost.prices import PriceTable
from cost.usage import Usage

Driver = Literal["standing", "scan", "reader", "training"]
"""What makes the line grow: nothing, a study that arrives, a study that is read, an execution of the pipeline."""


@dataclass(frozen=True, kw_only=True)
class Amount:
    """What a rule says: so many units of a price."""

    price: str
    quantity: float
    driver: Driver = "standing"


@dataclass(frozen=True, kw_only=True)
class Line:
    """An amount of a resource in money."""

    service: str
    component: str
    type: str
    resource: str
    price: str
    quantity: float
    per: str
    usd: float
    driver: Driver


@dataclass(frozen=True, kw_only=True)
class Case:
    """All that the price of one resource can depend on."""

    estate: Estate
    usage: Usage
    prices: PriceTable


Rule = Callable[[Resource, Case], Iterable[Amount]]
