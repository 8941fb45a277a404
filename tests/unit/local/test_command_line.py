"""The command line answers a slip of the fingers with a sentence, not with a traceback."""

from __future__ import annotations

import sys

import pytest

from local.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["preview", "nowhere"], "choose from dev, local, prod, staging"),
        (["nosuch"], "No such command 'nosuch'"),
        (["preview", "--nosuch"], "No such option: --nosuch"),
        (["preview"], "Missing argument"),
    ],
)
def test_a_wrong_word_is_answered_with_what_is_right(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["local", *arguments])
    assert main() == 2
    said = " ".join(capsys.readouterr().out.split())
    assert sentence in said
    assert "--help" in said
