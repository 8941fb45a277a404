"""What one embedded AWS is started with, and the process environment that ministack reads at import."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

REGION = "us-east-1"
ACCOUNT = "111122223333"

_HOST_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_ENDPOINT_URL",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


class StartError(Exception):
    """The embedded AWS cannot start; the text is one sentence that says what to do."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the embedded AWS keeps its state and which interpreters run what is deployed to it."""

    folder: Path
    port: int
    lambda_python: Path
    train_python: Path
    log_level: str = "WARNING"

    @property
    def endpoint(self) -> str:
        """The one URL that serves every AWS API."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def scratch(self) -> Path:
        """Unpacked functions and layers; emptied at every start."""
        return self.folder / "tmp"

    @property
    def ready_file(self) -> Path:
        """The environment map, present only while the service answers."""
        return self.folder / "ready.json"


def check(settings: Settings) -> None:
    """Refuse a start that could only fail later; raises StartError."""
    for option, interpreter, requirement in (
        ("--lambda-python", settings.lambda_python, "lambda"),
        ("--train-python", settings.train_python, "train"),
    ):
        if not os.access(interpreter, os.X_OK):
            raise StartError(
                f"{option}: there is no Python at {interpreter}; make it with `make setup` "
                f"(requirements/{requirement}.lock) or name another one."
            )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", settings.port))
        except OSError as error:
            raise StartError(
                f"--port: {settings.port} is in use ({error.strerror}); stop what listens there (`make down` stops an "
                "embedded AWS) or choose another port. A folder with state must keep its port: queue URLs contain it."
            ) from error


def prepare_environment(settings: Settings, bundle: Path, certificate: Path, key: Path) -> None:
    """Set what ministack reads when it is imported; must run before the first `import ministack`."""
    shutil.rmtree(settings.scratch, ignore_errors=True)
    settings.scratch.mkdir(parents=True)
    tempfile.tempdir = str(settings.scratch)
    for name in _HOST_CREDENTIALS:
        os.environ.pop(name, None)
    os.environ.update(
        GATEWAY_PORT=str(settings.port),
        BIND_HOST="127.0.0.1",
        MINISTACK_HOST="127.0.0.1",
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        TMPDIR=str(settings.scratch),
        PERSIST_STATE="1",
        STATE_DIR=str(settings.folder / "state"),
        S3_PERSIST="1",
        S3_DATA_DIR=str(settings.folder / "objects"),
        LOG_LEVEL="ERROR" if settings.log_level == "ERROR" else "WARNING",
        AUTH="true",
        USE_SSL="1",
        MINISTACK_SSL_CERT=str(certificate),
        MINISTACK_SSL_KEY=str(key),
        MINISTACK_ACCOUNT_ID=ACCOUNT,
        MINISTACK_REGION=REGION,
        AWS_REGION=REGION,
        AWS_DEFAULT_REGION=REGION,
        AWS_DISABLE_HOST_PREFIX_INJECTION="true",
        DOCKER_HOST="unix:///nonexistent",  # containers are never started, whatever the host offers
        # Functions inherit the bundle. Left unset, ministack would append the leaf certificate to the
        # system roots, and OpenSSL does not take a leaf for an anchor.
        AWS_CA_BUNDLE=str(bundle),
        REQUESTS_CA_BUNDLE=str(bundle),
        SSL_CERT_FILE=str(bundle),
    )
