"""Cases of identifiers in character sets, colour profiles, reports, documents and directories."""

import struct

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EncapsulatedPDFStorage

from bench.deid.tricky import PLANTED_UID_ROOT, base, case, encode, inflated_tail, person

COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
PROSE = "Ambrose Quillfeather of Wexcombe was seen by Dr Thistlewood on 17.05.1948"


def _with_charset(terms: str | list[str], name: str, comments: str) -> bytes:
    data_set = base()
    data_set.SpecificCharacterSet = terms
    data_set.PatientName, data_set.ImageComments = name, comments
    data_set.BodyPartExamined = "CHEST"
    data_set.add_new(0x00281055, "LO", [comments])
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", comments
    data_set.AnatomicRegionSequence = [code]
    return encode(data_set)


@case()
def character_set_latin() -> bytes:
    return _with_charset("ISO_IR 100", "Müßlinger^Ambrose", "Müßlinger")


@case()
def character_set_utf8() -> bytes:
    return _with_charset("ISO_IR 192", "Wang^XiaoDong=王小东=", "王小东")


@case()
def character_set_cyrillic() -> bytes:
    return _with_charset("ISO_IR 144", "Квиллфезер^А", "Квиллфезер")


@case()
def character_set_greek() -> bytes:
    return _with_charset("ISO_IR 126", "Κουιλφέδερ^Α", "Κουιλφέδερ")


@case()
def character_set_japanese_with_escapes() -> bytes:
    return _with_charset(["", "ISO 2022 IR 87"], "Yamada^Tarou=山田太郎=クイルフェザー", "山田太郎")


@case()
def character_set_korean_with_escapes() -> bytes:
    return _with_charset(["", "ISO 2022 IR 149"], "Kim^Hie=김희중=", "김희중")


@case()
def character_set_gb18030() -> bytes:
    return _with_charset("GB18030", "Wang^XiaoDong=王小东=", "王小东")


@case()
def character_set_of_an_item_differs() -> bytes:
    data_set, item = base(), Dataset()
    item.SpecificCharacterSet, item.PatientName = "ISO_IR 192", "山田太郎^クイルフェザー"
    data_set.ReferencedPatientSequence = [item]
    data_set.ReferencedImageSequence = [item]
    return encode(data_set)


def _profile_with_text() -> bytes:
    """An ICC profile with a description and a curve (ICC.1:2010 section 7)."""
    text = b"desc" + bytes(4) + struct.pack(">L", 22) + b"Wexcombe Quillfeather\0" + bytes(79)
    notice = b"text" + bytes(4) + b"Copyright Thistlewood\0"
    curve = b"curv" + bytes(4) + struct.pack(">L", 0)
    blocks, table, position = b"", b"", 128 + 4 + 3 * 12
    for name, block in ((b"desc", text), (b"cprt", notice), (b"rTRC", curve)):
        block += bytes(-len(block) % 4)  # noqa: PLW2901
        table += struct.pack(">4sLL", name, position, len(block))
        blocks += block
        position += len(block)
    head = bytearray(128)
    head[:4], head[36:40] = struct.pack(">L", position), b"acsp"
    head[80:84] = b"QUIL"
    return bytes(head) + struct.pack(">L", 3) + table + blocks


@case()
def colour_profile_with_a_name() -> bytes:
    data_set = base()
    data_set.ICCProfile = _profile_with_text()
    return encode(data_set)


def _text_item(concept: tuple[str, str], text: str) -> Dataset:
    item, name = Dataset(), Dataset()
    name.CodeValue, name.CodeMeaning = concept
    name.CodingSchemeDesignator = "DCM"
    item.RelationshipType, item.ValueType, item.ConceptNameCodeSequence = "CONTAINS", "TEXT", [name]
    item.TextValue = text
    return item


