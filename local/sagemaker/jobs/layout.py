"""The folder that stands for /opt/ml, and the environment of a job process."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.ports import Credentials

CONTAINER_ROOT = "/opt/ml"
_IN_TEXT = re.compile(r"(?<![\w/.-])/opt/ml(?=/|$)")
_PYTHON = re.compile(r"^(/\S*/)?python(3(\.\d+)?)?$")
# Jobs have no network but the embedded AWS: a proxy that does not exist stops anything else at once.
_NO_NETWORK = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
}


class JobFolder:
    """A job's own files; `remove` deletes them, for they may hold study data."""

    def __init__(self, context: Context, name: str, area: str = "jobs") -> None:
        self.home = context.folder / area / name
        self.root = self.home / "ml"
        shutil.rmtree(self.home, ignore_errors=True)
        for path in (self.root / "output", self.home / "tmp"):
            path.mkdir(parents=True)

    def path(self, container_path: str) -> Path:
        """Local path of a path under /opt/ml. Raises JobFailedError for any other place."""
        inside = os.path.normpath(container_path)
        if inside != CONTAINER_ROOT and not inside.startswith(f"{CONTAINER_ROOT}/"):
            raise JobFailedError("ClientError", f"The local path {container_path} is not under {CONTAINER_ROOT}")
        return self.root / inside[len(CONTAINER_ROOT) :].lstrip("/")

    def rewrite(self, text: str) -> str:
        """Replace /opt/ml at the start of a path by this folder."""
        return _IN_TEXT.sub(str(self.root), text)

    def read_message(self, name: str, limit: int = 1024) -> str:
        """First characters of /opt/ml/output/<name>, '' when the script wrote none."""
        path = self.root / "output" / name
        return path.read_text(errors="replace")[:limit].strip() if path.is_file() else ""

    def remove(self) -> None:
        """Delete everything of this job."""
        shutil.rmtree(self.home, ignore_errors=True)


def command(context: Context, folder: JobFolder, entrypoint: list[str], arguments: list[str]) -> list[str]:
    """The container's command line for this machine: the image's python is the train interpreter."""
    if context.train_python is None:
        raise JobFailedError("InternalServerError", "The embedded AWS was started without a train interpreter")
    words = [folder.rewrite(word) for word in [*entrypoint, *arguments]]
    if _PYTHON.match(words[0]):
        words[0] = context.train_python
    return words


def environment(
    context: Context, folder: JobFolder, caller: Credentials, extra: Mapping[str, Any], *, isolated: bool = False
) -> dict[str, str]:
    """A clean environment: nothing of this process but PATH and the locale; keys are those of the job's role only.

    An isolated job (EnableNetworkIsolation) gets no keys and no endpoint, as its container could not call AWS.
    """
    own = {
        "PATH": os.pathsep.join(
            [*([str(Path(context.train_python).parent)] if context.train_python else []), os.environ.get("PATH", "")]
        ),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "HOME": str(folder.home),
        "TMPDIR": str(folder.home / "tmp"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_BASE_DIR": str(folder.root),
        **_NO_NETWORK,
    }
    if not isolated:
        own |= context.cloud.environment(caller)
    return own | {name: folder.rewrite(str(value)) for name, value in extra.items()}
