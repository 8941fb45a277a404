"""The dated price table `prices.yaml`, read and checked."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

TABLE: Final = Path(__file__).with_name("prices.yaml")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Price(_Model):
    """One list price in US dollars; `per` is the unit, `typed` the day on which a person typed it."""

    service: str
    usd: Annotated[float, Field(ge=0)]
    per: str
    typed: date | None = None


class PriceTable(_Model):
    """All prices, each of a service with a page to check it on."""

    region: str
    typed: date
    check_again: date
    sources: dict[str, str]
    prices: dict[str, Price]

    @model_validator(mode="after")
    def _each_price_has_a_source(self) -> PriceTable:
        if strays := sorted({price.service for price in self.prices.values()} - set(self.sources)):
            raise ValueError(f"no price page is named for: {', '.join(strays)}")
        return self

    def usd(self, name: str) -> float:
        """The price. Raises KeyError with what to do for a name that the table lacks."""
        if name not in self.prices:
            raise KeyError(f"cost/prices.yaml has no price `{name}`: add it with its unit and the page it stands on")
        return self.prices[name].usd

    def stale(self, today: date) -> bool:
        """Whether the day on which to check again has passed."""
        return today > self.check_again


def load_prices(path: Path = TABLE) -> PriceTable:
    """Raises pydantic's ValidationError for a table with wrong or missing parts."""
    return PriceTable.model_validate(yaml.safe_load(path.read_text()))
