"""Text in pixels is blanked and nothing else; what stays readable is refused. The engines here see bright squares."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from imaging import text_detection
from imaging.deidentify import Options, deidentify
from imaging.errors import ImageRejected, ReasonCode
from imaging.profile import Option
from imaging.text_detection import Box

KEY = bytes(range(32))
PIXELS = Options(chosen=frozenset({Option.PIXELS}))
SQUARE = (slice(4, 8), slice(2, 12))


def _bright(grey: Any) -> list[Box]:
    rows, columns = np.nonzero(grey > 250)
    if not len(rows):
        return []
    return [Box(int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)]


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Engines that take a bright square for text; the second may insist that it still reads something."""

    def install(readable: bool = False) -> None:
        seen: list[int] = []

        def find(grey: Any) -> list[Box]:
            seen.append(1)
            return _bright(grey) if len(seen) == 1 else []

        monkeypatch.setattr(text_detection, "available", lambda: True)
        monkeypatch.setattr(text_detection, "find_text", find)
        monkeypatch.setattr(text_detection, "still_readable", lambda _: readable)

    return install


def _ultrasound(data_set: Dataset, samples: Any, photometric: str = "MONOCHROME2", planar: int | None = None) -> None:
    data_set.Modality, data_set.SOPClassUID = "US", "1.2.840.10008.5.1.4.1.1.6.1"
    data_set.Rows, data_set.Columns = 16, 16
    data_set.BitsAllocated = data_set.BitsStored = samples.dtype.itemsize * 8
    data_set.HighBit = data_set.BitsStored - 1
    data_set.SamplesPerPixel = 3 if samples.size % 768 == 0 else 1
    data_set.PhotometricInterpretation = photometric
    if planar is not None:
        data_set.PlanarConfiguration = planar
    data_set.PixelData = samples.tobytes()


def _picture(dtype: str = "u1") -> Any:
    rows, columns = np.mgrid[0:16, 0:16]
    samples = (rows * 5 + columns * 3).astype(dtype)
    samples[SQUARE] = 255
    return samples


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param((_picture(), "MONOCHROME2", None), id="grey"),
        pytest.param((_picture("<u2"), "MONOCHROME2", None), id="16 bits"),
        pytest.param((np.repeat(_picture()[:, :, None], 3, axis=2), "RGB", 0), id="colour by pixel"),
        pytest.param((np.repeat(_picture()[None], 3, axis=0), "RGB", 1), id="colour by plane"),
        pytest.param((np.repeat(_picture()[:, :, None], 3, axis=2), "YBR_FULL", 0), id="luminance, chrominance"),
    ],
)
def test_only_the_text_is_blanked(
    data_set: Dataset, to_bytes: Callable[..., bytes], engines: Any, kind: tuple[Any, str, int | None]
) -> None:
    engines()
    samples, _, planar = kind
    _ultrasound(data_set, *kind)
    result = deidentify(to_bytes(data_set), KEY, PIXELS)
    output = pydicom.dcmread(BytesIO(result.data))
    after = np.frombuffer(output.PixelData, samples.dtype).reshape(samples.shape)
    where = (slice(None), *SQUARE) if planar == 1 else SQUARE
    outside = np.ones(samples.shape, bool)
    outside[where] = False
    assert (after[outside] == samples[outside]).all()
    assert not (after[where] == samples[where]).any()
    assert output.BurnedInAnnotation == "NO"
    assert "113101" in [item.CodeValue for item in output.DeidentificationMethodCodeSequence]
    assert result.report.actions["text in pixels: blank"] >= 1


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless], ids=["RLE", "JPEG-LS"])
def test_compressed_objects_with_text_come_out_native(
    data_set: Dataset, to_bytes: Callable[..., bytes], engines: Any, syntax: str
) -> None:
    engines()
    samples = _picture()
    _ultrasound(data_set, samples)
    if syntax == RLELossless:
        data_set.file_meta = pydicom.dataset.FileMetaDataset()
        data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data_set.compress(RLELossless, generate_instance_uid=False)
    else:
        data_set.PixelData = encapsulate([imagecodecs.jpegls_encode(samples)])
        data_set["PixelData"].VR, data_set["PixelData"].is_undefined_length = "OB", True
    output = pydicom.dcmread(BytesIO(deidentify(to_bytes(data_set, syntax), KEY, PIXELS).data))
    expected = samples.copy()
    expected[SQUARE] = samples.min()
    assert output.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert (output.pixel_array == expected).all()


def test_a_compressed_object_without_text_stays_as_it_is(
    data_set: Dataset, to_bytes: Callable[..., bytes], engines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines()
    samples = np.minimum(_picture(), 120)
    samples[0, 0] = 120
    _ultrasound(data_set, (samples // 2).astype("u1"))
    frame = imagecodecs.jpegls_encode((samples // 2).astype("u1"))
    data_set.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2)])
    data_set["PixelData"].VR, data_set["PixelData"].is_undefined_length = "OB", True
    monkeypatch.setattr(text_detection, "find_text", lambda _: [])
    output = pydicom.dcmread(BytesIO(deidentify(to_bytes(data_set, JPEGLSLossless), KEY, PIXELS).data))
    assert output.file_meta.TransferSyntaxUID == JPEGLSLossless


def test_disagreement_of_the_engines_refuses(data_set: Dataset, to_bytes: Callable[..., bytes], engines: Any) -> None:
    engines(readable=True)
    _ultrasound(data_set, _picture())
    with pytest.raises(ImageRejected, match="certainty"):
        deidentify(to_bytes(data_set), KEY, PIXELS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"NumberOfFrames": "65", "Rows": 1, "Columns": 1, "PixelData": bytes(66)}, "frames"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "PixelData": bytes(1024)}, "8 or 16 bits"),
        ({"PhotometricInterpretation": "YBR_FULL_422", "SamplesPerPixel": 3, "PixelData": bytes(512)}, "422"),
    ],
    ids=["too many frames", "32 bits", "subsampled"],
)
def test_what_cannot_be_searched_is_refused(
    data_set: Dataset, to_bytes: Callable[..., bytes], engines: Any, changes: dict[str, Any], words: str
) -> None:
    engines()
    _ultrasound(data_set, _picture())
    for keyword, value in changes.items():
        setattr(data_set, keyword, value)
    with pytest.raises(ImageRejected, match=words) as caught:
        deidentify(to_bytes(data_set), KEY, PIXELS)
    assert caught.value.code is ReasonCode.PIXEL_RISK


def test_without_engines_nothing_passes_as_searched(
    data_set: Dataset, to_bytes: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_detection, "available", lambda: False)
    _ultrasound(data_set, _picture())
    with pytest.raises(ImageRejected, match="not installed"):
        deidentify(to_bytes(data_set), KEY, PIXELS)
