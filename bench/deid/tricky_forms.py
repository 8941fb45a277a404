"""Cases that an outside tester of this de-identifier thought of: values in forms and places nobody expects."""

from pydicom.dataset import Dataset, FileMetaDataset

from bench.deid.tricky import PLANTED_UID_ROOT, base, base_with, case, encode, insert, raw_element


def _entry(**values: str) -> bytes:
    data_set, code = base(), Dataset()
    for keyword, value in values.items():
        setattr(code, keyword, value)
    data_set.AnatomicRegionSequence = [code]
    return encode(data_set)


@case()
def defined_terms_that_are_prose() -> bytes:
    data_set = base()
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "Wexcombe, Q."]
    data_set.add_new(0x00185100, "CS", "Thistlewood^P")
    data_set.BodyPartExamined = "Wexcombe"
    return encode(data_set)


@case()
def character_set_that_is_a_name() -> bytes:
    data_set = base()
    data_set.SpecificCharacterSet = ["ISO_IR 100", "WEXCOMBE"]
    return encode(data_set)


@case()
def text_where_a_term_or_a_number_is_defined() -> bytes:
    return base_with(
        (0x00180022, b"LO", b"Wexcombe"),
        (0x00181041, b"LO", b"Wexcombe"),
        (0x00200013, b"LO", b"Thistlewood"),
        (0x00280051, b"SH", b"Thistlewood"),
        (0x00189004, b"UC", b"Wexcombe"),
    )


@case()
def bytes_where_text_is_defined() -> bytes:
    return base_with(
        (0x00180022, b"OB", b"Wexcombe"),
        (0x00201040, b"OB", b"Thistlewood"),
        (0x00181400, b"UN", b"Wexcombe^Q"),
        (0x00180020, b"UN", b"Wexcombe^Q"),
        (0x00080104, b"OW", b"Wexcombe"),
    )


@case()
def text_where_binary_numbers_are_defined() -> bytes:
    return base_with((0x00189073, b"CS", b"WEXCOMBE"), (0x00189087, b"LO", b"Wexcombe"))


@case()
def dates_under_another_vr() -> bytes:
    return base_with(
        (0x00080022, b"IS", b"19480517"),
        (0x00181200, b"CS", b"19480517"),
        (0x00181012, b"LO", b"17.05.1948"),
        (0x00189074, b"UI", b"19480517"),
    )


@case()
def numbers_written_in_groups() -> bytes:
    return base_with(
        (0x00281055, b"LO", b"chest 555 014 788 axial"),
        (0x00700081, b"LO", b"born 17 05 48"),
    )


@case()
def uids_below_the_root_of_the_standard() -> bytes:
    data_set, item = base(), Dataset()
    item.ReferencedSOPInstanceUID = "1.2.840.10008.19480517.1"
    data_set.ReferencedImageSequence = [item]
    return insert(encode(data_set), raw_element(0x0008, 0x1195, b"UI", b"1.2.840.10008.Wexcombe"))


@case()
def uids_as_technical_text() -> bytes:
    return base_with(
        (0x00209056, b"SH", PLANTED_UID_ROOT.encode()), (0x00281055, b"LO", f"see {PLANTED_UID_ROOT}".encode())
    )


@case()
def meaning_of_a_published_code() -> bytes:
    return _entry(CodeValue="51185008", CodingSchemeDesignator="SCT", CodeMeaning="Chest of Wexcombe")


@case()
def meaning_without_an_entry() -> bytes:
    return base_with((0x00080104, b"LO", b"Thistlewood"))


@case()
def codes_that_are_addresses_and_prose() -> bytes:
    data_set = base()
    scheme, urn, long_code = Dataset(), Dataset(), Dataset()
    scheme.CodingSchemeDesignator, scheme.CodingSchemeURL = "99X", "http://wexcombe.example"
    scheme.CodingSchemeRegistry, scheme.CodingSchemeName = "Wexcombe", "Thistlewood"
    urn.URNCodeValue, urn.CodeMeaning = "urn:x:Wexcombe", "Chest"
    long_code.LongCodeValue, long_code.CodingSchemeDesignator = "Wexcombe and Thistlewood", "99X"
    long_code.CodingSchemeVersion, long_code.CodeMeaning = "Wexcombe", "Chest"
    data_set.CodingSchemeIdentificationSequence = [scheme]
    data_set.AnatomicRegionSequence = [urn, long_code]
    return encode(data_set)


@case()
def extended_offset_table_that_is_text() -> bytes:
    data = encode(base())
    table = b"".join(b"\xe0\x7f" + number + b"\0OV\0\0\x10\0\0\0" + b"Wexcombe" * 2 for number in (b"\1", b"\2"))
    at = data.index(b"\xe0\x7f\x10\x00OW")
    return data[:at] + table + data[at:]


def _name_in(charset: str, name: str) -> bytes:
    data_set = base()
    data_set.SpecificCharacterSet, data_set.PatientName = charset, f"{name}^A"
    data_set.add_new(0x00209056, "SH", name)
    data_set.add_new(0x00181400, "LO", name)
    return encode(data_set)


@case()
def character_set_thai() -> bytes:
    return _name_in("ISO_IR 166", "สมหญิง")


@case()
def character_set_arabic() -> bytes:
    return _name_in("ISO_IR 127", "فاطمةزهراء")


@case()
def character_set_hebrew() -> bytes:
    return _name_in("ISO_IR 138", "רחלמזרחי")


@case()
def text_of_a_character_set_nobody_declared() -> bytes:
    return base_with((0x00209056, b"SH", "山田太郎".encode()), (0x00181400, b"LO", "Müßlinger".encode()))


@case()
def media_types_that_are_prose() -> bytes:
    return base_with((0x00420012, b"LO", b"application/wexcombe"), (0x00420014, b"LO", b"text/Thistlewood"))


@case()
def addresses_in_the_file_meta_information() -> bytes:
    data_set = base()
    data_set.file_meta = FileMetaDataset()
    for keyword in ("Source", "Sending", "Receiving"):
        setattr(data_set.file_meta, f"{keyword}PresentationAddress", "https://wexcombe.example")
    return encode(data_set)


@case()
def opaque_bytes() -> bytes:
    return base_with(
        (0x04000520, b"OB", b"Wexcombe"),
        (0x04000120, b"OB", b"Wexcombe"),
        (0x00080421, b"OB", b"Wexcombe"),
        (0x00686300, b"OB", b"SP1;LBWexcombe"),
    )


@case()
def names_that_people_give_to_things() -> bytes:
    return base_with(
        (0x00189423, b"LO", b"Wexcombe"),
        (0x300A00C2, b"LO", b"Thistlewood"),
        (0x00540400, b"SH", b"Wexcombe"),
        (0x00720434, b"UC", b"Wexcombe"),
    )


@case()
def number_of_frames_with_a_sign() -> bytes:
    return base_with((0x00280008, b"IS", b"+1"))


@case()
def numbers_and_times_that_are_something_else() -> bytes:
    return base_with(
        (0x00181110, b"DS", b"555-0147-88"),
        (0x00200012, b"IS", b"17.05.1948"),
        (0x00080030 + 2, b"TM", b"19480517"),
        (0x0008002A, b"DT", b"2025030919480517"),
    )


@case()
def names_of_private_creators_that_stay_behind() -> bytes:
    data_set, item = base(), Dataset()
    item.PrivateCreatorReference, item.DeidentificationMethod = "Wexcombe 1.0", "by Thistlewood"
    data_set.ReferencedImageSequence = [item]
    return encode(data_set)
