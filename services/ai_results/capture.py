"""A secondary capture of the heat map over the slice: where the classifier looked, for a reader's eye alone."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from services.ai_results.answer import Provenance, derived_uid
from services.ai_results.report import MANUFACTURER

if TYPE_CHECKING:
    from numpy.typing import NDArray

SERIES_NUMBER: Final = 9902
COVER: Final = 0.45
"""How much of a pixel the hottest colour takes."""
RAMP: Final = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float64)
"""Five support points of the colour map inferno: its brightness grows with the heat, also in grey."""


def capture(image: Any, prepared: NDArray[Any], heat: NDArray[Any], provenance: Provenance) -> SCImage:
    """The picture as a DICOM object in the study of the image.

    Args:
        image: the DICOM object that was judged. prepared: its window, (S, S) 0..1. heat: (h, w) 0..1, coarse.
    """
    uid = str(image.SOPInstanceUID)
    builder: Any = SCImage  # its signature asks for whole millimetres
    made: SCImage = builder.from_ref_dataset(
        ref_dataset=image,
        pixel_array=overlaid(prepared, heat),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        series_instance_uid=derived_uid("heat-series", str(image.StudyInstanceUID), provenance.model_package_arn),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid("heat", uid, provenance.model_package_arn),
        instance_number=int(image.get("InstanceNumber") or 1),
        manufacturer=MANUFACTURER,
        pixel_spacing=_spacing(image, prepared.shape[0]),
        patient_orientation=orientation(image),
    )
    made.SeriesDescription = "AI heat map, not for diagnosis"
    made.DerivationDescription = (
        f"Grad-CAM of model version {provenance.model_version}, label snapshot {provenance.snapshot_id}, "
        f"code {provenance.code_commit}"
    )
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BurnedInAnnotation = "NO"
    source = Dataset()
    source.ReferencedSOPClassUID = image.SOPClassUID
    source.ReferencedSOPInstanceUID = uid
    purpose = Dataset()
    code = codes.DCM.SourceImageForImageProcessingOperation
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = code.value, "DCM", code.meaning
    source.PurposeOfReferenceCodeSequence = [purpose]
    made.SourceImageSequence = [source]
    return made


def overlaid(prepared: NDArray[Any], heat: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey slice under coloured heat. # (S, S) 0..1, (h, w) 0..1 -> (S, S, 3)

    Raises:
        ValueError: values outside 0 to 1, or no two-dimensional maps.
    """
    for name, values in (("image", prepared), ("heat map", heat)):
        if values.ndim != 2 or not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise ValueError(f"the {name} is no two-dimensional map of values from 0 to 1")
    wide = enlarged(heat, prepared.shape[0])
    grey = np.repeat(255.0 * prepared[..., None], 3, axis=2)
    share = COVER * wide[..., None]
    return np.clip(np.rint(grey * (1 - share) + share * coloured(wide)), 0, 255).astype(np.uint8)


def coloured(heat: NDArray[Any]) -> NDArray[np.float64]:
    """Colours of values 0 to 1. # (S, S) -> (S, S, 3) 0..255"""
    points = np.linspace(0, 1, len(RAMP))
    return np.stack([np.interp(heat, points, RAMP[:, channel]) for channel in range(3)], axis=-1)


def enlarged(heat: NDArray[Any], size: int) -> NDArray[np.float64]:
    """Bilinear, pixel centres on pixel centres. # (h, w) -> (size, size)"""

    def along(values: NDArray[Any], axis: int) -> NDArray[np.float64]:
        cells = values.shape[axis]
        places = (np.arange(size) + 0.5) * cells / size - 0.5

        def stretched(line: NDArray[Any]) -> NDArray[np.float64]:
            return np.interp(places, range(cells), line)

        apply: Any = np.apply_along_axis
        return apply(stretched, axis, values)

    return along(along(np.asarray(heat, np.float64), 0), 1)


def orientation(image: Any) -> tuple[str, str]:
    """Where rows and columns lead in the patient (PS3.3 C.7.6.1.1.1); axial where an image does not say."""
    cosines = [float(value) for value in image.get("ImageOrientationPatient") or (1, 0, 0, 0, 1, 0)]
    letters: list[str] = []
    for direction in (cosines[:3], cosines[3:6]):
        axis = max(range(3), key=lambda place: abs(direction[place]))
        letters.append(("LR", "PA", "HF")[axis][int(direction[axis] < 0)])
    return letters[0], letters[1]


def _spacing(image: Any, size: int) -> tuple[float, float] | None:
    """Millimetres a pixel after the image was padded to a square and resampled."""
    spacing = image.get("PixelSpacing")
    if not spacing:
        return None
    edge = max(int(image.Rows), int(image.Columns))
    return float(spacing[0]) * edge / size, float(spacing[1]) * edge / size
