"""What a file system needs so that a file and its name survive a power cut.

In general that is two syncs, of the file before it is named and of its folder after (fsync(2)). Each costs a journal
commit and a flush of the disk's cache, 4 ms or more. ext4 and XFS keep one ordered journal for everything: once the
bytes of a file have left the page cache, its size and its place on the disk stand in the journal before the name that
it is given next, and the commit that holds the name flushes the disk first. There the folder's sync is enough, and
several associations that wait for one share a commit.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")
ORDERED: Final = frozenset({"ext4", "xfs"})
"""File systems whose journal keeps the order of everything; ext4 without a journal survives no power cut anyway."""
_WAIT_BEFORE_WRITE_WAIT_AFTER: Final = 7

WriteOut = Callable[[int], None]
"""Brings the bytes of an open file so far that the sync of a folder in which it is named next makes them durable."""


def write_out_for(folder: Path, mounts: Path = MOUNTS) -> WriteOut:
    """The cheapest way that is safe where the folder lies."""
    library = ctypes.CDLL(None, use_errno=True)
    if _kind(folder, mounts) not in ORDERED or not hasattr(library, "sync_file_range"):
        return os.fsync
    call = library.sync_file_range
    call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]

    def write_out(descriptor: int) -> None:
        if call(descriptor, 0, 0, _WAIT_BEFORE_WRITE_WAIT_AFTER):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return write_out


def _kind(folder: Path, mounts: Path) -> str:
    """Type of the file system by proc(5), "" where it cannot be told."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    kinds = {fields[fields.index("-") + 1] for line in lines if (fields := line.split())[2] == wanted}
    return kinds.pop() if len(kinds) == 1 else ""


def sync_folder(folder: Path) -> None:
    """Make the names in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
