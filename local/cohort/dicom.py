"""Writes one slice as CT Image Storage (PS3.3 A.3), identified as a scanner would leave it."""

import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from local.cohort.anatomy import SPACING_MM
from local.cohort.people import Person
from local.cohort.scanner import Scanner
from local.cohort.warp import SIZE

PLAIN_SYNTAXES: Final = (
    ExplicitVRLittleEndian,
    RLELossless,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    *(ExplicitVRLittleEndian,) * 4,
)
"""By pair of patients; every reader with pydicom and numpy decodes these."""
CODED_SYNTAXES: Final = (ExplicitVRLittleEndian, JPEGLSLossless, HTJ2KLosslessRPCL, RLELossless, ImplicitVRLittleEndian)
"""By pair of patients, when asked for: these need imagecodecs to be read."""


@dataclass(frozen=True, kw_only=True)
class StudyIdentity:
    """What the slices of one patient share."""

    person: Person
    scanner: Scanner
    study_uid: str
    series_uid: str
    frame_uid: str
    serial_number: str
    transfer_syntax: UID


def uid_from(*parts: object) -> str:
    """A UUID-derived UID (PS3.5 B.2) that is the same for the same parts: a seed gives the same cohort."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def write_slice(
    identity: StudyIdentity, number: int, pixels: NDArray[np.int16], position_mm: tuple[float, float, float]
) -> bytes:
    """One Part 10 file.

    Args:
        identity: of study, patient and scanner.
        number: Instance Number, from 1.
        pixels: (512, 512) int16 HU, rows to posterior, columns to the patient's left.
        position_mm: centre of the first pixel in LPS.
    """
    data_set = Dataset()
    _patient_and_study(data_set, identity.person, identity.study_uid)
    _equipment(data_set, identity, number)
    _identifiers_in_odd_places(data_set, identity)
    data_set.SOPClassUID = CTImageStorage
    data_set.SOPInstanceUID = uid_from(identity.series_uid, number)
    data_set.SeriesInstanceUID = identity.series_uid
    data_set.FrameOfReferenceUID = identity.frame_uid
    data_set.InstanceNumber = number
    data_set.ImagePositionPatient = [round(value, 3) for value in position_mm]
    data_set.SliceLocation = round(position_mm[2], 3)
    _pixels(data_set, identity, pixels)
    return _encoded(data_set, identity)


def _patient_and_study(data_set: Dataset, person: Person, study_uid: str) -> None:
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.PatientName = person.name
    data_set.PatientID = person.patient_id
    data_set.PatientBirthDate = person.birth_date
    data_set.PatientSex = person.sex
    data_set.PatientAge = person.age
    data_set.PatientWeight = person.weight_kg
    data_set.PatientTelephoneNumbers = person.phone
    data_set.StudyInstanceUID = study_uid
    data_set.StudyDate = data_set.SeriesDate = data_set.AcquisitionDate = data_set.ContentDate = person.study_date
    data_set.StudyTime = data_set.SeriesTime = data_set.AcquisitionTime = data_set.ContentTime = person.study_time
    data_set.StudyID = person.study_id
    data_set.AccessionNumber = person.accession
    data_set.ReferringPhysicianName = person.physician
    data_set.OperatorsName = person.operator
    data_set.StudyDescription = "CT CHEST WITH CONTRAST"
    data_set.InstitutionName = person.institution
    data_set.InstitutionAddress = person.address


def _equipment(data_set: Dataset, identity: StudyIdentity, number: int) -> None:
    scanner = identity.scanner
    data_set.Modality = "CT"
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.Manufacturer = scanner.manufacturer
    data_set.ManufacturerModelName = scanner.model
    data_set.SoftwareVersions = scanner.software
    data_set.StationName = scanner.station
    data_set.DeviceSerialNumber = identity.serial_number
    data_set.SeriesNumber = 2
    data_set.AcquisitionNumber = 1
    data_set.SeriesDescription = f"THORAX 2.5 {scanner.kernel}"
    data_set.ProtocolName = "Thorax routine"
    data_set.BodyPartExamined = "CHEST"
    data_set.PatientPosition = "HFS"
    data_set.KVP = scanner.kvp
    data_set.XRayTubeCurrent = scanner.current + number % 7
    data_set.ExposureTime = 500
    data_set.ConvolutionKernel = scanner.kernel
    data_set.GantryDetectorTilt = 0
    data_set.ReconstructionDiameter = 360
    data_set.BurnedInAnnotation = "NO"
    data_set.PositionReferenceIndicator = ""


def _identifiers_in_odd_places(data_set: Dataset, identity: StudyIdentity) -> None:
    """Where identifiers really hide: comments, nested sequences and private elements."""
    person = identity.person
    family = person.name.split("^", maxsplit=1)[0]
    data_set.ImageComments = f"Called {person.phone}, {family} informed"
    data_set.AdditionalPatientHistory = f"{family}: cough and fever, {person.age}"
    request = Dataset()
    request.RequestedProcedureID = person.accession
    request.RequestedProcedureDescription = f"Chest CT {family}"
    request.ScheduledProcedureStepID = person.study_id
    data_set.RequestAttributesSequence = [request]
    other = Dataset()
    other.PatientID = f"OLD{person.patient_id}"
    other.TypeOfPatientID = "TEXT"
    data_set.OtherPatientIDsSequence = [other]
    block = data_set.private_block(0x0009, f"{identity.scanner.manufacturer[:7].strip()}_DEMO_01", create=True)
    block.add_new(0x02, "LO", person.name)
    block.add_new(0x27, "SL", 1_700_000_000)
    block.add_new(0x30, "UN", f"{person.patient_id} {person.institution}".encode("latin-1"))


def _pixels(data_set: Dataset, identity: StudyIdentity, pixels: NDArray[np.int16]) -> None:
    scanner = identity.scanner
    # coded streams carry no sign, so scanners that compress write 12 unsigned bits
    signed = scanner.signed and not identity.transfer_syntax.is_encapsulated
    bits = scanner.bits if scanner.signed == signed else 12
    intercept = scanner.intercept if scanner.signed == signed else -1024
    stored = (pixels.astype(np.int32) - intercept).astype(np.int16 if signed else np.uint16)
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.Rows, data_set.Columns = SIZE, SIZE
    data_set.PixelSpacing = [SPACING_MM[1], SPACING_MM[0]]
    data_set.SliceThickness = SPACING_MM[2]
    data_set.SpacingBetweenSlices = SPACING_MM[2]
    data_set.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data_set.BitsAllocated = 16
    data_set.BitsStored = bits
    data_set.HighBit = bits - 1
    data_set.PixelRepresentation = int(signed)
    data_set.RescaleIntercept = intercept
    data_set.RescaleSlope = 1
    data_set.RescaleType = "HU"
    data_set.WindowCenter, data_set.WindowWidth = -500, 1500
    _set_pixel_data(data_set, stored, identity.transfer_syntax)


def _set_pixel_data(data_set: Dataset, stored: NDArray[np.generic], syntax: UID) -> None:
    if syntax in (JPEGLSLossless, HTJ2KLosslessRPCL):
        import imagecodecs

        from imaging.htj2k import encode

        frame = encode(stored) if syntax == HTJ2KLosslessRPCL else imagecodecs.jpegls_encode(stored)
        data_set.PixelData = encapsulate([bytes(frame)])
        data_set["PixelData"].VR = "OB"
        data_set["PixelData"].is_undefined_length = True
        return
    data_set.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    data_set["PixelData"].VR = "OW"


def _encoded(data_set: Dataset, identity: StudyIdentity) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    meta.TransferSyntaxUID = identity.transfer_syntax
    meta.SourceApplicationEntityTitle = identity.scanner.station
    data_set.file_meta = meta
    if identity.transfer_syntax == RLELossless:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data_set.compress(RLELossless, generate_instance_uid=False)
    buffer = BytesIO()
    data_set.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
