"""`python -m cost --help`: what a stack costs a month. Nothing is asked of AWS."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import pulumi
import pydantic
import typer

from cost.estate import FOLDER, Estate, from_inventory, from_preview
from cost.estimate import estimate
from cost.prices import load_prices
from cost.report import document, text
from cost.usage import Usage, load_usage, usage_names
from cost.whatif import what_if
from gitops.errors import GitopsError

ROOT: Final = Path(__file__).resolve().parents[1]
DOCUMENT: Final = ROOT / "docs" / "COST.md"
SCHEMA: Final = ROOT / "schemas" / "cost-usage.schema.json"
DOCUMENTED: Final = "prod"
COMPLETE: Final = "complete"
"""Production with receiver, frame proxy and viewer, which its file leaves out: only CI knows digests of images."""
app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__, rich_markup_mode=None
)
Stack = Annotated[str, typer.Option(help="Name of the stack.")]
Preview = Annotated[
    Path | None, typer.Option(help="Output of `python -m local preview STACK --json`; without it the kept inventory.")
]


@app.command()
def bill(
    stack: Stack = DOCUMENTED,
    preview: Preview = None,
    usage: Annotated[str | None, typer.Option(help="Name under cost/usage, or a file; default: the stack's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every line, as JSON.")] = False,
) -> None:
    """The bill of a month, by service, component and driver, and what it would be otherwise."""
    estate, prices = _estate(stack, preview), load_prices()
    used = load_usage(usage or (stack if stack in usage_names() else DOCUMENTED))
    found, otherwise = estimate(estate, used, prices), what_if(estate, used, prices)
    if as_json:
        changes = [{"change": one.change, "monthlyUsd": round(one.usd, 2)} for one in otherwise]
        told = found.document() | {"whatIf": changes, "pricesTyped": str(prices.typed)}
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
        return
    sys.stdout.write(text(found, prices, datetime.now(UTC).date()) + "\nwhat if\n")
    for one in otherwise:
        sys.stdout.write(f"  {one.change:52} {one.usd:12,.2f} {one.difference:+12,.2f}\n")


@app.command()
def difference(
    stack: Stack,
    base: Annotated[Path, typer.Option(help="Offline preview of the program before, as JSON.", exists=True)],
    head: Annotated[Path, typer.Option(help="Offline preview of the program after, as JSON.", exists=True)],
    as_json: Annotated[bool, typer.Option("--json", help="Before and after, for `python -m gitops compare`.")] = False,
) -> None:
    """What a change of the program costs a month."""
    used, prices = load_usage(stack if stack in usage_names() else DOCUMENTED), load_prices()
    before, after = (estimate(_estate(stack, path), used, prices) for path in (base, head))
    if as_json:
        sys.stdout.write(json.dumps({"before": before.total, "after": after.total}) + "\n")
        return
    sys.stdout.write(
        f"Cost: {after.total - before.total:+,.2f} $ a month ({before.total:,.2f} -> {after.total:,.2f}).\n"
    )
    old, new = before.by("service"), after.by("service")
    for service in sorted({*old, *new}):
        if abs(change := new.get(service, 0) - old.get(service, 0)) >= 0.005:
            sys.stdout.write(f"- {service}: {change:+,.2f}\n")
    for kind, number in after.not_priced.items():
        sys.stdout.write(f"- not priced: {kind} ({number})\n")


@app.command()
def write(
    preview: Preview = None,
    complete: Annotated[
        Path | None, typer.Option(help="Preview of production with every service.", exists=True)
    ] = None,
) -> None:
    """Write docs/COST.md and the schema of usage files; with previews of production, its inventories first."""
    for name, source in ((DOCUMENTED, preview), (COMPLETE, complete)):
        if source is not None:
            _inventory(name).write_text(_estate(DOCUMENTED, source).dumps())
    for path, content in generated().items():
        path.write_text(content)
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


def generated() -> dict[Path, str]:
    """Every generated file and what it must hold."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Usage.model_json_schema(by_alias=True)}
    estate, complete = (from_inventory(_inventory(name)) for name in (DOCUMENTED, COMPLETE))
    return {
        DOCUMENT: document(estate, complete, load_usage(DOCUMENTED), load_prices()),
        SCHEMA: json.dumps(schema, indent=1, sort_keys=True) + "\n",
    }


def _inventory(stack: str) -> Path:
    return FOLDER / f"{stack}.json"


def _estate(stack: str, preview: Path | None) -> Estate:
    if preview is None:
        return from_inventory(_inventory(stack))
    from tools.configuration import checked  # the program's own models, with every default

    settings = checked("platform", ROOT / f"Pulumi.{stack}.yaml").model_dump(mode="json", by_alias=True)
    return from_preview(stack, preview.read_text(), settings)


def main() -> int:
    """Exit codes: 0 well, 1 an input that cannot be used, 2 misuse."""
    try:
        return int(app(standalone_mode=False) or 0)
    except typer.Exit as ended:
        return ended.exit_code
    except pydantic.ValidationError as error:
        for fault in error.errors():
            sys.stderr.write(f"cost: {'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}\n")
    except (GitopsError, ValueError, OSError, pulumi.RunError) as error:
        sys.stderr.write(f"cost: {error}\n")
    except KeyError as error:
        sys.stderr.write(f"cost: {error.args[0]}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
