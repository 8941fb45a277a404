"""Small synthetic DICOM objects, built in code, with identifiers planted wherever a test asks for them."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

KEY = bytes(range(32))
SIZE = 16


def base_data_set() -> Dataset:
    """A valid CT image of 16 x 16 pixels of an invented patient."""
    data_set = Dataset()
    data_set.SOPClassUID = CTImageStorage
    data_set.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.31"
    data_set.StudyInstanceUID = "1.2.826.0.1.3680043.8.498.11"
    data_set.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.21"
    data_set.Modality = "CT"
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.PatientID = "MRN0048151"
    data_set.PatientName = "Quillfeather^Ambrose"
    data_set.PatientBirthDate = "19480517"
    data_set.StudyDate = "20250309"
    data_set.StudyTime = "101112"
    data_set.AccessionNumber = "ACC7734501"
    data_set.Manufacturer = "Invented Scanners"
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.Rows = data_set.Columns = SIZE
    data_set.BitsAllocated = 16
    data_set.BitsStored = 12
    data_set.HighBit = 11
    data_set.PixelRepresentation = 0
    data_set.PixelData = bytes(index % 200 if index % 2 == 0 else index % 16 for index in range(2 * SIZE * SIZE))
    data_set["PixelData"].VR = "OW"
    return data_set


def encode(data_set: Dataset, syntax: str = ExplicitVRLittleEndian, preamble: bytes = bytes(128)) -> bytes:
    """Part 10 bytes of a data set in a native transfer syntax."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = data_set.get("SOPClassUID", CTImageStorage)
    meta.MediaStorageSOPInstanceUID = data_set.get("SOPInstanceUID", "1.2.3")
    for element in getattr(data_set, "file_meta", ()):
        meta.add(element)
    meta.TransferSyntaxUID = syntax
    data_set.file_meta = meta
    data_set.preamble = preamble
    buffer = BytesIO()
    data_set.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture
def data_set() -> Dataset:
    return base_data_set()


@pytest.fixture
def to_bytes() -> Callable[..., bytes]:
    return encode


@pytest.fixture
def ct(data_set: Dataset) -> Callable[..., bytes]:
    """Factory of CT images: keyword=value changes an attribute, keyword=None removes it."""

    def make(syntax: str = ExplicitVRLittleEndian, **changes: Any) -> bytes:
        for keyword, value in changes.items():
            if value is None:
                del data_set[keyword]
            else:
                setattr(data_set, keyword, value)
        return encode(data_set, syntax)

    return make


@pytest.fixture
def key() -> bytes:
    return KEY
