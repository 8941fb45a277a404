"""Cases of identifiers in headers, sequences, private elements, reports and documents."""

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from bench.deid.tricky import (
    PLANTED_UID_ROOT,
    base,
    case,
    deflated,
    encode,
    encode_items,
    insert,
    person,
    raw_element,
)

PROSE = "Ambrose Quillfeather of Wexcombe was seen by Dr Thistlewood on 17.05.1948"


@case()
def plain() -> bytes:
    return encode(base())


@case()
def sequence_in_sequence_in_sequence() -> bytes:
    data_set = base()
    inner, middle = Dataset(), Dataset()
    inner.ReferencedImageSequence = [person()]
    middle.ReferencedSeriesSequence = [inner]
    data_set.SourceImageSequence = [middle, person()]
    return encode(data_set)


@case()
def name_in_a_kept_code_sequence() -> bytes:
    data_set = base()
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "chest of Quillfeather"
    data_set.AnatomicRegionSequence = [code]
    return encode(data_set)


@case()
def functional_groups_with_dates_and_comments() -> bytes:
    data_set = base()
    content, shared = Dataset(), Dataset()
    content.FrameComments, content.FrameAcquisitionDateTime = "Wexcombe", "20250309101112"
    shared.FrameContentSequence = [content]
    data_set.SharedFunctionalGroupsSequence = [shared]
    return encode(data_set)


@case()
def sequence_of_unknown_vr() -> bytes:
    return insert(encode(base()), raw_element(0x0008, 0x1115, b"UN", encode_items([person()])))


@case()
def sequence_of_unknown_vr_nested() -> bytes:
    holder = Dataset()
    holder.ReferencedImageSequence = [person()]
    return insert(encode(base()), raw_element(0x0008, 0x1115, b"UN", encode_items([holder])))


@case()
def sequence_of_unknown_vr_and_undefined_length() -> bytes:
    value = encode_items([person()]) + b"\xfe\xff\xdd\xe0\0\0\0\0"
    element = b"\x08\x00\x15\x11UN\0\0\xff\xff\xff\xff" + value
    data = encode(base())
    plain_end = insert(data, raw_element(0x0008, 0x1115, b"UN", b""))
    at = plain_end.index(b"\x08\x00\x15\x11UN")
    return plain_end[:at] + element + plain_end[at + 12 :]


@case()
def text_of_unknown_vr() -> bytes:
    return insert(encode(base()), raw_element(0x0008, 0x0090, b"UN", b"Wexcombe^Thistlewood"))


@case(may_refuse=True)
def explicit_sequence_of_unknown_vr() -> bytes:
    return insert(encode(base()), raw_element(0x0008, 0x1115, b"UN", encode_items([person()], implicit=False)))


@case()
def private_block_with_name_as_creator() -> bytes:
    data_set = base()
    block = data_set.private_block(0x0009, "QUILLFEATHER 1.0", create=True)
    block.add_new(1, "LO", "MRN0048151")
    block.add_new(2, "SQ", [person()])
    block.add_new(3, "UN", b"Wexcombe")
    block.add_new(4, "DA", "19480517")
    block.add_new(5, "AS", "076Y")
    return encode(data_set)


@case()
def private_sequence_inside_a_standard_one() -> bytes:
    data_set = base()
    inner = Dataset()
    inner.private_block(0x0011, "ACME", create=True).add_new(1, "SQ", [person()])
    inner.ReferencedSOPInstanceUID = f"{PLANTED_UID_ROOT}.77"
    data_set.ReferencedImageSequence = [inner]
    return encode(data_set)


@case()
def private_without_creator_and_odd_groups() -> bytes:
    data = insert(encode(base()), raw_element(0x0013, 0x1001, b"LO", b"Wexcombe"))
    data = insert(data, raw_element(0x7FE1, 0x1001, b"OB", b"Wexcombe"))
    return insert(data, raw_element(0x0021, 0x0001, b"LO", b"Thistlewood"))


