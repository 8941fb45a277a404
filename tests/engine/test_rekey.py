"""Secrets of a stack under a new data key, with the real engine and moto's KMS: other ciphertexts, the same secret."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from local.engine import environment

pytestmark = pytest.mark.engine
ROOT = Path(__file__).resolve().parents[2]
SENTINEL = "SENTINEL-of-the-rekey"
PROVIDER = "awskms:///alias/imaging-dev?region=us-east-1&awssdk=v2"
PROGRAM = 'import pulumi\npulumi.export("password", pulumi.Config().require_secret("password"))\n'


@pytest.fixture
def kms() -> Iterator[dict[str, str]]:
    """What a client needs to reach a KMS with the stack's key."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    given = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    address = f"http://{host}:{port}"
    client = boto3.client(
        "kms", endpoint_url=address, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_alias(AliasName="alias/imaging-dev", TargetKeyId=client.create_key()["KeyMetadata"]["KeyId"])
    yield {**given, "AWS_ENDPOINT_URL": address}
    server.stop()


def test_secrets_get_another_data_key_and_stay_what_they_are(kms: dict[str, str], tmp_path: Path) -> None:
    project, state = tmp_path / "project", tmp_path / "state"
    env = (
        environment(state_dir=state, offline=True) | kms | {"PYTHONPATH": str(ROOT), "REASON": "an administrator left"}
    )
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: healthcare-imaging-mlops\nruntime: python\n")
    (project / "__main__.py").write_text(PROGRAM)

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert SENTINEL not in done.stdout + done.stderr or "--show-secrets" in command
        return done.stdout

    def pulumi(*command: str) -> str:
        return run("pulumi", *command, "--stack", "dev", "--non-interactive")

    def kept() -> tuple[str, str]:
        """(wrapped data key, ciphertext) of the stack file."""
        told = yaml.safe_load((project / "Pulumi.dev.yaml").read_text())
        return told["encryptedkey"], told["config"]["healthcare-imaging-mlops:password"]["secure"]

    run("pulumi", "stack", "init", "dev", "--secrets-provider", PROVIDER, "--non-interactive")
    pulumi("config", "set", "--secret", "password", SENTINEL)
    pulumi("up", "--yes", "--skip-preview")
    before = kept()
    rekey = (sys.executable, "-m", "operations", "rekey", "--stack", "dev")
    assert "1 secrets in the state" in run(*rekey)
    assert kept() == before, "looking changes nothing"
    assert "Commit Pulumi.dev.yaml" in run(*rekey, "--confirm")
    after = kept()
    assert all(new != old for new, old in zip(after, before, strict=True))
    assert SENTINEL in pulumi("stack", "output", "--json", "--show-secrets")
    assert "1 unchanged" in pulumi("up", "--yes", "--skip-preview")
    assert list((state / ".pulumi" / "operations").rglob("*-rekey.json"))
