"""Keep what a release would leave in an account: `python -m tools.released NAME`, in the release's checkout.

Writes tests/contract/released/NAME: the state of production's data (tests upgrade it to the program of the day), its
stack file, and the schemas of the events. The state is what the recorder of the tests saw, with the resources that hold
data and their components alone, and without any secret.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pulumi

from gitops.preview import STATEFUL

FOLDER: Final = Path("tests/contract/released")
SCHEMAS: Final = Path("lambdas/shared/src/lambda_shared/events")
STACK: Final = "prod"
_PROVIDER_ID: Final = "00000000-0000-4000-8000-000000000000"
_ENGINE: Final = "v3.220.0"
_TIME: Final = "2026-01-01T00:00:00Z"


def state(program: Any, recorder: Any) -> dict[str, Any]:
    """A deployment as `pulumi stack import` takes it, of the resources with data that a recorded program has."""
    project, region = str(recorder.PROJECT), str(recorder.REGION)
    base = f"urn:pulumi:{STACK}::{project}"
    version = importlib.metadata.version("pulumi-aws")
    stack = f"{base}::pulumi:pulumi:Stack::{project}-{STACK}"
    provider = f"{base}::pulumi:providers:aws::default_{version.replace('.', '_')}"
    settings = {"region": region, "version": version}
    found = [
        {"urn": stack, "custom": False, "type": "pulumi:pulumi:Stack"},
        {
            **{"urn": provider, "custom": True, "id": _PROVIDER_ID, "type": "pulumi:providers:aws"},
            **{"inputs": settings, "outputs": settings},
        },
        *_resources(program, base, stack, f"{provider}::{_PROVIDER_ID}", recorder.OUTPUTS),
    ]
    magic = hashlib.sha256(_ENGINE.encode()).hexdigest()  # the engine takes no state without it
    manifest = {"time": _TIME, "magic": magic, "version": _ENGINE}
    return {"version": 3, "deployment": {"manifest": manifest, "resources": found}}


def _resources(program: Any, base: str, stack: str, provider: str, answers: Any) -> Iterator[dict[str, Any]]:
    """Data first by URN, each behind its components: a parent stands before its children in a state."""
    by_urn = {one.urn: one for one in program.resources}
    written: set[str] = set()
    for data in sorted((one for one in program.resources if _holds_data(one)), key=lambda one: str(one.urn)):
        chain = [data]
        while chain[0].parent in by_urn:
            chain.insert(0, by_urn[chain[0].parent])
        types, parent = "", stack
        for one in chain:
            types = f"{types}${one.token}" if types else one.token
            urn = f"{base}::{types}::{one.name}"
            if urn not in written:
                written.add(urn)
                kept: dict[str, Any] = {"urn": urn, "custom": one.custom, "type": one.token, "parent": parent}
                yield kept | (_values(one, provider, answers) if one.custom else {})
            parent = urn


def _holds_data(one: Any) -> bool:
    """Assets are code, which every checkout makes again; a secret stays where it is."""
    code = any(isinstance(value, (pulumi.Asset, pulumi.Archive)) for value in one.inputs.values())
    return one.custom and one.token.startswith(STATEFUL) and not one.secret_inputs and not code


def _values(one: Any, provider: str, answers: Any) -> dict[str, Any]:
    """Inputs, and what AWS would have answered, which other resources name."""
    computed = answers[one.token](one.name, one.inputs) if one.token in answers else {}
    known = {**computed, "tagsAll": one.inputs.get("tags", {})}
    return {
        "id": str(one.inputs.get("bucket") or one.inputs.get("name") or one.name),
        "inputs": one.inputs,
        "outputs": {**one.inputs, **known},
        "provider": provider,
        "protect": one.protect,
    }


def events() -> Mapping[str, str]:
    """The schema of each event, by the name of its file."""
    return {path.name: path.read_text() for path in sorted(SCHEMAS.glob("*.schema.json"))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="such as 1.4.0")
    name = parser.parse_args().name
    from tests.fixtures import platform_program as platform  # Pulumi's SDK: not for --help

    target = FOLDER / name
    shutil.rmtree(target, ignore_errors=True)
    (target / "events").mkdir(parents=True)
    made = state(platform.recorded_program(STACK), platform.recorder)
    (target / "state.json").write_text(json.dumps(made, indent=1) + "\n")
    shutil.copy(f"Pulumi.{STACK}.yaml", target)
    for name, text in events().items():
        (target / "events" / name).write_text(text)
    sys.stdout.write(f"written: {target}, {len(made['deployment']['resources'])} resources\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
