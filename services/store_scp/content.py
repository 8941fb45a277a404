"""The few things that options need from inside a data set, read within the bounds of `imaging`."""

from __future__ import annotations

from typing import Any, Final

from imaging import parse
from imaging.errors import ImageRejected
from services.store_scp.spool import Body
from services.store_scp.stores import joined

STUDY_INSTANCE_UID: Final = 0x0020000D
LARGEST_READ: Final = 256 << 20
"""A larger object is not read into memory for its metadata; it is kept without."""
BULK_FROM: Final = 1024
"""Bytes of a value from which it stays out of the JSON (PS3.18 F.2.6 would have a BulkDataURI)."""


class UnreadableError(Exception):
    """The data set is not readable within bounds; the text quotes nothing of it."""


def _read(body: Body) -> parse.ParsedImage:
    if body.size > LARGEST_READ:
        raise UnreadableError("the object is too large to be read")
    whole = body.in_memory
    try:
        return parse.read(bytes(whole) if whole is not None else joined(body.chunks()))
    except ImageRejected as error:
        raise UnreadableError(str(error.code)) from None


def study_of(body: Body) -> str:
    """Study Instance UID as it stands in the data set, not judged. Raises UnreadableError."""
    return _read(body).text(STUDY_INSTANCE_UID)


def without_bulk(body: Body) -> dict[str, Any]:
    """The DICOM JSON model (PS3.18 F) of the object without bulk data. Raises UnreadableError."""
    parsed = _read(body)
    try:
        dataset = parsed.dataset()
        for element in list(dataset):
            if element.VR in ("OB", "OW", "OF", "OD", "OL", "OV", "UN") and len(element.value or b"") > BULK_FROM:
                del dataset[element.tag]
        model: dict[str, Any] = dataset.to_json_dict()
    except Exception as error:
        # pydicom raises what it likes on a hostile value, and its texts quote it
        raise UnreadableError(type(error).__name__) from None
    return model