@case()
def private_implicit_sequence() -> bytes:
    data_set = base()
    block = data_set.private_block(0x0099, "ACME", create=True)
    block.add_new(1, "SQ", [person()])
    return encode(data_set, ImplicitVRLittleEndian)


@case()
def retired_and_command_groups() -> bytes:
    data = encode(base())
    data = insert(data, raw_element(0x0008, 0x4000, b"LT", b"Wexcombe"))
    data = insert(data, raw_element(0x0010, 0x1040, b"LO", b"Wexcombe Street 5"))
    return insert(data, raw_element(0x0004, 0x1130, b"CS", b"WEXCOMBE"))


@case()
def unknown_standard_elements() -> bytes:
    data = insert(encode(base()), raw_element(0x0008, 0x9999, b"LO", b"Wexcombe"))
    return insert(data, raw_element(0x0012, 0x3333, b"UT", b"Ambrose Quillfeather"))


@case()
def group_length_and_trailing_padding() -> bytes:
    data = insert(encode(base()), raw_element(0x0010, 0x0000, b"UL", b"Wexc"))
    return data + raw_element(0xFFFC, 0xFFFC, b"OB", b"Wexcombe Thistlewood MRN0048151")


@case()
def curves_and_audio() -> bytes:
    data = insert(encode(base()), raw_element(0x5000, 0x2500, b"LO", b"Wexcombe"))
    return insert(data, raw_element(0x5002, 0x3000, b"OW", b"Quillfeather "))


@case()
def overlay_planes() -> bytes:
    data_set = base()
    for group in (0x6000, 0x601E):
        data_set.add_new((group, 0x0010), "US", 64)
        data_set.add_new((group, 0x0022), "LO", "Wexcombe")
        data_set.add_new((group, 0x3000), "OW", b"Quillfeather".ljust(512, b"\0"))
        data_set.add_new((group, 0x4000), "LT", "ACC7734501")
    return encode(data_set)


@case()
def free_text_everywhere() -> bytes:
    data_set = base()
    data_set.ImageComments = data_set.PatientComments = PROSE
    data_set.StudyDescription, data_set.SeriesDescription = "CT Wexcombe", "Thistlewood lung"
    data_set.ProtocolName, data_set.DerivationDescription = "Wexcombe routine", "for Thistlewood"
    data_set.AdditionalPatientHistory = "Quillfeather coughs, phone 555-0147-88"
    data_set.RequestedProcedureDescription = "Wexcombe"
    return encode(data_set)


@case()
def free_text_the_table_does_not_list() -> bytes:
    data_set = base()
    data_set.add_new(0x00420010, "ST", "Report on Wexcombe")
    data_set.add_new(0x00700081, "LO", "Wexcombe")
    data_set.add_new(0x00281055, "LO", "window for Wexcombe")
    data_set.add_new(0x00189073, "FD", 1.0)
    data_set.add_new(0x00700084, "PN", "Thistlewood^Wexcombe")
    data_set.add_new(0x00402016, "LO", "ACC7734501")
    data_set.add_new(0x00100033, "LO", "Wexcombe 1948")
    data_set.add_new(0x0040E001, "ST", "Wexcombe")
    return encode(data_set)


@case()
def multi_valued_text_and_uids() -> bytes:
    data_set = base()
    data_set.OtherPatientIDs = ["MRN0048151", "Wexcombe"]
    data_set.OtherPatientNames = ["Wexcombe^A", "Thistlewood^B"]
    data_set.add_new(0x00081195, "UI", [f"{PLANTED_UID_ROOT}.1", f"{PLANTED_UID_ROOT}.2"])
    data_set.OperatorsName = ["Wexcombe^X", "Ambrose^Y"]
    return encode(data_set)


@case()
def words_where_numbers_belong() -> bytes:
    data = insert(encode(base()), raw_element(0x0018, 0x0088, b"DS", b"Wexcombe"))
    data = insert(data, raw_element(0x0028, 0x1101, b"LO", b"MRN0048151"))
    return insert(data, raw_element(0x0018, 0x9220, b"LT", b"Wexcombe"))


