"""docs/reference is what the program and the schemas say now, and nothing that the program makes is missing from it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools import released
from tools.reference import picture, rights
from tools.reference.__main__ import FOLDER, PAGES
from tools.reference.events import publishers
from tools.reference.programs import COMPLETE, STACKS, recorded, recorded_account


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_current(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "run `make reference`"


def written(name: str) -> str:
    return (FOLDER / name).read_text()


@pytest.mark.parametrize("stack", [*STACKS, COMPLETE])
def test_every_resource_of_every_stack_is_counted(stack: str) -> None:
    column = (*STACKS, COMPLETE).index(stack) + 1
    listed, made = 0, [one for one in recorded(stack).resources if one.custom or one.token.startswith("awsx:")]
    for line in written("RESOURCES.md").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if cells[0].startswith("`") and len(cells) == 7:
            listed += int(cells[column].replace("-", "0"))
    assert listed == len(made)


@pytest.mark.parametrize("program", [COMPLETE, "account"])
def test_every_action_of_every_role_is_in_the_matrix(program: str) -> None:
    found = recorded_account() if program == "account" else recorded(program)
    text = written("IAM.md")
    policies = [one for one in found.resources if one.token in rights.IDENTITY and "boundary" not in one.name]
    actions = {
        action
        for one in policies
        for statement in json.loads(one.inputs["policy"])["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert len(actions) > 50
    assert {action for action in actions if f"`{action}`" not in text} == set()


def test_a_right_that_is_taken_away_is_no_right() -> None:
    denied = [line for line in written("IAM.md").splitlines() if "never shut responders" in line]
    assert denied
    assert all(line.startswith("| **denied**") for line in denied)


@pytest.mark.parametrize(
    ("sid", "words"),
    [("AskForARegistryToken", "ask for a registry token"), ("ReadS3", "read S3")],
)
def test_a_sid_is_read_as_its_purpose(sid: str, words: str) -> None:
    assert rights.why(sid) == words


def test_every_event_has_a_publisher() -> None:
    assert all(publishers().values()), "an event that nobody constructs is no event of the platform"


def test_no_name_of_the_recorded_account_is_left() -> None:
    for name in PAGES:
        text = written(name)
        assert not [word for word in ("111122223333", "us-east-1", "mlops-complete") if word in text]


def test_the_search_for_pages_would_see_a_stale_one(monkeypatch: Any) -> None:
    monkeypatch.setattr(rights, "HEAD", "# Something else\n")
    assert written("IAM.md") != PAGES["IAM.md"]()


def test_the_picture_shows_every_component_that_needs_another_and_no_way_is_lost() -> None:
    edges = picture.needed(recorded(COMPLETE))
    text = written("../pictures/components.svg")
    assert len(edges) > 50
    assert {name for edge in edges for name in edge} == set(re.findall(r">([\w-]+)</text>", text))
    kept = picture.reduced(edges)
    assert len(kept) == text.count("marker-end") < len(edges)
    assert all(b in picture.reached(kept, a) for a, b in edges)


def test_what_the_next_release_leaves_is_kept_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(released, "FOLDER", tmp_path)
    monkeypatch.setattr("sys.argv", ["released", "9.9.9"])
    assert released.main() == 0
    state = json.loads((tmp_path / "9.9.9" / "state.json").read_text())
    kinds = {one["type"] for one in state["deployment"]["resources"]}
    assert {"aws:dynamodb/table:Table", "aws:s3/bucket:Bucket"} <= kinds, "what holds data"
    assert {path.name for path in (tmp_path / "9.9.9" / "events").iterdir()} == set(released.events())
