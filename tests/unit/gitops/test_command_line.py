"""The commands end with 0 for yes, 3 for no, 1 for input that cannot be used and 2 for misuse."""

import subprocess
import sys
from pathlib import Path

import pytest

from gitops import __main__ as command_line

ROOT = Path(__file__).resolve().parents[3]
COMMIT = subprocess.run(
    ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.strip()


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["gitops", *map(str, arguments)])
        code = command_line.main()
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


def test_a_comment_is_printed_and_a_failed_preview_ends_with_three(run, tmp_path, step, document):
    preview = tmp_path / "preview.json"
    preview.write_text(document(step("create", "aws:sqs/queue:Queue", "q", new={})))
    arguments = ["comment", "--stack", "dev", "--commit", COMMIT, "--preview", preview]
    assert run(*arguments)[0] == 0
    code, said = run(*arguments, "--code", 255)
    assert code == 3
    assert "this preview failed" in said


def test_drift_ends_with_three_and_its_absence_with_zero(run, tmp_path, step, document):
    refresh = tmp_path / "refresh.json"
    for new, code in ((1, 0), (2, 3)):
        refresh.write_text(document(step("refresh", "aws:sqs/queue:Queue", "q", old={"a": 1}, new={"a": new})))
        assert run("drift", "--stack", "dev", "--refresh", refresh)[0] == code


def test_a_record_in_a_file_lets_the_next_stage_go_on(run, tmp_path, monkeypatch):
    monkeypatch.setattr(command_line, "git_ancestry", lambda folder: lambda older, newer: True)
    records = tmp_path / "records.jsonl"
    records.touch()
    promote = ["promote-check", "--stack", "staging", "--commit", COMMIT, "--records", records]
    assert run(*promote)[0] == 3
    assert run("record", "--stack", "dev", "--commit", COMMIT, "--succeeded", "--records", records)[0] == 0
    assert run(*promote)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["comment"], 2),
        (["no-such-command"], 2),
        (["promote-check", "--stack", "nowhere", "--commit", COMMIT], 1),
    ],
    ids=["missing-options", "unknown-command", "unknown-stack"],
)
def test_misuse_is_told_apart_from_a_refusal(arguments, expected, run):
    assert run(*arguments)[0] == expected
