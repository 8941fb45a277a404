"""Alarms and runbooks are held together: every alarm links a page that is there, is whole, and names what exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from components._runbooks import FAMILIES, page
from tests.fixtures.platform_program import recorded_program

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "runbooks"
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
WITHOUT_ALARM = {"dead-letters.md"}
HEADINGS = ["What it means", "Look first", "Do", "Escalate"]


@pytest.fixture(scope="module")
def complete() -> Any:
    return recorded_program("complete")


def alarms(program: Any) -> list[Any]:
    return [one.inputs for one in program.of("aws:cloudwatch/metricAlarm:MetricAlarm")]


def test_every_alarm_links_its_page(complete: Any) -> None:
    prefix = "healthcare-imaging-mlops-complete-"
    found = alarms(complete)
    assert len(found) > 30
    for alarm in found:
        linked = re.search(r" Runbook: docs/runbooks/([\w.-]+)$", alarm["alarmDescription"])
        assert linked, f"{alarm['name']} says nobody what to do"
        assert linked[1] == page(alarm["name"].removeprefix(prefix))
        assert (FOLDER / linked[1]).is_file(), f"write docs/runbooks/{linked[1]}"
        assert len(alarm["alarmDescription"]) <= 1024


def test_every_page_belongs_to_an_alarm(complete: Any) -> None:
    linked = {alarm["alarmDescription"].rsplit("/", 1)[-1] for alarm in alarms(complete)}
    assert {path.name for path in PAGES} == linked | WITHOUT_ALARM


def test_the_address_of_the_pages_is_the_stacks_own() -> None:
    from components._base import Context
    from components._runbooks import described

    context = Context.__new__(Context)
    object.__setattr__(context, "runbooks", "https://git.example.org/imaging/docs/runbooks/")
    assert described("Slow.", "audit-lag", context) == (
        "Slow. Runbook: https://git.example.org/imaging/docs/runbooks/audit-lag.md"
    )
    assert {page(f"{family}-x") for family in FAMILIES} == {f"{family}.md" for family in FAMILIES}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_whole_and_short_enough_for_a_bad_night(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {path.stem}: ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    *advice, escalation = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert all(len(section.split()) >= 9 for section in advice), "a heading without advice helps nobody"
    assert len(escalation.split()) >= 4, "say whom, and when"
    assert len(text.splitlines()) <= 40
    for linked in re.findall(r"\]\(([\w-]+\.md)\)", text):
        assert (FOLDER / linked).is_file(), linked


@pytest.mark.parametrize("path", [*PAGES, FOLDER / "README.md"], ids=lambda path: path.stem)
def test_settings_and_log_groups_that_a_page_names_exist(path: Path, complete: Any) -> None:
    text = path.read_text()
    known = (ROOT / "docs" / "CONFIGURATION.md").read_text()
    groups = "|".join(sorted(set(re.findall(r"^\| `(\w+)\.", known, re.MULTILINE))))
    for setting in re.findall(rf"`((?:{groups})\.[a-z]\w+)[:`]", text):
        assert f"`{setting}`" in known, f"{setting} is no setting"
    made = {str(one.inputs["name"]) for one in complete.of("aws:cloudwatch/logGroup:LogGroup")}
    functions = {name.rsplit("/", 1)[-1] for name in made if name.startswith("/aws/lambda/")}
    for named in re.findall(r"(/(?:aws|imaging)/[\w/-]*healthcare-imaging-mlops-prod-[\w-]+)", text):
        wanted = named.replace("-prod-", "-complete-")
        assert wanted in made or (wanted.endswith("-FUNCTION") and functions), f"no log group {named}"
    queues = {str(one.inputs["name"]) for one in complete.of("aws:sqs/queue:Queue")}
    for named in re.findall(r"`([a-z-]+-dlq)`", text):
        if named != "-dlq":
            assert f"healthcare-imaging-mlops-complete-{named}" in queues, f"no queue {named}"
    boards = {str(one.inputs["dashboardName"]) for one in complete.of("aws:cloudwatch/dashboard:Dashboard")}
    for named in re.findall(r"dashboard `(\w+)`", text):
        assert f"healthcare-imaging-mlops-complete-{named}" in boards, f"no dashboard {named}"
