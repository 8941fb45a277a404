"""The program of the day is previewed by the real engine over the state of each release that is kept: no data goes.

The states (`tools/released.py`) hold what has data in production. What an update may do to it is change it in place; a
resource that is renamed or moved without an alias would be deleted here, and made again empty.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from gitops.preview import Preview, read_preview
from local.engine import environment
from local.engine.project import write_project
from local.pulumi_run import run_pulumi

pytestmark = pytest.mark.engine
RELEASED = Path(__file__).resolve().parents[1] / "contract" / "released"
RELEASES = sorted(path.name for path in RELEASED.iterdir())
STACK = "prod"
FORGOTTEN = "forgotten-table"
NAMED_AFTER_THE_API = "api-execution-logs"
"""Its name has the API's id; the API is not in these states, so that the engine has to expect another id."""


def upgraded(state: dict[str, Any], folder: Path) -> Preview:
    """What the engine would do to a stack in this state."""
    env = environment(state_dir=folder / "state", offline=True)
    project = write_project(folder / "project")
    file = folder / "released.json"
    file.write_text(json.dumps(state))
    run_pulumi(["stack", "select", "--create", STACK], env=env, cwd=project)
    run_pulumi(["stack", "import", "--stack", STACK, "--file", str(file)], env=env, cwd=project)
    code, run = run_pulumi(["preview", "--stack", STACK, "--json"], env=env, cwd=project, check=False)
    return read_preview(run.text, code=code)


def with_a_table_that_the_program_has_forgotten(state: dict[str, Any]) -> dict[str, Any]:
    """The state and one table more, by which the test shows that it would see a loss."""
    changed = copy.deepcopy(state)
    resources = changed["deployment"]["resources"]
    table = copy.deepcopy(next(one for one in resources if one["type"] == "aws:dynamodb/table:Table"))
    table["urn"] = f"{table['urn'].rsplit('::', 1)[0]}::{FORGOTTEN}"
    resources.append(table)
    return changed


@pytest.mark.parametrize("release", RELEASES)
def test_an_upgrade_keeps_every_resource_that_holds_data(release: str, tmp_path: Path) -> None:
    state = json.loads((RELEASED / release / "state.json").read_text())
    held = {one["urn"] for one in state["deployment"]["resources"] if one["custom"]}
    assert len(held) > 50
    found = upgraded(with_a_table_that_the_program_has_forgotten(state), tmp_path)
    assert found.complete, found.errors
    assert {change.name for change in found.changes if change.loses_data} == {FORGOTTEN, NAMED_AFTER_THE_API}
    made_again = held & {change.urn for change in found.changes if change.op == "create"}
    assert not made_again, "the engine does not know them any more: give them an alias"
    touched = {change.urn for change in found.changes}
    assert len(held - touched) > len(held) / 2, "most of a release's data is not even touched"
