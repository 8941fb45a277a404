"""The entry point of the API's image, in an environment that has its lock file and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def address(image: Callable[[str], Any]) -> Iterator[str]:
    """The API as the image starts it: the Dockerfile's own ENTRYPOINT, over what the Dockerfile copies."""
    made = image("api")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    names = ("TRAINING_DATA_BUCKET", "TRACKING_TABLE", "LABELS_TABLE", "METRICS_TABLE", "EVENT_BUS_NAME")
    names += ("MODEL_PACKAGE_GROUP", "PIPELINE_NAME", "DATASTORE_ID", "MODEL_REGISTRY_FUNCTION", "ASSIGNMENTS_TABLE")
    names += ("OUTBOX_TABLE", "CLIENT_IDS", "PREPROCESSED_BUCKET", "ENDPOINT_NAME")
    environment = {
        **dict.fromkeys(names, "x"),
        "HOST": "127.0.0.1",
        "PORT": port,
        "ISSUER": "https://pool.example.org",
        "JWKS_URL": f"http://127.0.0.1:{port}/keys",
        "UPLOAD_URL_SECONDS": "900",
        "ALLOWED_ORIGIN": "https://reading.example.org",
        "READERS_PER_STUDY": "2",
        "ADJUDICATE_ON": "finding",
        "PSEUDONYM_KEY_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:111122223333:secret:x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "POWERTOOLS_SERVICE_NAME": "radiologist-api",
        "PYTHONPATH": str(made.app),
        "PATH": os.environ["PATH"],
    }
    server = subprocess.Popen(made.entry, cwd=made.app, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        yield _when_ready(server, f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(timeout=20)


def _when_ready(server: subprocess.Popen[str], address: str) -> str:
    for _ in range(300):
        if server.poll() is not None:
            assert server.stderr is not None
            pytest.fail(server.stderr.read())
        try:
            urllib.request.urlopen(f"{address}/health", timeout=1).close()  # noqa: S310 (loopback)
        except OSError:
            time.sleep(0.1)
        else:
            return address
    pytest.fail("the API does not answer")


def test_health_is_answered(address: str) -> None:
    done = subprocess.run([sys.executable, str(ROOT / "containers/healthcheck.py"), f"{address}/health"], check=False)
    assert done.returncode == 0


def test_nobody_is_let_in_by_a_made_up_token(address: str) -> None:
    request = urllib.request.Request(f"{address}/studies", headers={"Authorization": "Bearer made-up"})  # noqa: S310
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)  # noqa: S310 (loopback)
    assert refused.value.code == 401
    assert refused.value.headers["Content-Type"] == "application/problem+json"
