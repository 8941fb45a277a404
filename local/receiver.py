"""The DICOM receiver over the local stack: what the Fargate service is on AWS, as processes of this machine."""

from __future__ import annotations

import json
import os
import secrets
import sys
from typing import NoReturn

from local.console import GaveUpError, console
from local.engine.paths import ROOT
from local.stack import LocalStack

CALLED, CALLING = "IMAGING", "MODALITY"


def configuration(stack: LocalStack, bucket: str, port: int) -> str:
    """The receiver's configuration: loopback only, one sender, the landing bucket of the stack."""
    key = stack.run / "receiver" / "name.key"
    if not key.exists():
        key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key.write_text(secrets.token_hex(32))
        key.chmod(0o600)
    peer = {"name": "modality", "ae_title": CALLING, "addresses": ["127.0.0.1/32"], "associations": 20}
    return json.dumps(
        {
            "ae_title": CALLED,
            "listeners": [{"address": "127.0.0.1", "port": port, "unencrypted": True}],
            "peers": [{**peer, "rights": ["store", "echo", "commit"]}],
            "store": {"s3": {"bucket": bucket}},
            "naming": {"key": f"file:{key}"},
            "health": {"port": 0},
        }
    )


def receive(stack: LocalStack, port: int) -> NoReturn:
    """Become the receiver: Ctrl-C ends it. Raises GaveUpError when there is no stack."""
    if not stack.exists():
        raise GaveUpError("There is no local stack yet: run `make up` first.")
    stack.aws.start()
    bucket = stack.outputs()["training_data_bucket"]
    console.print(f"send to it, for example: {sending(port)}", markup=False)
    variables = {**os.environ, **stack.client_environment(), "STORE_SCP_CONFIG": configuration(stack, bucket, port)}
    os.chdir(ROOT)
    command = [sys.executable, "-m", "services.store_scp", "--config", "env:STORE_SCP_CONFIG"]
    os.execve(sys.executable, command, variables)  # noqa: S606  (a command made here)


def sending(port: int) -> str:
    """A command that sends files, with what this checkout has."""
    return f".venv/bin/python -m pynetdicom storescu -aet {CALLING} -aec {CALLED} 127.0.0.1 {port} FILE"
