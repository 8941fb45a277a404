"""Files between S3 and a job's folder, always with the rights of the job's role."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.ports import ObjectStore, StorageError, split_uri

_SYNC_SECONDS = 5.0


@contextmanager
def storage_errors(action: str) -> Iterator[None]:
    """Turn S3's refusals into the failure reason of the job."""
    try:
        yield
    except StorageError as error:
        kind = "InternalServerError" if error.temporary else "ClientError"
        raise JobFailedError(kind, f"{action}: {error.code}: {error}") from error
    except ValueError as error:
        raise JobFailedError("ClientError", f"{action}: {error}") from error


def download(store: ObjectStore, uri: str, target: Path, *, compressed: bool = False, required: bool = True) -> int:
    """Fetch one object (keeping its file name) or everything under a prefix; the number of files.

    Raises JobFailedError when nothing is there and `required`.
    """
    count = 0
    with storage_errors(f"Downloading input {uri}"):
        bucket, prefix = split_uri(uri)
        for key, relative in _members(store, bucket, prefix):
            path = target / relative
            if not path.resolve().is_relative_to(target.resolve()):
                raise JobFailedError("ClientError", f"An object under {uri} would leave its folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            store.download(bucket, key, path)
            if compressed and path.suffix == ".gz":
                _gunzip(path)
            count += 1
    if required and not count:
        raise JobFailedError("ClientError", f"No S3 objects found under {uri}")
    target.mkdir(parents=True, exist_ok=True)
    return count


def upload(store: ObjectStore, source: Path, uri: str, kms_key: str | None = None) -> int:
    """Put every file under `source` below the URI; the number of files."""
    count = 0
    with storage_errors(f"Uploading output to {uri}"):
        bucket, prefix = split_uri(uri)
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            relative = path.relative_to(source).as_posix()
            store.upload(path, bucket, f"{prefix.rstrip('/')}/{relative}".lstrip("/"), kms_key)
            count += 1
    return count


def upload_archive(store: ObjectStore, source: Path, uri: str, scratch: Path, kms_key: str | None = None) -> None:
    """Put the content of a folder as one tar.gz without a top folder."""
    archive = scratch / Path(uri).name
    with tarfile.open(archive, "w:gz", compresslevel=1) as bundle:
        for path in sorted(source.rglob("*")):
            bundle.add(path, arcname=path.relative_to(source).as_posix(), recursive=False)
    with storage_errors(f"Uploading {uri}"):
        bucket, key = split_uri(uri)
        store.upload(archive, bucket, key, kms_key)
    archive.unlink()


def unpack(store: ObjectStore, uri: str, target: Path, scratch: Path) -> None:
    """Fetch a tar.gz and unpack it; members that would leave the folder are refused."""
    archive = scratch / "archive.tar.gz"
    scratch.mkdir(parents=True, exist_ok=True)
    with storage_errors(f"Downloading {uri}"):
        store.download(*split_uri(uri), archive)
    try:
        with tarfile.open(archive) as bundle:
            bundle.extractall(target, filter="data")
    except tarfile.TarError as error:
        raise JobFailedError("ClientError", f"{uri} is not a usable tar archive: {error}") from error
    finally:
        archive.unlink()


class CheckpointSync:
    """Keeps a folder's files in S3 while a job runs; files deleted locally stay in S3, as the service does it."""

    def __init__(self, store: ObjectStore, folder: Path, uri: str, kms_key: str | None = None) -> None:
        self._store, self._folder, self._uri, self._kms_key = store, folder, uri, kms_key
        self._seen: dict[Path, tuple[int, int]] = {}
        self._closed = threading.Event()
        download(store, uri, folder, required=False)
        self._changed()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Last copy. Raises JobFailedError when S3 refuses it."""
        self._closed.set()
        self._thread.join()
        self._copy()

    def _run(self) -> None:
        while not self._closed.wait(_SYNC_SECONDS):
            try:
                self._copy()
            except (JobFailedError, OSError):
                self._seen.clear()  # the last copy, in close(), repeats it all and reports

    def _copy(self) -> None:
        with storage_errors(f"Copying checkpoints to {self._uri}"):
            bucket, prefix = split_uri(self._uri)
            for path in self._changed():
                key = f"{prefix.rstrip('/')}/{path.relative_to(self._folder).as_posix()}".lstrip("/")
                self._store.upload(path, bucket, key, self._kms_key)

    def _changed(self) -> list[Path]:
        changed = []
        for path in sorted(path for path in self._folder.rglob("*") if path.is_file()):
            state = path.stat()
            mark = (state.st_mtime_ns, state.st_size)
            if self._seen.get(path) != mark:
                self._seen[path] = mark
                changed.append(path)
        return changed


def _members(store: ObjectStore, bucket: str, prefix: str) -> Iterator[tuple[str, str]]:
    folder = prefix if prefix.endswith("/") or not prefix else f"{prefix}/"
    for item in store.list(bucket, prefix):
        if item.key == prefix and not prefix.endswith("/"):
            yield item.key, item.key.rsplit("/", 1)[-1]
        elif item.key.startswith(folder) and not item.key.endswith("/"):
            yield item.key, item.key[len(folder) :]


def _gunzip(path: Path) -> None:
    with gzip.open(path) as source, path.with_suffix("").open("wb") as target:
        shutil.copyfileobj(source, target)
    path.unlink()