def report() -> Dataset:
    """A report with names in text, person name, date and coded items, and a reference by position."""
    data_set = base()
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        del data_set[keyword]
    data_set.SOPClassUID, data_set.Modality = COMPREHENSIVE_SR, "SR"
    observer = Dataset()
    observer.VerifyingObserverName, observer.VerifyingOrganization = "Thistlewood^P", "Wexcombe General"
    observer.VerificationDateTime = "20250309101112"
    data_set.VerifyingObserverSequence = [observer]
    title = Dataset()
    title.CodeValue, title.CodingSchemeDesignator, title.CodeMeaning = "18748-4", "LN", "Diagnostic Imaging Report"
    data_set.ValueType, data_set.ContinuityOfContent = "CONTAINER", "SEPARATE"
    data_set.ConceptNameCodeSequence = [title]
    who, when, number = _text_item(("121008", "Person Observer Name"), ""), Dataset(), Dataset()
    del who.TextValue
    who.ValueType, who.PersonName = "PNAME", "Thistlewood^P"
    when.RelationshipType, when.ValueType, when.Date = "CONTAINS", "DATE", "19480517"
    when.ConceptNameCodeSequence = [_text_item(("121031", "Subject Birth Date"), "").ConceptNameCodeSequence[0]]
    number.RelationshipType, number.ValueType = "CONTAINS", "NUM"
    number.ConceptNameCodeSequence = [_text_item(("121206", "Distance"), "").ConceptNameCodeSequence[0]]
    measured, unit = Dataset(), Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "mm", "UCUM", "mm"
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = "12.5", [unit]
    number.MeasuredValueSequence = [measured]
    finding = _text_item(("121071", "Finding"), PROSE)
    finding.ContentSequence = [_text_item(("121106", "Comment"), "Wexcombe again")]
    name = _text_item(("121029", "Subject Name"), "Ambrose Quillfeather")
    data_set.ContentSequence = Sequence([finding, who, when, number, name])
    return data_set


@case(samples_stay=False)
def structured_report() -> bytes:
    return encode(report())


@case(samples_stay=False)
def encapsulated_pdf() -> bytes:
    data_set = report()
    del data_set.ContentSequence
    data_set.SOPClassUID, data_set.Modality, data_set.MIMETypeOfEncapsulatedDocument = (
        EncapsulatedPDFStorage,
        "DOC",
        "application/pdf",
    )
    stream = inflated_tail(PROSE.encode())
    data_set.EncapsulatedDocument = b"%PDF-1.4 /Title (Wexcombe) stream " + stream + b" endstream %%EOF"
    data_set.DocumentTitle = "Report on Wexcombe"
    return encode(data_set)


@case(samples_stay=False)
def encapsulated_cda() -> bytes:
    data_set = report()
    del data_set.ContentSequence
    data_set.SOPClassUID, data_set.Modality = "1.2.840.10008.5.1.4.1.1.104.2", "DOC"
    data_set.MIMETypeOfEncapsulatedDocument = "text/xml"
    document = f"<ClinicalDocument><name>{PROSE}</name></ClinicalDocument>".encode("utf-16")
    data_set.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    data_set.add_new(0x0040E001, "ST", "2.16.840^Wexcombe")
    return encode(data_set)


@case(samples_stay=False)
def presentation_state_with_text() -> bytes:
    data_set = report()
    del data_set.ContentSequence
    data_set.SOPClassUID, data_set.Modality = "1.2.840.10008.5.1.4.1.1.11.1", "PR"
    data_set.ContentLabel, data_set.ContentDescription, data_set.ContentCreatorName = (
        "WEXCOMBE",
        "Wexcombe",
        "Thistlewood^P",
    )
    annotation, note = Dataset(), Dataset()
    note.UnformattedTextValue = "Wexcombe Thistlewood"
    annotation.GraphicLayer, annotation.TextObjectSequence = "LAYER", [note]
    data_set.GraphicAnnotationSequence = [annotation]
    return encode(data_set)


@case(samples_stay=False)
def key_object_selection() -> bytes:
    data_set = report()
    data_set.SOPClassUID, data_set.Modality = "1.2.840.10008.5.1.4.1.1.88.59", "KO"
    evidence, series = Dataset(), Dataset()
    series.SeriesInstanceUID, series.ReferencedSOPSequence = f"{PLANTED_UID_ROOT}.21", [person()]
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = f"{PLANTED_UID_ROOT}.11", [series]
    data_set.CurrentRequestedProcedureEvidenceSequence = [evidence]
    return encode(data_set)


@case(may_refuse=True, samples_stay=False)
def media_directory() -> bytes:
    data_set = report()
    del data_set.ContentSequence
    data_set.SOPClassUID = "1.2.840.10008.1.3.10"
    record = Dataset()
    record.DirectoryRecordType, record.PatientName = "PATIENT", "Quillfeather^Ambrose"
    record.ReferencedFileID = ["WEXCOMBE", "IM1"]
    data_set.FileSetID, data_set.DirectoryRecordSequence = "WEXCOMBE", [record]
    return encode(data_set)
