"""DICOM attributes as image-set metadata: normalised to patient, study, series and instance level."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.multival import MultiValue

from local.healthimaging.ports import Document

SCHEMA_VERSION = "1.1"
_BINARY_LIMIT_BYTES = 1 << 20

PATIENT = frozenset(
    (
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientBirthTime",
        "PatientSex",
        "OtherPatientIDs",
        "OtherPatientNames",
        "EthnicGroup",
        "PatientComments",
        "PatientSpeciesDescription",
        "PatientBreedDescription",
        "ResponsiblePerson",
        "ResponsiblePersonRole",
        "ResponsibleOrganization",
        "PatientIdentityRemoved",
        "DeidentificationMethod",
    )
)
STUDY = frozenset(
    (
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "AccessionNumber",
        "StudyDescription",
        "ReferringPhysicianName",
        "PhysiciansOfRecord",
        "NameOfPhysiciansReadingStudy",
        "AdmittingDiagnosesDescription",
        "PatientAge",
        "PatientSize",
        "PatientWeight",
        "Occupation",
        "AdditionalPatientHistory",
    )
)
SERIES = frozenset(
    (
        "SeriesInstanceUID",
        "SeriesNumber",
        "SeriesDate",
        "SeriesTime",
        "SeriesDescription",
        "Modality",
        "Laterality",
        "BodyPartExamined",
        "ProtocolName",
        "PatientPosition",
        "OperatorsName",
        "PerformingPhysicianName",
        "FrameOfReferenceUID",
        "PositionReferenceIndicator",
        "SmallestPixelValueInSeries",
        "LargestPixelValueInSeries",
        "Manufacturer",
        "ManufacturerModelName",
        "InstitutionName",
        "InstitutionAddress",
        "InstitutionalDepartmentName",
        "StationName",
        "DeviceSerialNumber",
        "SoftwareVersions",
        "PerformedProcedureStepID",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "PerformedProcedureStepDescription",
    )
)
# The elements by which the service decides whether an instance agrees with its study's primary image sets.
_CONSISTENCY = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription"),
)
# Longest values that the service takes (characters).
_LENGTHS = {
    "PatientName": 256,
    "PatientID": 256,
    "PatientSex": 16,
    "PatientBirthDate": 18,
    "StudyInstanceUID": 256,
    "SeriesInstanceUID": 256,
    "SOPInstanceUID": 256,
    "AccessionNumber": 256,
    "StudyDescription": 256,
    "StudyDate": 18,
    "StudyTime": 28,
}
_REQUIRED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


class MetadataError(Exception):
    """The data set cannot become part of an image set; the text names the element, never its value."""


def check(dataset: Dataset) -> None:
    """Raise MetadataError for what the service refuses."""
    for keyword in _REQUIRED:
        if not str(dataset.get(keyword) or ""):
            raise MetadataError(f"{keyword} is missing or empty")
    for keyword, longest in _LENGTHS.items():
        if len(str(dataset.get(keyword) or "")) > longest:
            raise MetadataError(f"{keyword} is longer than {longest} characters")


def fingerprint(dataset: Dataset) -> str:
    """Digest of the patient and study elements that all instances of a primary study share."""
    values = [str(dataset.get(keyword) or "") for keyword in _CONSISTENCY]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def instance(dataset: Dataset, stored_syntax: str, frames: list[Document]) -> Document:
    """The four levels of one instance."""
    levels: dict[str, Document] = {"Patient": {}, "Study": {}, "Series": {}, "Instance": {}}
    private: Document = {}
    for element in dataset:
        name = element.keyword or f"{element.tag:08x}"
        if not element.keyword:
            private[name] = element.VR
        level = _level(name)
        levels[level][name] = None if name == "PixelData" else value(element)
    return {
        "Patient": levels["Patient"],
        "Study": levels["Study"],
        "Series": levels["Series"],
        "Instance": {
            "DICOM": levels["Instance"],
            "DICOMVRs": private,
            "ImageFrames": frames,
            "StoredTransferSyntaxUID": stored_syntax,
        },
    }


def _level(name: str) -> str:
    for level, names in (("Patient", PATIENT), ("Study", STUDY), ("Series", SERIES)):
        if name in names:
            return level
    return "Instance"


def value(element: DataElement) -> Any:
    """A value as JSON: numbers for binary numbers, texts for text (DS and IS too), nested data sets for sequences."""
    if element.VR == "SQ":
        return [{item.keyword or f"{item.tag:08x}": value(item) for item in nested} for nested in element.value or []]
    content = element.value
    if content is None or (isinstance(content, str) and content == ""):
        return None
    if isinstance(content, MultiValue | list):
        return [_scalar(one) for one in content]
    return _scalar(content)


def _scalar(content: Any) -> Any:
    if isinstance(content, bytes):
        if len(content) > _BINARY_LIMIT_BYTES:
            digest = hashlib.sha256(content).hexdigest()
            return {"BulkDataURI": f"bulkdata/{digest}", "Length": len(content)}
        return base64.b64encode(content).decode()
    original = getattr(content, "original_string", None)
    if isinstance(original, str):  # DS and IS keep the text they were written as
        return original
    return content if isinstance(content, int | float) else str(content)


def empty(data_store: str, image_set: str) -> Document:
    """Metadata of an image set without instances."""
    return {
        "SchemaVersion": SCHEMA_VERSION,
        "DatastoreID": data_store,
        "ImageSetID": image_set,
        "Patient": {"DICOM": {}},
        "Study": {"DICOM": {}, "Series": {}},
    }


def merge(document: Document, levels: Document, series_uid: str, instance_uid: str) -> None:
    """Put one instance into image-set metadata; an instance of the same UID is replaced."""
    document["Patient"]["DICOM"].update(levels["Patient"])
    document["Study"]["DICOM"].update(levels["Study"])
    series = document["Study"]["Series"].setdefault(series_uid, {"DICOM": {}, "Instances": {}})
    series["DICOM"].update(levels["Series"])
    series["Instances"][instance_uid] = levels["Instance"]


def pack(document: Document) -> bytes:
    """Gzip JSON, the same bytes for the same content."""
    return gzip.compress(json.dumps(document, separators=(",", ":")).encode(), compresslevel=5, mtime=0)


def unpack(packed: bytes) -> Document:
    """The reverse of pack."""
    return json.loads(gzip.decompress(packed))


def search_tags(document: Document) -> Document:
    """The DICOM tags of a search summary."""
    patient, study = document["Patient"]["DICOM"], document["Study"]["DICOM"]
    series = document["Study"]["Series"]
    uid, one = next(iter(series.items()), ("", {"DICOM": {}, "Instances": {}}))
    number = one["DICOM"].get("SeriesNumber")
    found = {
        "DICOMPatientId": patient.get("PatientID"),
        "DICOMPatientName": patient.get("PatientName"),
        "DICOMPatientBirthDate": patient.get("PatientBirthDate"),
        "DICOMPatientSex": patient.get("PatientSex"),
        "DICOMStudyInstanceUID": study.get("StudyInstanceUID"),
        "DICOMStudyId": study.get("StudyID"),
        "DICOMStudyDescription": study.get("StudyDescription"),
        "DICOMAccessionNumber": study.get("AccessionNumber"),
        "DICOMStudyDate": study.get("StudyDate"),
        "DICOMStudyTime": study.get("StudyTime"),
        "DICOMSeriesInstanceUID": uid or None,
        "DICOMSeriesModality": one["DICOM"].get("Modality"),
        "DICOMSeriesBodyPart": one["DICOM"].get("BodyPartExamined"),
        "DICOMSeriesNumber": int(number) if number not in (None, "") else None,
        "DICOMNumberOfStudyRelatedSeries": len(series),
        "DICOMNumberOfStudyRelatedInstances": sum(len(each["Instances"]) for each in series.values()),
    }
    return {name: content for name, content in found.items() if content is not None}
