"""The data key of a stack's secrets is exchanged only where that can be undone and is on record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from operations.rekey import Rekey, carry_out
from operations.unlock import Unlock, UnlockError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
URL = "awskms:///alias/imaging-prod?region=us-east-1"
STATE = json.dumps({"secrets": [{"ciphertext": "v1:a"}, {"ciphertext": "v1:b"}]})


class Engine:
    """`pulumi`, whose change of the provider writes what it is told to."""

    def __init__(self, folder: Path, written: str, code: int = 0) -> None:
        self.folder, self.written, self.code, self.changed = folder, written, code, list[str]()

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        if arguments[0] == "whoami":
            return 0, json.dumps({"url": f"file://{self.folder}"})
        if arguments[1] == "change-secrets-provider":
            self.changed.append(arguments[2])
            (self.folder / "Pulumi.prod.yaml").write_text(self.written)
            return self.code, ""
        return 0, STATE


def rekey(folder: Path, *, today: str = URL, written: str = "encryptedkey: new\n", provider: str = "", code: int = 0):
    (folder / "Pulumi.prod.yaml").write_text(
        f"secretsprovider: {today}\nencryptedkey: old\n" if today else "config: {}\n"
    )
    engine = Engine(folder, written, code)
    lock = Unlock(stack="prod", project="imaging", pulumi=engine)
    return engine, Rekey(unlock=lock, file=folder / "Pulumi.prod.yaml", provider=provider)


def attempt(found: Rekey, *, confirm: bool = True, reason: str = "yearly") -> str:
    said: list[str] = []
    assert carry_out(found, confirm=confirm, reason=reason, now=NOW, say=said.append) == 0
    return "\n".join(said)


def test_looking_says_how_many_secrets_and_changes_nothing(tmp_path: Path) -> None:
    engine, found = rekey(tmp_path)
    said = attempt(found, confirm=False)
    assert "2 secrets in the state" in said
    assert "Nothing was changed" in said
    assert engine.changed == []


def test_the_same_provider_or_another_is_given_to_the_engine_and_the_deed_is_kept(tmp_path: Path) -> None:
    other = URL.replace("prod", "prod-2")
    for provider, given in (("", URL), (other, other)):
        folder = tmp_path / given.rsplit("/", 1)[-1].split("?", maxsplit=1)[0]
        folder.mkdir()
        engine, found = rekey(folder, provider=provider)
        assert "Commit Pulumi.prod.yaml before the next deployment" in attempt(found)
        assert engine.changed == [given]
        (record,) = (folder / ".pulumi" / "operations" / "imaging" / "prod").iterdir()
        told = json.loads(record.read_text())
        assert (told["from"], told["to"], told["reason"]) == (URL, given, "yearly")


def test_a_passphrase_a_missing_file_a_missing_reason_and_a_locked_stack_are_refused(tmp_path: Path) -> None:
    engine, found = rekey(tmp_path, today="")
    with pytest.raises(UnlockError, match="hang on a passphrase"):
        attempt(found)
    engine, found = rekey(tmp_path)
    with pytest.raises(UnlockError, match="Say why"):
        attempt(found, reason="")
    lock = tmp_path / ".pulumi" / "locks" / "organization" / "imaging" / "prod" / "a.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"pid": 1, "username": "u", "hostname": "h", "timestamp": NOW.isoformat()}))
    with pytest.raises(UnlockError, match="make unlock-prod"):
        attempt(found)
    (tmp_path / "Pulumi.prod.yaml").unlink()
    with pytest.raises(UnlockError, match=r"no Pulumi\.prod\.yaml"):
        attempt(found)
    assert engine.changed == []


@pytest.mark.parametrize(
    ("written", "code", "said"), [("encryptedkey: new\n", 255, "failed"), ("encryptedkey: old\n", 0, "restore")]
)
def test_an_engine_that_fails_or_keeps_the_old_key_is_told(tmp_path: Path, written: str, code: int, said: str) -> None:
    _, found = rekey(tmp_path, written=written, code=code)
    with pytest.raises(UnlockError, match=said):
        attempt(found)
