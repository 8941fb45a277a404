"""A measurement report (PS3.16 TID 1500) of the model's answers for the images of one study.

For each image one group (TID 1501): the finding, its probability as "certainty of finding", the image that was judged
by reference, and the algorithm (TID 4019) with its version, its threshold and what it was made from. The document is
complete and unverified: no person has attested it.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (highdicom's and pydicom's types are partly unknown)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from highdicom import sr
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from services.ai_results.answer import Answer, Provenance, derived_uid

MANUFACTURER: Final = "healthcare-imaging-mlops"
ALGORITHM: Final = "Pneumonia on chest CT slices"
SERIES_NUMBER: Final = 9901
FINDINGS: Final = {
    "pneumonia": Code("233604007", "SCT", "Pneumonia"),
    "normal": Code("17621005", "SCT", "Normal"),
}
PROCEDURE: Final = Code("77477000", "SCT", "CT")


class OtherModelError(ValueError):
    """An answer that another version gave than the one whose provenance is told, or images of two studies."""


def report(images: Sequence[Any], answers: Sequence[Answer], provenance: Provenance) -> sr.ComprehensiveSR:
    """The structured report.

    Args:
        images: the DICOM objects that were judged, of one study; patient and study are taken over from them.
        answers: in the same order.

    Raises:
        OtherModelError: the answers are of another version, or the images of two studies.
    """
    _check(images, answers, provenance)
    study = str(images[0].StudyInstanceUID)
    meaning = (study, provenance.model_package_arn, *(str(image.SOPInstanceUID) for image in images))
    groups = [_group(image, answer, provenance) for image, answer in zip(images, answers, strict=True)]
    content = sr.MeasurementReport(
        observation_context=_context(provenance),
        procedure_reported=PROCEDURE,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    return sr.ComprehensiveSR(
        evidence=list(images),
        content=content,
        series_instance_uid=derived_uid("series", *meaning),
        series_number=SERIES_NUMBER,
        sop_instance_uid=derived_uid("report", *meaning, *(f"{answer.probability:.6f}" for answer in answers)),
        instance_number=1,
        manufacturer=MANUFACTURER,
        series_description="AI answer, not verified",
        is_complete=True,
        is_final=False,
        is_verified=False,
    )


def _check(images: Sequence[Any], answers: Sequence[Answer], provenance: Provenance) -> None:
    if not images or len(images) != len(answers):
        raise OtherModelError("a report needs one answer for each image, and one image at least")
    if {answer.model_version for answer in answers} != {provenance.model_version}:
        raise OtherModelError("an answer is of another model version than the one whose origin is told")
    if len({str(image.StudyInstanceUID) for image in images}) != 1:
        raise OtherModelError("a report is about one study")


def _context(provenance: Provenance) -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", provenance.model_package_arn),
        manufacturer_name=MANUFACTURER,
        model_name=ALGORITHM,
        name=f"version {provenance.model_version}",
    )
    observer = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return sr.ObservationContext(observer_device_context=observer)


def _group(image: Any, answer: Answer, provenance: Provenance) -> sr.MeasurementsAndQualitativeEvaluations:
    uid = str(image.SOPInstanceUID)
    source = (str(image.SOPClassUID), uid)
    certainty = sr.Measurement(
        name=codes.DCM.CertaintyOfFinding,
        value=round(100 * answer.probability, 4),
        unit=codes.UCUM.Percent,
        referenced_images=[sr.SourceImageForMeasurement(*source)],
    )
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=derived_uid("finding", uid, provenance.model_package_arn), identifier="AI answer"
        ),
        source_images=[sr.SourceImageForMeasurementGroup(*source)],
        finding_type=FINDINGS[answer.finding],
        algorithm_id=_algorithm(answer, provenance),
        measurements=[certainty],
    )


def _algorithm(answer: Answer, provenance: Provenance) -> sr.AlgorithmIdentification:
    """TID 4019: name, version, and as parameters what leads to the very model."""
    return sr.AlgorithmIdentification(
        name=ALGORITHM,
        version=provenance.model_version,
        family=codes.DCM.ArtificialIntelligence,
        parameters=[
            f"model package {provenance.model_package_arn}",
            f"label snapshot {provenance.snapshot_id}",
            f"code commit {provenance.code_commit}",
            f"threshold {answer.threshold:g}",
        ],
    )
