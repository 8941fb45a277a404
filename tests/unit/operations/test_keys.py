"""Keys of a stack are found by their aliases, told when they do not rotate, and rotated only when confirmed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from typer.testing import CliRunner

from operations import keys as under_test
from operations.__main__ import app

PREFIX = "healthcare-imaging-mlops-prod"


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws():
        yield boto3.client("kms")


def make(kms: Any, alias: str, *, rotates: bool = True) -> str:
    key = str(kms.create_key()["KeyMetadata"]["KeyId"])
    kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key)
    if rotates:
        kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=365)
    return key


def rotations(kms: Any, key: str) -> int:
    return len(kms.list_key_rotations(KeyId=key)["Rotations"])


def command(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["keys", "--stack", "prod", *arguments])
    return done.exit_code, done.output


def test_the_keys_of_one_stack_are_those_with_its_aliases(kms: Any) -> None:
    make(kms, f"{PREFIX}-phi")
    make(kms, f"{PREFIX}-pulumi-secrets")
    make(kms, "healthcare-imaging-mlops-staging-phi")
    found = under_test.keys(kms, PREFIX)
    assert [(one.name, one.period_days, one.rotations) for one in found] == [
        ("phi", 365, []),
        ("pulumi-secrets", 365, []),
    ]
    code, said = command()
    assert code == 0
    assert "rotates every 365 days" in said
    assert "last never" in said


def test_a_key_that_does_not_rotate_and_one_that_is_shut_are_told(kms: Any) -> None:
    make(kms, f"{PREFIX}-phi", rotates=False)
    kms.disable_key(KeyId=make(kms, f"{PREFIX}-audit"))
    code, said = command("--json")
    assert code == 2
    faults = {one["name"]: one["faults"] for one in json.loads(said)}
    assert faults["phi"] == ["it does not rotate"]
    assert "it is Disabled" in faults["audit"]


def test_nothing_rotates_until_it_is_confirmed_and_then_only_what_was_named(kms: Any) -> None:
    phi, audit = make(kms, f"{PREFIX}-phi"), make(kms, f"{PREFIX}-audit")
    code, said = command("--rotate", "phi")
    assert (code, rotations(kms, phi)) == (0, 0)
    assert "Would rotate phi; nothing was changed" in said
    code, said = command("--rotate", "phi", "--confirm")
    assert (code, rotations(kms, phi), rotations(kms, audit)) == (0, 1, 0)
    assert f"rotated: phi ({phi})" in said
    assert command("--rotate", "all", "--confirm")[0] == 0
    assert (rotations(kms, phi), rotations(kms, audit)) == (2, 1)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pseudonym", "same patient is another one"),
        ("phj", "There is no key phj; there are audit, phi"),
        ("all", "Not enabled, so not rotated: audit. Nothing was changed"),
    ],
)
def test_a_key_that_cannot_be_rotated_is_refused_before_any_other_is(kms: Any, name: str, reason: str) -> None:
    phi = make(kms, f"{PREFIX}-phi")
    kms.disable_key(KeyId=make(kms, f"{PREFIX}-audit"))
    with pytest.raises(under_test.RotationError, match=reason):
        under_test.chosen(under_test.keys(kms, PREFIX), name)
    assert command("--rotate", name, "--confirm")[0] != 0
    assert rotations(kms, phi) == 0


class Refusing:
    """KMS where an operation fails, as beyond the 25 rotations of a key or where the operation is not known."""

    def __init__(self, kms: Any, code: str) -> None:
        self.kms, self.code = kms, code

    def __getattr__(self, name: str) -> Any:
        return getattr(self.kms, name)

    def _fail(self, name: str) -> Any:
        raise ClientError({"Error": {"Code": self.code, "Message": "no more"}}, name)

    def rotate_key_on_demand(self, **_: Any) -> Any:
        return self._fail("RotateKeyOnDemand")

    def list_key_rotations(self, **_: Any) -> Any:
        return self._fail("ListKeyRotations")


def test_what_kms_refuses_is_told_with_its_reason(kms: Any) -> None:
    make(kms, f"{PREFIX}-phi")
    (key,) = under_test.keys(kms, PREFIX)
    with pytest.raises(under_test.RotationError, match="phi was not rotated: LimitExceededException: no more"):
        under_test.rotate(Refusing(kms, "LimitExceededException"), key)


def test_a_history_that_nobody_keeps_is_unknown_and_one_that_may_not_be_read_is_an_error(kms: Any) -> None:
    make(kms, f"{PREFIX}-phi")
    (key,) = under_test.keys(Refusing(kms, "InvalidAction"), PREFIX)
    assert key.rotations is None
    assert "last unknown" in key.said()
    with pytest.raises(ClientError, match="AccessDenied"):
        under_test.keys(Refusing(kms, "AccessDenied"), PREFIX)