@case()
def letters_inside_uids() -> bytes:
    data = insert(encode(base()), raw_element(0x0008, 0x1155, b"UI", b"1.2.3.QUILLFEATHER.4\0"))
    return insert(data, raw_element(0x0020, 0x0200, b"UI", b"1.2.826.Wexcombe"))


@case()
def dates_and_times_of_every_form() -> bytes:
    data_set = base()
    data_set.AcquisitionDateTime = "20250309101112.5+0100"
    data_set.SeriesDate, data_set.ContentDate = "20250309", "20250310"
    data_set.PatientBirthTime = "101010"
    data_set.LastMenstrualDate = "20250201"
    data_set.AdmittingDate, data_set.ScheduledProcedureStepStartDate = "19480517", "19480517"
    data_set.DateOfSecondaryCapture = "19480517"
    data = insert(encode(data_set), raw_element(0x0018, 0x1200, b"DA", b"Wexcombe"))
    return insert(data, raw_element(0x0008, 0x002A + 0x100, b"DT", b"Wexcombe 1948"))


@case()
def ages_and_people() -> bytes:
    data_set = base()
    data_set.PatientAge, data_set.PatientAddress = "099Y", "Wexcombe Street 5"
    data_set.PatientTelephoneNumbers, data_set.Occupation = "555-0147-88", "Mayor of Wexcombe"
    data_set.ReferringPhysicianName, data_set.ConsultingPhysicianName = "Thistlewood^P", "Wexcombe^Q"
    data_set.ResponsiblePerson, data_set.PatientMotherBirthName = "Wexcombe^R", "Thistlewood"
    data_set.EthnicGroup, data_set.PatientReligiousPreference = "Wexcombe", "Wexcombe"
    return encode(data_set)


@case()
def devices_and_institutions() -> bytes:
    data_set = base()
    data_set.DeviceSerialNumber, data_set.StationName = "SN-55120-QF", "WEXCOMBE-CT"
    data_set.InstitutionName, data_set.InstitutionAddress = "Wexcombe General", "Wexcombe"
    data_set.add_new(0x00189371, "SQ", [person()])
    data_set.add_new(0x00500020, "LO", "Wexcombe device")
    data_set.add_new(0x00181009, "UT", "(01)00888(21)SN-55120-QF")
    data_set.add_new(0x00080055, "AE", "WEXCOMBE")
    data_set.add_new(0x00181008, "LO", "SN-55120-QF")
    return encode(data_set)


@case()
def file_meta_information() -> bytes:
    data_set = base()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.SourceApplicationEntityTitle = "WEXCOMBE"
    data_set.file_meta.SendingApplicationEntityTitle = "QUILLFEATHER"
    data_set.file_meta.ReceivingApplicationEntityTitle = "THISTLEWOOD"
    data_set.file_meta.ImplementationVersionName = "WEXCOMBE_1"
    data_set.file_meta.PrivateInformationCreatorUID = f"{PLANTED_UID_ROOT}.77"
    data_set.file_meta.PrivateInformation = b"MRN0048151"
    return encode(data_set)


@case()
def preamble_and_bytes_after_the_end() -> bytes:
    return encode(base(), preamble=b"II*\0Wexcombe".ljust(128, b"\0")) + b"Wexcombe Quillfeather"


@case()
def two_objects_in_one_file() -> bytes:
    return encode(base()) + encode(base(32))


@case(samples_stay=False)
def two_objects_without_pixels_in_one_file() -> bytes:
    data_set = base()
    del data_set.PixelData
    return encode(data_set) + encode(base(32))


@case()
def implicit_with_everything() -> bytes:
    data_set = base()
    data_set.ReferencedImageSequence, data_set.ImageComments = [person()], "Wexcombe"
    return encode(data_set, ImplicitVRLittleEndian)


@case()
def big_endian_with_sequences() -> bytes:
    data_set = base()
    data_set.ReferencedImageSequence, data_set.ImageComments = [person()], "Wexcombe"
    return encode(data_set, ExplicitVRBigEndian)


