"""Which representation a request accepts (PS3.18 8.7, RFC 9110 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from services.frame_proxy.errors import ProxyError

EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
OCTETS: Final = "application/octet-stream"
DICOM: Final = "application/dicom"
DICOM_JSON: Final = "application/dicom+json"
_RELATED: Final = "multipart/related"
# Media type of a frame by the syntax it is stored in (PS3.18 table 8.7.3-2, and HealthImaging's own for HTJ2K).
MEDIA_TYPES: Final = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    **{f"1.2.840.10008.1.2.4.{number}": "video/mp4" for number in range(100, 109)},
}
_SAME: Final = {"image/jph": "image/jphc", "image/j2c": "image/jp2"}
_PARAMETER: Final = re.compile(r';\s*([\w-]+)\s*=\s*("[^"]*"|[^;\s]*)')
_PART: Final = re.compile(r'(?:[^,"]|"[^"]*")+')


@dataclass(frozen=True)
class MediaRange:
    """One element of Accept."""

    kind: str
    parameters: dict[str, str] = field(default_factory=dict[str, str], hash=False)
    quality: float = 1.0


@dataclass(frozen=True)
class Chosen:
    """How to answer: media type, transfer syntax, and whether as multipart/related."""

    media_type: str
    syntax: str
    multipart: bool


def media_ranges(accept: str) -> list[MediaRange]:
    """Elements of an Accept header, the most wanted first."""
    found = sorted(_media_ranges(accept), key=lambda one: -one.quality)
    return [one for one in found if one.quality > 0]


def _media_ranges(accept: str) -> Iterator[MediaRange]:
    for part in _PART.findall(accept):
        kind, _, rest = part.strip().partition(";")
        parameters = {name.lower(): value.strip('"') for name, value in _PARAMETER.findall(";" + rest)}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        if kind:
            yield MediaRange(kind.strip().lower(), parameters, quality)


@lru_cache(maxsize=1024)
def frame(accept: str, stored_syntax: str) -> Chosen:
    """How to answer with frames.

    `transfer-syntax=*` takes the stored one; octets without a transfer syntax mean Explicit VR Little Endian, an image
    type without one means the syntax that it is stored in. No Accept at all: as stored.

    Raises:
        ProxyError: 406.
    """
    own = MEDIA_TYPES.get(stored_syntax, OCTETS)
    for wanted in media_ranges(accept) or [MediaRange("*/*")]:
        multipart = wanted.kind in (_RELATED, "*/*", "multipart/*")
        kind = wanted.parameters.get("type", "*/*").lower() if multipart else wanted.kind
        kind = _SAME.get(kind, kind)
        syntax = wanted.parameters.get("transfer-syntax", "")
        for media_type, native in ((own, stored_syntax), (OCTETS, stored_syntax), (OCTETS, EXPLICIT_VR_LITTLE_ENDIAN)):
            if not _matches(kind, media_type) or syntax not in ("", "*", native):
                continue
            if kind == OCTETS and not syntax and native != EXPLICIT_VR_LITTLE_ENDIAN:
                continue
            return Chosen(media_type, native, multipart)
    raise ProxyError(406, "NOT_ACCEPTABLE", "frames are not to be had in what Accept asks for")


@lru_cache(maxsize=1024)
def instance(accept: str, stored_syntax: str) -> Chosen:
    """How to answer with whole instances: application/dicom, as stored or in Explicit VR Little Endian.

    Raises:
        ProxyError: 406.
    """
    for wanted in media_ranges(accept) or [MediaRange("*/*")]:
        multipart = wanted.kind in (_RELATED, "*/*", "multipart/*")
        kind = wanted.parameters.get("type", "*/*").lower() if multipart else wanted.kind
        syntax = wanted.parameters.get("transfer-syntax", "*" if wanted.kind == "*/*" else EXPLICIT_VR_LITTLE_ENDIAN)
        if not _matches(kind, DICOM):
            continue
        if syntax in ("*", stored_syntax):
            return Chosen(DICOM, stored_syntax, multipart)
        if syntax == EXPLICIT_VR_LITTLE_ENDIAN:
            return Chosen(DICOM, EXPLICIT_VR_LITTLE_ENDIAN, multipart)
    raise ProxyError(406, "NOT_ACCEPTABLE", "instances are not to be had in what Accept asks for")


@lru_cache(maxsize=1024)
def json_type(accept: str) -> str:
    """Media type of a JSON answer. Raises ProxyError 406."""
    for wanted in media_ranges(accept) or [MediaRange("*/*")]:
        kind = wanted.parameters.get("type", "").lower() if wanted.kind == _RELATED else wanted.kind
        for offered in (DICOM_JSON, "application/json"):
            if _matches(kind, offered):
                return offered
    raise ProxyError(406, "NOT_ACCEPTABLE", "only application/dicom+json and application/json are to be had here")


@lru_cache(maxsize=1024)
def one_of(accept: str, offered: tuple[str, ...]) -> str:
    """The offered media type that is wanted most. Raises ProxyError 406."""
    for wanted in media_ranges(accept) or [MediaRange("*/*")]:
        for media_type in offered:
            if _matches(wanted.kind, media_type):
                return media_type
    raise ProxyError(406, "NOT_ACCEPTABLE", f"to be had are {', '.join(offered)}")


def _matches(wanted: str, offered: str) -> bool:
    return wanted in ("*/*", offered) or (wanted.endswith("/*") and offered.startswith(wanted[:-1]))
