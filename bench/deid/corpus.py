"""A CT series as a scanner writes it: 512 x 512, 16 bits allocated, about 60 header elements and 24 private ones.

Synthetic and seeded. The pixels are smooth tissue with noise: what matters to the comparison is their number, and
that they spell no text.
"""

import random
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

ROWS = COLUMNS = 512


def write_series(folder: Path, slices: int, seed: int = 7) -> list[Path]:
    """Write the series and give its files; a folder that already holds as many is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"slice-{number:04d}.dcm" for number in range(slices)]
    if all(path.exists() for path in paths):
        return paths
    source = random.Random(seed)  # noqa: S311 - a reproducible corpus, nothing secret
    base = bytes(part for _ in range(ROWS * COLUMNS) for part in int(source.gauss(1100, 60)).to_bytes(2, "little"))
    for number, path in enumerate(paths):
        data_set = _header(number)
        shift = 2 * COLUMNS * (number % ROWS)
        data_set.PixelData = base[shift:] + base[:shift]
        data_set["PixelData"].VR = "OW"
        data_set.save_as(path, enforce_file_format=True)
    return paths


def _header(number: int) -> Dataset:
    root = "1.2.826.0.1.3680043.8.498.7"
    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    text = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"],
        "InstanceCreationDate": "20250309",
        "InstanceCreationTime": "101500.123000",
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": f"{root}.3.{number + 1}",
        "StudyDate": "20250309",
        "SeriesDate": "20250309",
        "AcquisitionDate": "20250309",
        "ContentDate": "20250309",
        "StudyTime": "101112.000000",
        "SeriesTime": "101200.000000",
        "AcquisitionTime": "101230.500000",
        "ContentTime": "101230.500000",
        "AccessionNumber": "ACC7734501",
        "Modality": "CT",
        "Manufacturer": "Invented Scanners",
        "InstitutionName": "Quillfeather Memorial Hospital",
        "InstitutionAddress": "1 Harbour Road, Port Ambrose",
        "ReferringPhysicianName": "Marchbanks^Odette",
        "StationName": "CTSCAN04",
        "StudyDescription": "Thorax native",
        "SeriesDescription": "Lung 1.0 B70f",
        "InstitutionalDepartmentName": "Radiology",
        "PhysiciansOfRecord": "Tolliver^Piers",
        "PerformingPhysicianName": "Abernathy^Wilhelmina",
        "OperatorsName": "Sandoval^Renata",
        "ManufacturerModelName": "Example 64",
        "PatientName": "Quillfeather^Ambrose",
        "PatientID": "MRN0048151",
        "PatientBirthDate": "19480517",
        "PatientSex": "M",
        "PatientAge": "076Y",
        "BodyPartExamined": "CHEST",
        "SliceThickness": "1.0",
        "KVP": "120",
        "DataCollectionDiameter": "500",
        "DeviceSerialNumber": "SN-55120",
        "SoftwareVersions": "syngo invented 2011A",
        "ProtocolName": "ThoraxRoutine",
        "ReconstructionDiameter": "350",
        "DistanceSourceToDetector": "1040",
        "DistanceSourceToPatient": "570",
        "GantryDetectorTilt": "0",
        "TableHeight": "150",
        "RotationDirection": "CW",
        "ExposureTime": "500",
        "XRayTubeCurrent": "210",
        "Exposure": "105",
        "FilterType": "FLAT",
        "GeneratorPower": "25",
        "FocalSpots": "1.2",
        "DateOfLastCalibration": "20250301",
        "TimeOfLastCalibration": "060000",
        "ConvolutionKernel": "B70f",
        "PatientPosition": "HFS",
        "StudyInstanceUID": f"{root}.1",
        "SeriesInstanceUID": f"{root}.2",
        "StudyID": "4711",
        "SeriesNumber": "3",
        "AcquisitionNumber": "1",
        "InstanceNumber": str(number + 1),
        "ImagePositionPatient": ["-175", "-175", str(-number)],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        "FrameOfReferenceUID": f"{root}.9",
        "PositionReferenceIndicator": "",
        "SliceLocation": str(-number),
        "ImageComments": "Quillfeather, follow-up",
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelSpacing": ["0.68", "0.68"],
        "WindowCenter": ["-600", "40"],
        "WindowWidth": ["1200", "400"],
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
        "RequestingPhysician": "Marchbanks^Odette",
        "RequestedProcedureDescription": "CT thorax",
    }
    for keyword, value in text.items():
        setattr(data_set, keyword, value)
    data_set.SamplesPerPixel = 1
    data_set.Rows, data_set.Columns = ROWS, COLUMNS
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit = 16, 12, 11
    data_set.PixelRepresentation = 0
    block = data_set.private_block(0x0019, "INVENTED SCANNERS 1.0", create=True)
    for offset in range(12):
        block.add_new(offset, "LO", f"setting {offset}")
    block = data_set.private_block(0x0029, "INVENTED SCANNERS CSA", create=True)
    for offset in range(10):
        block.add_new(offset, "OB", bytes(64))
    return data_set