@case()
def deflated_with_sequences() -> bytes:
    data_set = base()
    data_set.ReferencedImageSequence, data_set.ImageComments = [person()], "Wexcombe"
    return deflated(encode(data_set))


@case()
def original_attributes_and_signatures() -> bytes:
    data_set = base()
    original, signature = Dataset(), Dataset()
    original.ModifiedAttributesSequence, original.SourceOfPreviousValues = [person()], "Wexcombe"
    data_set.OriginalAttributesSequence = [original]
    signature.DigitalSignatureUID, signature.CertificateOfSigner = f"{PLANTED_UID_ROOT}.9", b"CN=Wexcombe "
    data_set.DigitalSignaturesSequence = [signature]
    data_set.add_new(0x04000500, "SQ", [person()])
    return encode(data_set)


@case()
def icon_image() -> bytes:
    data_set, icon = base(), Dataset()
    icon.Rows = icon.Columns = 16
    icon.PixelData = b"Wexcombe Quillfeather".ljust(256, b"\0")
    icon["PixelData"].VR = "OW"
    data_set.IconImageSequence = [icon]
    return encode(data_set)


@case()
def pixel_data_inside_a_sequence() -> bytes:
    data_set, holder = base(), Dataset()
    holder.PixelData = b"Wexcombe Quillfeather ".ljust(256, b"\0")
    holder["PixelData"].VR = "OW"
    data_set.SourceImageSequence = [holder]
    return encode(data_set)


@case()
def acquisition_context_and_waveform_annotation() -> bytes:
    data_set, context, note = base(), Dataset(), Dataset()
    context.ValueType, context.TextValue = "TEXT", "Wexcombe"
    data_set.AcquisitionContextSequence = [context]
    note.UnformattedTextValue = "Wexcombe Thistlewood"
    data_set.WaveformAnnotationSequence = [note]
    return encode(data_set)


@case()
def request_and_person_identification() -> bytes:
    data_set, request, who = base(), Dataset(), Dataset()
    who.PersonAddress, who.InstitutionName = "Wexcombe Street", "Wexcombe General"
    who.PersonTelephoneNumbers = "555-0147-88"
    request.AccessionNumber, request.RequestedProcedureID = "ACC7734501", "Wexcombe"
    request.ScheduledProcedureStepDescription = "for Thistlewood"
    data_set.RequestAttributesSequence = [request]
    data_set.ReferringPhysicianIdentificationSequence = [who]
    data_set.PerformingPhysicianIdentificationSequence = [who]
    return encode(data_set)


@case(samples_stay=False)
def header_only() -> bytes:
    data_set = base()
    del data_set.PixelData
    return encode(data_set)


@case(may_refuse=True, samples_stay=False)
def four_hundred_sequences_inside_each_other() -> bytes:
    plain_object = encode(base())
    start = 144 + int.from_bytes(plain_object[140:144], "little")
    opening = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    return plain_object[:start] + opening * 400 + closing * 400 + plain_object[start:]


@case()
def identifiers_in_wrong_case_and_repeated_elements() -> bytes:
    data_set = base()
    data_set.BodyPartExamined, data_set.ConvolutionKernel = "QUILLFEATHER", "ambrose"
    data_set.add_new(0x00181210 + 0x40, "SH", "mrn0048151")
    return insert(encode(data_set), raw_element(0x0010, 0x0020, b"LO", b"Wexcombe"))


@case()
def contributing_equipment_and_trial_and_allergies() -> bytes:
    data_set, equipment = base(), Dataset()
    equipment.InstitutionName, equipment.StationName, equipment.ContributionDescription = (
        "Wexcombe",
        "WEXCOMBE",
        "x Wexcombe",
    )
    equipment.Manufacturer, equipment.OperatorsName = "Invented Scanners", "Thistlewood^P"
    data_set.ContributingEquipmentSequence = [equipment]
    data_set.ClinicalTrialSubjectID, data_set.ClinicalTrialSponsorName = "Wexcombe-7", "Thistlewood"
    data_set.Allergies, data_set.MedicalAlerts = "Wexcombe", "Wexcombe"
    return encode(data_set)
