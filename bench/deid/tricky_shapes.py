"""Cases of identifiers in other shapes than the name itself: inside words, as 16-bit letters, as numbers, as samples.

Each is the smallest one of a kind that once passed.
"""

from pydicom.dataset import Dataset

from bench.deid.tricky import base, base_with, case, encode

_IMAGE = ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")


@case()
def names_inside_longer_words() -> bytes:
    data_set = base()
    data_set.PulseSequenceName, data_set.ReceiveCoilName = "AmbroseQuillfeather1948", "quillfeatherA"
    data_set.ImageFilter, data_set.FilterType = "xMRN0048151x", "QUILLFEATHER,AMBROSE"
    return encode(data_set)


@case()
def letters_of_sixteen_bits_in_short_text() -> bytes:
    return base_with(
        (0x00181180, b"SH", "Wexcombe".encode("utf-16-be")),
        (0x00189005, b"SH", b"\xff\xfe" + "Wexcombe".encode("utf-16-le")),
        (0x00181210, b"SH", "Thistlewood".encode("utf-16-le")),
    )


@case()
def text_behind_a_null() -> bytes:
    return base_with((0x00181210, b"SH", b"B70f\0Wexcombe"), (0x00181160, b"SH", b"A\0Thistlewood"))


@case()
def names_and_addresses_in_technical_text() -> bytes:
    data_set = base()
    data_set.ConvolutionKernel, data_set.SequenceName = "Wexcombe^Q", "q@wexcombe"
    return encode(data_set)


@case()
def names_of_lookup_tables() -> bytes:
    data_set, table = base(), Dataset()
    table.LUTDescriptor, table.LUTData, table.ModalityLUTType = [2, 0, 16], b"\0\0\1\0", "Wexcombe LUT"
    data_set.ModalityLUTSequence, data_set.RescaleType = [table], "Thistlewood"
    return encode(data_set)


@case()
def binary_numbers_that_spell() -> bytes:
    return base_with(
        (0x00189602, b"FD", b"WexcombeThistlew"),
        (0x00283006, b"OW", b"Thistlewood "),
        (0x00720026, b"AT", b"Wexcombe"),
    )


@case(samples_stay=False, may_refuse=True)
def waveform_that_spells() -> bytes:
    data_set, group = base(), Dataset()
    for keyword in _IMAGE:
        del data_set[keyword]
    data_set.SOPClassUID, data_set.Modality = "1.2.840.10008.5.1.4.1.1.9.1.1", "ECG"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = 1, 8
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformData = b"Quillfeather1234"
    data_set.WaveformSequence = [group]
    return encode(data_set)


@case()
def float_pixels_inside_a_sequence() -> bytes:
    data_set, item = base(), Dataset()
    item.add_new(0x7FE00008, "OF", b"Wexcombe")
    data_set.ReferencedImageSequence = [item]
    return encode(data_set)


@case()
def names_of_fonts() -> bytes:
    """Text style outside of an annotation, which the profile would replace whole."""
    data_set, box, style = base(), Dataset(), Dataset()
    style.FontName, style.FontNameType, style.CSSFontName = "Wexcombe", "ISO_32000", "'Thistlewood', serif"
    box.TextStyleSequence = [style]
    data_set.StructuredDisplayTextBoxSequence = [box]
    return encode(data_set)
