"""What an object is called: deterministic, so that an instance sent twice is one object, whoever received it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from services.store_scp.command import is_uid
from services.store_scp.configuration import Naming, read_material

NAME_CHARACTERS: Final = 32


@dataclass(frozen=True, slots=True)
class Names:
    """Keys of one instance.

    Attributes:
        instance: what the keys of every content of this instance begin with, and no key of another instance.
        key: where this content goes.
        by_content: the key says the content, so whatever is found under it is identical.
        distinct: where this content goes when another one has the key already.
        metadata: where its DICOM JSON goes.
    """

    instance: str
    key: str
    by_content: bool
    distinct: str
    metadata: str


class Namer:
    """Names by the configured layout."""

    def __init__(self, settings: Naming) -> None:
        self._settings = settings
        self._suffix = ".dcm.gz" if settings.gzip else ".dcm"
        self._key = bytes.fromhex(read_material(settings.key).strip()) if settings.key else b""

    def instance_prefix(self, sop_instance: str, study: str = "") -> str:
        """What every key of the instance begins with. Raises ValueError on what is no UID: it would be a path."""
        stem = self._stem(sop_instance, study)
        # without the closing dot 1.2 would find 1.2.3, and "opaque" would lose nothing by it
        return f"{self._settings.prefix}/{stem}." + ("" if self._settings.layout == "opaque" else "d")

    def names(self, sop_instance: str, content: bytes, study: str = "") -> Names:
        """All names; `content` is the SHA-256 of the Part 10 file. Raises ValueError on what is no UID."""
        stem = self._stem(sop_instance, study)
        digest = content.hex()[:NAME_CHARACTERS]
        opaque = self._settings.layout == "opaque"
        prefix = self._settings.prefix
        distinct = f"{prefix}/{stem}.{digest if opaque else 'd' + digest}{self._suffix}"
        return Names(
            instance=self.instance_prefix(sop_instance, study),
            key=distinct if opaque else f"{prefix}/{stem}{self._suffix}",
            by_content=opaque,
            distinct=distinct,
            metadata=f"{self._settings.metadata_prefix}/{stem}{'.' + digest if opaque else ''}.json",
        )

    def _stem(self, sop_instance: str, study: str) -> str:
        if not is_uid(sop_instance):
            raise ValueError("the SOP Instance UID is no UID")
        if self._settings.layout == "opaque":
            return hmac.new(self._key, f"received:{sop_instance}".encode(), hashlib.sha256).hexdigest()[
                :NAME_CHARACTERS
            ]
        if not self._settings.study_level:
            return sop_instance
        if not is_uid(study):
            raise ValueError("the Study Instance UID is no UID")
        return f"{study}/{sop_instance}"
