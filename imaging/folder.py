"""De-identification of a folder of files: neutral names, several processes, one record a file.

Every output is written beside its place and renamed into it, so that no reader meets half a file and a repeated
run replaces it whole. Names are pseudonyms: patient/study/image.dcm.
"""

import mmap
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from imaging.deidentify import CleanedObject, Options, clean
from imaging.errors import ImageRejected, ReasonCode

_CHUNK: Final = 16
_MAPPED_FROM: Final = 128 * 1024
_FETCHED_UP_TO: Final = 64 * 1024 * 1024
_PIECE: Final = 64 * 1024 * 1024


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
    source: Path
    relative: str
    folder: Path
    number: int
    key: bytes
    options: Options


@dataclass(frozen=True)
class _Done:
    relative: str
    temporary: Path | None
    name: str
    rejected: ImageRejected | None
    report: dict[str, Any]


def input_files(folder: Path) -> list[Path]:
    """Every regular file below a folder in the order of their paths; links are not followed."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


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
    files = input_files(source)
    tasks = [
        _Task(path, path.relative_to(source).as_posix(), target, number, key, options)
        for number, path in enumerate(files)
    ]
    taken: set[str] = set()
    for done in _results(tasks, workers):
        yield _placed(done, target, taken)


def _results(tasks: list[_Task], workers: int) -> Iterator[_Done]:
    if workers <= 1 or len(tasks) <= 1:
        yield from map(_process, tasks)
        return
    with ProcessPoolExecutor(max_workers=workers) as pool:
        yield from pool.map(_process, tasks, chunksize=max(1, min(_CHUNK, len(tasks) // workers)))


def _placed(done: _Done, target: Path, taken: set[str]) -> FileRecord:
    """The record of one file after its move; `taken` remembers names of files and folders that exist."""
    if done.temporary is None:
        return FileRecord(source=done.relative, output=None, rejected=done.rejected, report=done.report)
    name, number = f"{done.name}.dcm", 1
    while name in taken:
        number += 1
        name = f"{done.name}-{number}.dcm"
    taken.add(name)
    place = target / name
    if done.name.rpartition("/")[0] not in taken:
        place.parent.mkdir(parents=True, exist_ok=True)
        taken.add(done.name.rpartition("/")[0])
    done.temporary.replace(place)
    return FileRecord(source=done.relative, output=name, rejected=None, report=done.report)


def _process(task: _Task) -> _Done:
    try:
        return _cleaned(task)
    except ImageRejected as rejected:
        return _Done(task.relative, None, "", rejected, {})
    except OSError as error:
        sentence = f"the file cannot be read or written: {os.strerror(error.errno or 0)}"
        rejected = ImageRejected(ReasonCode.UNREADABLE, "", "file system", sentence)
        return _Done(task.relative, None, "", rejected, {})
    except Exception as error:
        sentence = f"an internal error stopped the cleaning ({type(error).__name__}); please report the file's kind"
        rejected = ImageRejected(ReasonCode.INTERNAL_ERROR, "", "fail closed", sentence)
        return _Done(task.relative, None, "", rejected, {})


def _cleaned(task: _Task) -> _Done:
    size = task.source.stat().st_size
    if size > task.options.limits.max_bytes:
        sentence = f"the object is larger than {task.options.limits.max_bytes} bytes"
        raise ImageRejected(ReasonCode.TOO_LARGE, "", "limit max_bytes", sentence)
    if not size:
        raise ImageRejected(ReasonCode.EMPTY, "", "PS3.10 7.1", "the object has no bytes")
    data = _bytes_of(task.source, size)
    cleaned = clean(data, task.key, task.options)
    temporary = task.folder / f".{os.getpid()}-{task.number}.partial"
    _write(temporary, cleaned)
    keys = cleaned.keys
    name = f"{keys.patient}/{keys.study}/{keys.image}"
    return _Done(task.relative, temporary, name, None, cleaned.report.as_json())


def _bytes_of(path: Path, size: int) -> bytes | memoryview:
    """Small files as bytes, large ones mapped, so that their pixels are never copied into memory."""
    with path.open("rb", buffering=0) as file:
        if size <= _MAPPED_FROM:
            return file.read()
        # never closed by hand: views of it may outlive an exception; it goes with the last of them
        flags = mmap.MAP_SHARED | (getattr(mmap, "MAP_POPULATE", 0) if size <= _FETCHED_UP_TO else 0)
        return memoryview(mmap.mmap(file.fileno(), 0, flags=flags, prot=mmap.PROT_READ))


def _write(path: Path, cleaned: CleanedObject) -> None:
    try:
        with path.open("wb", buffering=0) as output:
            for piece in (cleaned.head, cleaned.pixels, cleaned.tail):
                view = memoryview(piece)
                while view.nbytes:
                    view = view[output.write(view[:_PIECE]) or 0 :]
    except OSError:
        path.unlink(missing_ok=True)
        raise
