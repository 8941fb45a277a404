"""`ImageLibrary` over the package ``imaging``, imported on first use: a queue message needs no DICOM library."""

from __future__ import annotations

from collections.abc import Callable

from image_ingestion.ports import CleanImage, RejectedError
from lambda_shared.errors import ConfigurationError
from lambda_shared.tracking import ImageFacts


class DicomLibrary:
    """Validation and de-identification under one pseudonym key.

    The key is fetched once per process; it never rotates, because every pseudonym depends on it. With
    `keep_patient_characteristics`, sex, age and size stay in what is de-identified (PS3.15 E.3.7).
    """

    def __init__(self, read_key: Callable[[], str], *, keep_patient_characteristics: bool) -> None:
        self._read_key = read_key
        self._keep_patient_characteristics = keep_patient_characteristics
        self._key: bytes | None = None

    def inspect(self, data: bytes) -> ImageFacts:
        """Validate; answers pseudonyms and technical attributes. Raises RejectedError."""
        from imaging.deidentify import keys_of
        from imaging.validate import validate

        result = validate(data)
        if not result.valid or result.metadata is None:
            raise RejectedError(result.reason_code, result.tag_keyword, result.rule, result.reason)
        image = result.metadata.image
        keys = keys_of(result.metadata, self._secret())
        return ImageFacts(
            patient_key=keys.patient,
            study_key=keys.study,
            series_key=keys.series,
            image_key=keys.image,
            modality=result.metadata.series.modality,
            sop_class=image.sop_class,
            transfer_syntax=image.transfer_syntax,
            rows=image.rows,
            columns=image.columns,
            frames=image.frames,
        )

    def deidentify(self, data: bytes) -> CleanImage:
        """The object without identifiers. Raises RejectedError when it cannot be made safe."""
        from imaging.deidentify import DEFAULT_OPTIONS, Options, deidentify
        from imaging.errors import ImageRejected
        from imaging.profile import Option

        kept = {Option.PATIENT} if self._keep_patient_characteristics else set[Option]()
        try:
            # the tracking table has digests of its own, and the report stays unread
            options = Options(chosen=DEFAULT_OPTIONS.chosen | kept, digests=False)
            clean = deidentify(data, self._secret(), options)
        except ImageRejected as refusal:
            raise RejectedError(refusal.code.value, refusal.tag_keyword, refusal.rule, refusal.sentence) from None
        return CleanImage(clean.data, clean.pixel_digest())

    def _secret(self) -> bytes:
        from imaging.pseudonym import key_from_secret

        if self._key is None:
            try:
                self._key = key_from_secret(self._read_key())
            except ValueError as error:
                raise ConfigurationError("PSEUDONYM_KEY", str(error)) from None
        return self._key
