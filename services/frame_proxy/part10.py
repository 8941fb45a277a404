"""Instances put together again as DICOM files (PS3.10 7): attributes from the metadata, frames as they are stored.

HealthImaging keeps no original file. What it normalised (elements moved to patient, study or series level) comes back
in its place; the preamble is empty.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from services.frame_proxy.errors import ProxyError
from services.frame_proxy.image_sets import EXPLICIT_VR_LITTLE_ENDIAN, Instance

Document = dict[str, Any]
BulkData = Callable[[str], Awaitable[bytes]]
_AVAILABLE_SYNTAX: Final = "00083002"


async def inlined(attributes: Document, fetch: BulkData) -> Document:
    """The attributes with every value that is offered by URI put in its place; `fetch` takes the URI."""
    found: Document = {}
    for tag, attribute in attributes.items():
        if "BulkDataURI" in attribute:
            content = await fetch(str(attribute["BulkDataURI"]))
            found[tag] = {"vr": attribute["vr"], "InlineBinary": base64.b64encode(content).decode()}
        elif attribute["vr"] == "SQ" and attribute.get("Value"):
            items = cast("list[Document]", attribute["Value"])
            found[tag] = {"vr": "SQ", "Value": [await inlined(item, fetch) for item in items]}
        else:
            found[tag] = attribute
    return found


def write(attributes: Document, instance: Instance, frames: Sequence[bytes | memoryview], syntax: str) -> bytes:
    """A Part 10 file; called off the event loop.

    Args:
        attributes: DICOM JSON without bulk data URIs.
        instance: whose frames they are.
        frames: in `syntax`, either the stored one or Explicit VR Little Endian.
        syntax: transfer syntax UID of the file.

    Raises:
        ProxyError: 502, the attributes cannot be written as DICOM.
    """
    try:
        dataset = Dataset.from_json({tag: value for tag, value in attributes.items() if tag != _AVAILABLE_SYNTAX})
        _put_pixels(dataset, instance, frames, syntax)
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
    except (ValueError, TypeError, AttributeError, KeyError, NotImplementedError, OverflowError) as error:
        raise ProxyError(502, "UNWRITABLE", "the instance cannot be written as a DICOM file") from error
    return file.getvalue()


def _put_pixels(dataset: Dataset, instance: Instance, frames: Sequence[bytes | memoryview], syntax: str) -> None:
    if not frames:
        return
    if syntax == EXPLICIT_VR_LITTLE_ENDIAN:
        whole = b"".join(frames)
        dataset.PixelData = whole + b"\0" * (len(whole) % 2)
        dataset["PixelData"].VR = "OW" if instance.bits > 8 else "OB"
        if instance.samples > 1:
            dataset.PlanarConfiguration = 0
            if instance.stored_syntax != syntax and str(dataset.PhotometricInterpretation).startswith("YBR"):
                dataset.PhotometricInterpretation = "RGB"  # what the decoders give
        return
    dataset.PixelData = encapsulate([bytes(frame) for frame in frames])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
