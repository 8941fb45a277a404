"""An estimate for people: plain text for the terminal, and docs/COST.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from cost.estate import Estate
from cost.estimate import Estimate, estimate
from cost.prices import PriceTable
from cost.reference import claims
from cost.usage import Usage, load_usage
from cost.whatif import what_if

Row = Sequence[str]
MONTHS = (1, 12, 36, 84)


def money(usd: float | None) -> str:
    """`$1,234.50`; parts of a cent with four digits; a dash for what there is none of."""
    if usd is None:
        return "-"
    digits = 4 if 0 < abs(usd) < 0.1 else 2
    return f"{'-' if usd < 0 else ''}${abs(usd):,.{digits}f}"


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [f"| {' | '.join(head)} |", f"|{'|'.join(['---', *['---:'] * (len(head) - 1)])}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def text(found: Estimate, prices: PriceTable, today: date) -> str:
    """What `make cost` prints."""
    total = found.total
    lines = [f"{found.stack}: {found.usage.about}", f"a month ({prices.region} list prices): {money(total)}", ""]
    for title, attribute in (("service", "service"), ("component", "component"), ("grows with", "driver")):
        lines.append(f"by {title}" if attribute != "driver" else title)
        lines += [
            f"  {name:24} {money(usd):>12} {usd / total:6.1%}" for name, usd in found.by(attribute).items() if total
        ]
        lines.append("")
    lines += [f"{name:44} {value:>10}" for name, value in _units(found)]
    lines += [f"not priced: {kind} ({number})" for kind, number in found.not_priced.items()]
    lines.append(f"prices typed {prices.typed}, to be checked again {prices.check_again}")
    if prices.stale(today):
        lines.append("THE PRICES ARE STALE: open the pages in cost/prices.yaml and set the dates")
    return "\n".join(lines) + "\n"


def document(estate: Estate, complete: Estate, usage: Usage, prices: PriceTable) -> str:
    """docs/COST.md from an inventory, the usage that belongs to the stack, and the price table."""
    found = estimate(estate, usage, prices)
    theirs = load_usage("reference")
    same = estimate(estate, theirs, prices)
    whole = estimate(complete, usage, prices)
    return (
        "\n\n".join(
            [
                "<!-- written by `make cost-document`; do not edit -->",
                "# What it costs",
                _HOW.format(
                    region=prices.region, typed=prices.typed, again=prices.check_again, number=len(prices.prices)
                ),
                f"## Production: {money(found.total)} a month",
                f"For {usage.about}, in month {usage.months_in_operation}.",
                table(("service", "a month", "share"), _shares(found, "service")),
                table(("component", "a month", "share"), _shares(found, "component")),
                table(("grows with", "a month", "share"), _shares(found, "driver")),
                table(("unit", "cost"), _units(found)),
                "### The largest lines",
                table(("resource", "price", "quantity", "a month"), _largest(found, 15)),
                f"## With receiver, frame proxy and viewer: {money(whole.total)} a month",
                _COMPLETE,
                table(("component", "a month more"), _more(found, whole)),
                "## As data grows",
                table(("month", "scans held", "a month", "whole bill per scan"), _growth(estate, usage, prices)),
                "## What if",
                f"Each change alone. Spot is taken at {usage.spot_percent:.0f} % and a Savings Plan at "
                f"{usage.savings_plan_percent:.0f} % off: assumptions of the usage file, not prices.",
                table(
                    ("change", "a month", "difference"),
                    [
                        (one.change, money(one.usd), f"{'+' if one.difference > 0 else ''}{money(one.difference)}")
                        for one in what_if(estate, usage, prices)
                    ],
                ),
                "## The reference's figures",
                _REFERENCE.format(
                    total=money(same.total), per_scan=money(same.whole_per_scan), training=money(same.per_training)
                ),
                table(("about", "stated", "computed", "unit"), _claims(prices, usage)),
                "\n".join(f"- {one.about}: {one.why}." for one in claims(prices, usage.stored_fraction)),
                "This program with the reference's production usage:",
                table(("service", "a month", "share"), _shares(same, "service")),
                "## What is assumed",
                table(("usage", "value"), _assumptions(usage)),
                "## Prices",
                table(("price", "service", "USD", "per"), _prices(prices)),
                "\n".join(f"- {service}: <{page}>" for service, page in prices.sources.items()),
            ]
        )
        + "\n"
    )


_HOW = """Computed by the package `cost` from the resources that the program registers for the stack `prod` (kept in
`cost/inventory/prod.json`, taken from the engine's offline preview), a usage file (`cost/usage/prod.yaml`, schema
`schemas/cost-usage.schema.json`) and a dated table of {number} list prices (`cost/prices.yaml`, {region}).

