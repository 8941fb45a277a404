"""De-identification of a folder of files: neutral names, several processes, one record a file.

Every output is written beside its place and renamed into it, so that no reader meets half a file and a repeated
run replaces it whole. Names are pseudonyms: patient/study/image.dcm.
"""

import mmap
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from imaging.deidentify import CleanedObject, Options, clean
from imaging.errors import ImageRejected, ReasonCode

_CHUNK: Final = 16
_READ_BELOW: Final = 1024 * 1024
_NUMPY_PAYS: Final = 1000
"""Files from which on loading numpy costs less than it saves in looking for bits above those stored."""
_FETCHED_UP_TO: Final = 64 * 1024 * 1024
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class _Scratch(threading.local):
    """Memory of a thread that files are read into, one after the other: fresh pages cost more than the reading."""

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(_READ_BELOW))


_SCRATCH: Final = _Scratch()


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """What became of one file.

    Attributes:
        source: path relative to the input folder.
        output: path relative to the output folder, None when refused.
        rejected: why it was refused, None when it was cleaned.
        report: the audit record of the cleaned object.
    """

    source: str
    output: str | None
    rejected: ImageRejected | None
    report: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """One line of the report."""
        line: dict[str, Any] = {
            "input": self.source,
            "output": self.output,
            "status": "refused" if self.rejected else "deidentified",
            "reason": self.rejected.sentence if self.rejected else "",
        }
        if self.rejected:
            line |= {
                "reason_code": self.rejected.code.value,
                "attribute": self.rejected.tag_keyword,
                "rule": self.rejected.rule,
            }
        return line | self.report


@dataclass(frozen=True)
class _Task:
    source: str
    relative: str
    folder: str
    number: int
    key: bytes
    options: Options


@dataclass(frozen=True)
class _Done:
    relative: str
    temporary: str
    name: str
    rejected: ImageRejected | None
    report: dict[str, Any]


def input_files(folder: Path) -> list[Path]:
    """Every regular file below a folder in the order of their paths; links are not followed."""
    return [folder / relative for relative in _paths_below(str(folder))]


def _paths_below(folder: str) -> list[str]:
    return sorted(_each_below(folder, ""), key=lambda path: path.split("/"))


def _each_below(folder: str, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _each_below(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield prefix + entry.name


def deidentify_folder(
    source: Path, target: Path, key: bytes, options: Options, *, workers: int = 1
) -> Iterator[FileRecord]:
    """Clean every file of a folder into another; records come in the order of the input's paths.

    Two inputs with one SOP Instance UID get names of their own, the later ones with a number.

    Raises:
        ValueError: one folder lies in the other.
    """
    inside, outside = source.resolve(), target.resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        raise ValueError("the two folders must lie apart")
    target.mkdir(parents=True, exist_ok=True)
    tasks = [
        _Task(f"{source}/{relative}", relative, str(target), number, key, options)
        for number, relative in enumerate(_paths_below(str(source)))
    ]
    if len(tasks) >= _NUMPY_PAYS and find_spec("numpy"):
        import_module("numpy")
    taken: set[str] = set()
    for done in _results(tasks, workers):
        yield _placed(done, str(target), taken)


def _results(tasks: list[_Task], workers: int) -> Iterator[_Done]:
    if workers <= 1 or len(tasks) <= 1:
        yield from map(_process, tasks)
        return
    with ProcessPoolExecutor(max_workers=workers) as pool:
        yield from pool.map(_process, tasks, chunksize=max(1, min(_CHUNK, len(tasks) // workers)))


def _placed(done: _Done, target: str, taken: set[str]) -> FileRecord:
    """The record of one file after its move; `taken` remembers names of files and folders that exist."""
    if not done.temporary:
        return FileRecord(source=done.relative, output=None, rejected=done.rejected, report=done.report)
    name, number = f"{done.name}.dcm", 1
    while name in taken:
        number += 1
        name = f"{done.name}-{number}.dcm"
    taken.add(name)
    folder = done.name.rpartition("/")[0]
    if folder not in taken:
        Path(target, folder).mkdir(parents=True, exist_ok=True)
        taken.add(folder)
    os.replace(done.temporary, f"{target}/{name}")  # noqa: PTH105 - paths stay plain text, see `_bytes_of`
    return FileRecord(source=done.relative, output=name, rejected=None, report=done.report)


def _process(task: _Task) -> _Done:
    try:
        return _cleaned(task)
    except ImageRejected as rejected:
        return _Done(task.relative, "", "", rejected, {})
    except OSError as error:
        sentence = f"the file cannot be read or written: {os.strerror(error.errno or 0)}"
        rejected = ImageRejected(ReasonCode.UNREADABLE, "", "file system", sentence)
        return _Done(task.relative, "", "", rejected, {})
    except Exception as error:
        sentence = f"an internal error stopped the cleaning ({type(error).__name__}); please report the file's kind"
        rejected = ImageRejected(ReasonCode.INTERNAL_ERROR, "", "fail closed", sentence)
        return _Done(task.relative, "", "", rejected, {})


def _cleaned(task: _Task) -> _Done:
    cleaned = clean(_bytes_of(task.source, task.options.limits.max_bytes), task.key, task.options)
    temporary = f"{task.folder}/.{os.getpid()}-{task.number}.partial"
    _write(temporary, cleaned)
    keys = cleaned.keys
    name = f"{keys.patient}/{keys.study}/{keys.image}"
    return _Done(task.relative, temporary, name, None, cleaned.report.as_json())


def _bytes_of(path: str, most: int) -> memoryview:
    """Small files in the thread's own memory, until its next file; large ones mapped, their pixels never copied.

    Raises:
        ImageRejected: EMPTY or TOO_LARGE.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(file).st_size
        if size > most:
            raise ImageRejected(ReasonCode.TOO_LARGE, "", "limit max_bytes", f"the object is larger than {most} bytes")
        if not size:
            raise ImageRejected(ReasonCode.EMPTY, "", "PS3.10 7.1", "the object has no bytes")
        if size < _READ_BELOW:
            read = _read_into(_SCRATCH.buffer, file)
            if read < _READ_BELOW:
                return _SCRATCH.buffer[:read].toreadonly()
        # never closed by hand: views of it may outlive an exception; it goes with the last of them
        flags = mmap.MAP_SHARED | (getattr(mmap, "MAP_POPULATE", 0) if size <= _FETCHED_UP_TO else 0)
        return memoryview(mmap.mmap(file, 0, flags=flags, prot=mmap.PROT_READ))
    finally:
        os.close(file)


def _read_into(buffer: memoryview, file: int) -> int:
    """How many bytes of the file there were, no more than the buffer holds."""
    read = 0
    while count := os.readv(file, [buffer[read:]]):
        read += count
    return read


def _write(path: str, cleaned: CleanedObject) -> None:
    """All pieces in one call where the system takes them so, as it does unless they are gigabytes."""
    output = os.open(path, _NEW_FILE, 0o666)
    try:
        views = [memoryview(piece) for piece in (cleaned.head, cleaned.pixels, cleaned.tail) if len(piece)]
        while views:
            written = os.writev(output, views)
            while views and written >= views[0].nbytes:
                written -= views.pop(0).nbytes
            if views:
                views[0] = views[0][written:]
    except OSError:
        Path(path).unlink(missing_ok=True)
        raise
    finally:
        os.close(output)
