"""Takes model.onnx, and nothing else, out of a model.tar.gz.

The archive was written by a training job: its member names, links and sizes are not to be trusted, so nothing is
extracted by name; one regular member is copied to a path of our own, with a bound on its size.
"""

from __future__ import annotations

import posixpath
import shutil
import tarfile
from pathlib import Path

from lambda_shared.errors import InvalidEventError

MODEL_FILE = "model.onnx"
MAX_MODEL_BYTES = 400 * 1024 * 1024  # Lambda's /tmp has 512 MiB and holds the archive's stream and the model
MAX_MEMBERS = 10_000


def extract_model(archive: Path, target: Path) -> Path:
    """Copy the archive's model.onnx to `target`.

    Raises:
        InvalidEventError: no such regular file in the archive, too large, too many members, or not a tar.gz.
    """
    try:
        with tarfile.open(archive, mode="r|gz") as stream:
            for number, member in enumerate(stream):
                if number >= MAX_MEMBERS:
                    raise InvalidEventError("MODEL_ARCHIVE", "the archive has too many members")
                if posixpath.normpath(member.name) == MODEL_FILE and member.isfile():
                    return _copy(stream, member, target)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InvalidEventError("MODEL_ARCHIVE", f"the archive cannot be read ({type(error).__name__})") from None
    raise InvalidEventError("MODEL_ARCHIVE", "the archive has no model.onnx at its root")


def _copy(stream: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> Path:
    source = stream.extractfile(member)
    if source is None or member.size > MAX_MODEL_BYTES:
        raise InvalidEventError("MODEL_ARCHIVE", "the model is larger than the function can hold")
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    return target
