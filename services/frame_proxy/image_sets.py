"""What is in an image set: its series and instances, their attributes as DICOM JSON, and their frames."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import orjson

from imaging.pseudonym import Pseudonymizer
from services.frame_proxy import dicom_json
from services.frame_proxy.errors import ProxyError

Document = dict[str, Any]
EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
_GZIP_LEVEL: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One SOP instance.

    Attributes:
        json: the instance's attributes, all levels, as a DICOM JSON object; PHI, not printed.
        frames: ids of the frames in their order.
        stored_syntax: transfer syntax UID that the frames are stored in.
        rows, columns: pixels of a frame; 0 for an object without.
        samples, bits: samples a pixel and bits allocated a sample.
        signed: Pixel Representation is 1.
    """

    uid: str = field(repr=False)
    series_uid: str = field(repr=False)
    image_key: str
    json: bytes = field(repr=False)
    frames: tuple[str, ...]
    stored_syntax: str
    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool

    def attributes(self) -> Document:
        """The DICOM JSON object."""
        return orjson.loads(self.json)


@dataclass(frozen=True)
class Packed:
    """An answer that does not change: plain, gzip, and its entity tag."""

    plain: bytes = field(repr=False)

    @cached_property
    def gzip(self) -> bytes:
        """Compressed once."""
        return gzip.compress(self.plain, _GZIP_LEVEL, mtime=0)

    @cached_property
    def etag(self) -> str:
        """Strong entity tag (RFC 9110 8.8.3)."""
        return f'"{hashlib.sha256(self.plain).hexdigest()[:32]}"'


@dataclass(frozen=True)
class Series:
    """One series: its instances by UID, in the order of their numbers."""

    uid: str = field(repr=False)
    instances: Mapping[str, Instance] = field(repr=False)

    @cached_property
    def metadata(self) -> Packed:
        """The metadata of all instances, a JSON array."""
        return Packed(b"[" + b",".join(one.json for one in self.instances.values()) + b"]")


@dataclass(frozen=True)
class Contents:
    """One version of an image set."""

    image_set_id: str
    version: int
    series: Mapping[str, Series] = field(repr=False)

    @property
    def weight(self) -> int:
        """Bytes held: the attributes, again as one array, and compressed."""
        return sum(int(2.3 * len(one.json)) + 600 for each in self.series.values() for one in each.instances.values())


def read(document: Document, *, version: int, pseudonymizer: Pseudonymizer, studies_url: str) -> Contents:
    """The contents of a metadata document (SchemaVersion 1.1).

    Args:
        document: what GetImageSetMetadata answers.
        version: which version of the image set it is.
        pseudonymizer: makes the image keys of the audit.
        studies_url: URL that "/{study}/..." follows in BulkDataURI; "" makes them relative to the study.

    Raises:
        ProxyError: 502, the document lacks what every image set has.
    """
    try:
        return _read(document, version, pseudonymizer, studies_url)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise ProxyError(502, "UPSTREAM_METADATA", "the image store's metadata cannot be read") from error


def _read(document: Document, version: int, pseudonymizer: Pseudonymizer, studies_url: str) -> Contents:
    patient: Document = document["Patient"]["DICOM"]
    study: Document = document["Study"]["DICOM"]
    study_uid = str(study["StudyInstanceUID"])
    base = f"{studies_url}/{study_uid}/" if studies_url else ""
    found: dict[str, Series] = {}
    for series_uid, series in document["Study"]["Series"].items():
        shared = {**patient, **study, **series.get("DICOM", {}), "SeriesInstanceUID": series_uid}
        instances = [
            _instance(shared, each, uid, pseudonymizer, f"{base}series/{series_uid}/instances/{uid}/")
            for uid, each in series.get("Instances", {}).items()
        ]
        ordered = [one for _, one in sorted(instances, key=lambda pair: pair[0])]
        found[series_uid] = Series(series_uid, {one.uid: one for one in ordered})
    return Contents(str(document["ImageSetID"]), version, found)


def _instance(
    shared: Document, each: Document, uid: str, pseudonymizer: Pseudonymizer, base: str
) -> tuple[tuple[int, str], Instance]:
    own: Document = each["DICOM"]
    frames: list[Document] = each.get("ImageFrames") or []
    signed = str(own.get("PixelRepresentation") or 0) == "1"
    syntax = str(each.get("StoredTransferSyntaxUID") or EXPLICIT_VR_LITTLE_ENDIAN)
    vrs: Document = {**(shared.get("DICOMVRs") or {}), **(each.get("DICOMVRs") or {})}
    values = {**shared, **own, "SOPInstanceUID": uid}
    attributes = dicom_json.attributes(values, vrs, signed=signed, bulk=f"{base}bulkdata/")
    attributes["00083002"] = {"vr": "UI", "Value": [syntax]}
    instance = Instance(
        uid=uid,
        series_uid=shared["SeriesInstanceUID"],
        image_key=pseudonymizer.pseudonym("image", uid),
        json=orjson.dumps(dict(sorted(attributes.items()))),
        frames=tuple(str(frame["ID"]) for frame in frames),
        stored_syntax=syntax,
        rows=_whole(own.get("Rows")),
        columns=_whole(own.get("Columns")),
        samples=_whole(own.get("SamplesPerPixel")) or 1,
        bits=_whole(own.get("BitsAllocated")),
        signed=signed,
    )
    return (_whole(own.get("InstanceNumber")), uid), instance


def _whole(value: Any) -> int:
    """A number kept as number or text; 0 for none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
