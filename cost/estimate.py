"""The bill of a month: every resource through its rule, and the sums that people ask for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cost import rules_base, rules_data, rules_work
from cost.estate import Estate
from cost.free import FREE
from cost.line import Case, Driver, Line, Rule
from cost.prices import PriceTable
from cost.usage import Usage

RULES: Final[Mapping[str, Rule]] = {**rules_base.RULES, **rules_data.RULES, **rules_work.RULES}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Lines of one month in US dollars, and the types that nobody has priced yet with their number."""

    stack: str
    usage: Usage
    lines: Sequence[Line]
    not_priced: Mapping[str, int]

    @property
    def total(self) -> float:
        """All lines."""
        return sum(line.usd for line in self.lines)

    def by(self, attribute: str) -> dict[str, float]:
        """Sums by `service`, `component`, `driver`, `type` or `price`, largest first."""
        sums: defaultdict[str, float] = defaultdict(float)
        for line in self.lines:
            sums[str(getattr(line, attribute))] += line.usd
        return dict(sorted(sums.items(), key=lambda pair: -pair[1]))

    def _driven(self, driver: Driver, number: float) -> float | None:
        return self.by("driver").get(driver, 0.0) / number if number else None

    @property
    def per_scan(self) -> float | None:
        """What one more study a month adds, storage of its age included."""
        return self._driven("scan", self.usage.scans)

    @property
    def per_reading(self) -> float | None:
        """What one more reading of a study adds."""
        return self._driven("reader", self.usage.readings)

    @property
    def per_training(self) -> float | None:
        """What one more execution of the pipeline adds; the endpoint is not in it."""
        return self._driven("training", self.usage.trainings_per_month)

    @property
    def whole_per_scan(self) -> float | None:
        """The whole bill over the studies of the month."""
        return self.total / self.usage.scans if self.usage.scans else None

    def document(self) -> dict[str, Any]:
        """All of it for programs."""
        return {
            "stack": self.stack,
            "usage": self.usage.model_dump(mode="json", by_alias=True),
            "monthlyUsd": round(self.total, 2),
            "byService": {name: round(usd, 2) for name, usd in self.by("service").items()},
            "byComponent": {name: round(usd, 2) for name, usd in self.by("component").items()},
            "byDriver": {name: round(usd, 2) for name, usd in self.by("driver").items()},
            "perScanUsd": self.per_scan,
            "perReadingUsd": self.per_reading,
            "perTrainingUsd": self.per_training,
            "wholeBillPerScanUsd": self.whole_per_scan,
            "notPriced": dict(self.not_priced),
            "lines": [line.__dict__ for line in self.lines],
        }


def estimate(estate: Estate, usage: Usage, prices: PriceTable) -> Estimate:
    """The month's bill. Raises KeyError for a price that the table lacks, such as another instance type."""
    case = Case(estate=estate, usage=usage, prices=prices)
    strays = Counter(one.type for one in estate.resources if one.type not in RULES and one.type not in FREE)
    return Estimate(stack=estate.stack, usage=usage, lines=list(_lines(case)), not_priced=dict(sorted(strays.items())))


def _lines(case: Case) -> Iterator[Line]:
    for resource in case.estate.resources:
        rule = RULES.get(resource.type)
        for amount in rule(resource, case) if rule else ():
            usd = amount.quantity * case.prices.usd(amount.price)
            if not usd:
                continue
            price = case.prices.prices[amount.price]
            yield Line(
                service=price.service,
                component=resource.component,
                type=resource.type,
                resource=resource.name,
                price=amount.price,
                quantity=round(amount.quantity, 4),
                per=price.per,
                usd=round(usd, 4),
                driver=amount.driver,
            )
