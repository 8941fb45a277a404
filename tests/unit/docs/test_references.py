"""What documents refer to exists: settings, files of the tree, pages, messages that users see, rows of the stack."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "bench" / "README.md"])
ROOMS = (
    *(
        "api",
        "bench",
        "bootstrap",
        "components",
        "containers",
        "cost",
        "delivery",
        "docs",
        "gitops",
        "imaging",
        "lambdas",
    ),
    *("local", "operations", "policy", "schemas", "services", "tests", "tools", "training", ".github"),
)
FILE = re.compile(rf"`((?:{'|'.join(re.escape(room) for room in ROOMS)})/[\w./-]+)`")
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)\s#]+)")


@functools.cache
def settings() -> set[str]:
    return set(re.findall(r"^\| `([\w.]+)` \|", (ROOT / "docs" / "CONFIGURATION.md").read_text(), re.MULTILINE))


@functools.cache
def sources() -> str:
    """Everything that can print a message, with the joints of neighbouring literals closed."""
    rooms = ("components", "lambdas", "imaging", "local", "tools", "training", "gitops", "api", "operations")
    text = "\n".join(path.read_text() for room in rooms for path in (ROOT / room).rglob("*.py"))
    return re.sub(r'"\s*\n?\s*f?"', "", text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_pages_that_a_document_names_exist(path: Path) -> None:
    text = path.read_text()
    for named in FILE.findall(text):
        made_there = path.name == "TUTORIAL.md" and named == "components/exports.py"
        if "..." not in named and ".E." not in named and not made_there:  # what the reader fills in
            assert (ROOT / named.rstrip("/")).exists(), f"there is no {named}"
    for linked in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        assert (path.parent / linked).exists(), f"the link to {linked} leads nowhere"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_that_a_document_names_exist(path: Path) -> None:
    groups = "|".join(sorted({key.split(".", maxsplit=1)[0] for key in settings() if "." in key}))
    known = {*settings(), *(key.rsplit(".", 1)[0] for key in settings())}
    text = re.sub(r"`[\w.]+` is now", "", path.read_text())  # the changelog tells what took a key's place
    for named in re.findall(rf"`((?:{groups})\.[a-z]+[A-Z]\w*)`", text):
        assert named in known, f"{named} is no setting"


def test_messages_of_the_troubleshooting_page_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "TROUBLESHOOTING.md").read_text()
    engine = {"[mandatory]", "the stack is currently locked"}  # of the Pulumi CLI
    seen = 0
    for row in re.findall(r"^\| (.+?) \|", text, re.MULTILINE):
        for message in re.findall(r"`([^`]+)`", row):
            if message in engine or message in settings() or message.endswith("/"):
                continue
            assert message in sources(), f"no code says: {message}"
            seen += 1
    assert seen > 20


def test_the_rooms_of_the_table_are_folders() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text()
    for named in re.findall(r"^\| `([a-z]+)/`", table, re.MULTILINE):
        assert (ROOT / named).is_dir(), named