The prices were typed by hand on {typed} from the public price pages as their author knew them; AWS was not asked.
Check them again on {again} at the latest. Not in it: free tiers, tax, support, negotiated discounts, data transfer
between zones, and the images of the deploy pipeline.

```sh
make cost STACK=prod              # preview the stack now, and price it
make cost STACK=prod JSON=1       # every line for programs
make cost STACK=dev USAGE=dev     # another stack, another usage: a name under cost/usage, or a file
make cost-document                # take the inventory again and write this page
```"""

_COMPLETE = """`Pulumi.prod.yaml` names no image of a container yet, since only CI knows its digest: the figures above
are without these services. With `cost/inventory/complete.config` over the stack file the same program adds (KMS
requests are shared out over one key more, so those of the others cost less):"""

_REFERENCE = """A public workshop design with the same parts states $185 or $434 a month for a proof of concept and
$2,454 for production, 70 % saved by Spot and 40 % by HTJ2K (`cost/reference.py` names it). Computed again from its
own inputs, its SageMaker hours are 60 times too many and its standing cost (keys, endpoints, addresses, trail,
detection) is missing. This program with the reference's production usage costs
{total} a month, {per_scan} a scan with everything in it and {training} a training."""


def _more(found: Estimate, whole: Estimate) -> list[Row]:
    before = found.by("component")
    changes = {name: usd - before.get(name, 0.0) for name, usd in whole.by("component").items()}
    return [(name, money(usd)) for name, usd in changes.items() if abs(usd) >= 0.005]


def _shares(found: Estimate, attribute: str) -> list[Row]:
    return [(name, money(usd), f"{usd / found.total:.1%}") for name, usd in found.by(attribute).items()]


def _units(found: Estimate) -> list[Row]:
    return [
        ("a scan, with the storage of all scans so far", money(found.per_scan)),
        ("a reading of a study", money(found.per_reading)),
        ("a training, without the endpoint", money(found.per_training)),
        ("the whole bill over the scans of a month", money(found.whole_per_scan)),
    ]


def _largest(found: Estimate, number: int) -> list[Row]:
    largest = sorted(found.lines, key=lambda line: (-line.usd, line.resource))[:number]
    return [(f"`{one.resource}`", one.price, f"{one.quantity:,.1f}", money(one.usd)) for one in largest]


def _growth(estate: Estate, usage: Usage, prices: PriceTable) -> list[Row]:
    rows: list[Row] = []
    for months in MONTHS:
        then = usage.model_copy(update={"months_in_operation": months})
        found = estimate(estate, then, prices)
        held = f"{then.scans * then.months_kept:,.0f}"
        rows.append((str(months), held, money(found.total), money(found.whole_per_scan)))
    return rows


def _claims(prices: PriceTable, usage: Usage) -> list[Row]:
    return [
        (
            one.about,
            f"{one.stated:,.2f}",
            f"{one.computed:,.2f}" if abs(one.computed) >= 0.01 else f"{one.computed:.4f}",
            one.unit,
        )
        for one in claims(prices, usage.stored_fraction)
    ]


def _assumptions(usage: Usage) -> list[Row]:
    rows: list[Row] = []
    for part in (usage, usage.per_file):
        for name, field in type(part).model_fields.items():
            value = getattr(part, name)
            if isinstance(value, int | float):
                rows.append((f"{name.replace('_', ' ')}: {field.description}", f"{value:,g}"))
    return rows


def _prices(prices: PriceTable) -> list[Row]:
    return [
        (name, one.service, f"{one.usd:.10f}".rstrip("0").rstrip("."), one.per) for name, one in prices.prices.items()
    ]
