"""QIDO-RS (PS3.18 10.6): matching keys over DICOM JSON objects, paging, and what each level answers."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from pydicom.datadict import dictionary_VR

from services.frame_proxy.dicom_json import person_name, tag_of
from services.frame_proxy.directory import ImageSet
from services.frame_proxy.errors import ProxyError, bad_request
from services.frame_proxy.image_sets import Instance

Document = dict[str, Any]
MAX_RESULTS: Final = 10_000
DEFAULT_LIMIT: Final = 1_000
# Matching keys whose values name a person: in a query string they would stand in access logs.
IDENTIFYING: Final = frozenset({"00100010", "00100020", "00100030", "00080050", "00101001", "00101000", "00080090"})
_CONTROL: Final = frozenset({"limit", "offset", "fuzzymatching", "includefield", "accept", "emptyvaluematching"})
_DATE_RANGE: Final = re.compile(r"(\d{8})?-(\d{8})?")
# Image set attributes of a study, by tag: (VR, HealthImaging's name)
_STUDY_TAGS: Final = {
    "00080020": ("DA", "DICOMStudyDate"),
    "00080030": ("TM", "DICOMStudyTime"),
    "00080050": ("SH", "DICOMAccessionNumber"),
    "00081030": ("LO", "DICOMStudyDescription"),
    "00100010": ("PN", "DICOMPatientName"),
    "00100020": ("LO", "DICOMPatientId"),
    "00100030": ("DA", "DICOMPatientBirthDate"),
    "00100040": ("CS", "DICOMPatientSex"),
    "0020000D": ("UI", "DICOMStudyInstanceUID"),
    "00200010": ("SH", "DICOMStudyId"),
}
_SERIES_TAGS: Final = {
    "00080060": ("CS", "DICOMSeriesModality"),
    "00180015": ("CS", "DICOMSeriesBodyPart"),
    "0020000D": ("UI", "DICOMStudyInstanceUID"),
    "0020000E": ("UI", "DICOMSeriesInstanceUID"),
    "00200011": ("IS", "DICOMSeriesNumber"),
}
# PS3.18 tables 10.6.3-4 and 10.6.3-5
_SERIES_FIELDS: Final = (
    *("00080005", "00080060", "0008103E", "0020000D", "0020000E", "00200011", "00400244", "00400245", "00400275"),
    *("00080021", "00080031", "00180015", "00200052"),
)
_INSTANCE_FIELDS: Final = (
    *("00080005", "00080016", "00080018", "00080060", "0020000D", "0020000E", "00200013"),
    *("00280008", "00280010", "00280011", "00280100", "00083002"),
)


@dataclass(frozen=True, kw_only=True)
class Query:
    """A search as it was asked.

    Attributes:
        keys: (tag, value) to match.
        fields: tags asked for besides the level's own; None asks for all.
    """

    keys: tuple[tuple[str, str], ...]
    fields: frozenset[str] | None
    fuzzy: bool
    limit: int
    offset: int


def parse(parameters: Iterable[tuple[str, str]], *, identifying_allowed: bool) -> Query:
    """A query of URL parameters. Raises ProxyError 400 that names the parameter, never its value."""
    keys: list[tuple[str, str]] = []
    fields: set[str] = set()
    everything = fuzzy = False
    numbers = {"limit": DEFAULT_LIMIT, "offset": 0}
    for name, value in parameters:
        if name in numbers:
            if not value.isdigit() or len(value) > 9:
                raise bad_request(f"{name} is not a number")
            numbers[name] = int(value)
        elif name == "fuzzymatching":
            fuzzy = value.lower() == "true"
        elif name == "includefield":
            everything = everything or "all" in value.split(",")
            fields |= {tag for part in value.split(",") if (tag := tag_of(part))}
        elif name not in _CONTROL:
            keys.append((_key(name, identifying_allowed), value))
    return Query(
        keys=tuple((tag, value) for tag, value in keys if value and set(value) != {"*"}),
        fields=None if everything else frozenset(fields),
        fuzzy=fuzzy,
        limit=min(numbers["limit"], MAX_RESULTS),
        offset=numbers["offset"],
    )


def _key(name: str, identifying_allowed: bool) -> str:
    tag = tag_of(name)
    if tag is None:
        raise bad_request("a search key is neither a keyword nor a tag of PS3.6")
    if tag in IDENTIFYING and not identifying_allowed:
        raise ProxyError(
            400,
            "IDENTIFIER_IN_URL",
            "this key names a person: send it in the body of a POST, as application/x-www-form-urlencoded",
        )
    return tag


def matched(query: Query, objects: Iterable[Document], keys_of_level: Iterable[str]) -> list[Document]:
    """The objects that meet every key, the page of them that was asked for.

    Raises:
        ProxyError: 400 for a key that this level cannot match.
    """
    supported = frozenset(keys_of_level)
    if any(tag not in supported for tag, _ in query.keys):
        raise ProxyError(400, "UNSUPPORTED_KEY", "a search key cannot be matched at this level")
    tests = [(tag, _test(tag, value, query.fuzzy)) for tag, value in query.keys]
    found = [one for one in objects if all(test(_values(one, tag)) for tag, test in tests)]
    return found[query.offset : query.offset + query.limit]


def _values(one: Document, tag: str) -> list[str]:
    values: list[Any] = one.get(tag, {}).get("Value") or []
    return ["=".join(value.values()) if isinstance(value, dict) else str(value) for value in values]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType]


Test = Callable[[list[str]], bool]


def _test(tag: str, wanted: str, fuzzy: bool) -> Test:
    """Matching by the kind of the attribute (PS3.4 C.2.2.2)."""
    vr = dictionary_VR(int(tag, 16))
    if vr == "UI":
        uids = frozenset(re.split(r"[,\\]", wanted))
        return lambda values: bool(uids.intersection(values))
    if vr in ("DA", "TM") and "-" in wanted:
        return _range(wanted)
    if vr == "PN":
        return _fuzzy(wanted) if fuzzy else _wild(wanted, ignore_case=True)
    return _wild(wanted, ignore_case=False)


def _range(wanted: str) -> Test:
    low, _, high = wanted.partition("-")
    if not all(part.replace(".", "").isdigit() or not part for part in (low, high)):
        raise bad_request("a range of dates or times is not one")
    end = high + "~" if high else "~"  # a shorter end means its whole second, minute or hour
    return lambda values: any(low <= value <= end for value in values)


def _wild(wanted: str, *, ignore_case: bool) -> Test:
    flags = re.IGNORECASE if ignore_case else 0
    # * and ? are the only wildcards of DICOM: brackets are letters
    pattern = re.compile(fnmatch.translate(wanted.replace("[", "[[]")), flags)
    return lambda values: any(pattern.match(value) for value in values)


def _fuzzy(wanted: str) -> Test:
    """Every word begins a component of the name, in any order (what PS3.18 8.3.4.2 leaves to the server)."""
    words = [word for word in re.split(r"[\s^*,=]+", wanted.casefold()) if word]

    def test(values: list[str]) -> bool:
        parts = [part for value in values for part in re.split(r"[\s^=]+", value.casefold())]
        return all(any(part.startswith(word) for part in parts) for word in words)

    return test


def study(rows: tuple[ImageSet, ...], retrieve_url: str) -> Document:
    """Study-level attributes from the image sets of a study (PS3.18 table 10.6.3-3)."""
    newest = max(rows, key=lambda row: row.updated)
    modalities = sorted({str(row.tags["DICOMSeriesModality"]) for row in rows if row.tags.get("DICOMSeriesModality")})
    counts = [
        sum(int(row.tags.get(f"DICOMNumberOfStudyRelated{what}") or 0) for row in rows)
        for what in ("Series", "Instances")
    ]
    return {
        "00080005": _attribute("CS", "ISO_IR 192"),
        **_from_tags(newest, _STUDY_TAGS),
        "00080056": _attribute("CS", "ONLINE"),
        "00080061": {"vr": "CS", "Value": modalities} if modalities else {"vr": "CS"},
        "00081190": _attribute("UR", retrieve_url),
        "00201206": _attribute("IS", counts[0]),
        "00201208": _attribute("IS", counts[1]),
    }


STUDY_KEYS: Final = (*_STUDY_TAGS, "00080061", "00201206", "00201208")


def series_of_row(row: ImageSet, retrieve_url: str) -> Document:
    """Series-level attributes as far as the list of image sets knows them."""
    count = int(row.tags.get("DICOMNumberOfStudyRelatedInstances") or 0)
    return {
        **_from_tags(row, _SERIES_TAGS),
        "00081190": _attribute("UR", retrieve_url),
        "00201209": _attribute("IS", count),
    }


ROW_SERIES_KEYS: Final = (*_SERIES_TAGS, "00201209")


def series(first: Instance, count: int, retrieve_url: str, fields: frozenset[str] | None) -> Document:
    """Series-level attributes of a series by its first instance."""
    wanted = frozenset(_SERIES_FIELDS) | (fields or frozenset())
    found = {tag: value for tag, value in first.attributes().items() if tag in wanted}
    return {**found, "00081190": _attribute("UR", retrieve_url), "00201209": _attribute("IS", count)}


SERIES_KEYS: Final = (*_SERIES_FIELDS, "00201209")


def instance(one: Instance, retrieve_url: str, fields: frozenset[str] | None) -> Document:
    """Instance-level attributes; `fields` None answers them all."""
    attributes = one.attributes()
    if fields is not None:
        wanted = frozenset(_INSTANCE_FIELDS) | fields
        attributes = {tag: value for tag, value in attributes.items() if tag in wanted}
    return {**attributes, "00080056": _attribute("CS", "ONLINE"), "00081190": _attribute("UR", retrieve_url)}


INSTANCE_KEYS: Final = tuple(_INSTANCE_FIELDS)


def _from_tags(row: ImageSet, wanted: dict[str, tuple[str, str]]) -> Document:
    found: Document = {}
    for tag, (vr, name) in wanted.items():
        value = row.tags.get(name)
        if value in (None, ""):
            found[tag] = {"vr": vr}
        else:
            found[tag] = _attribute(vr, person_name(str(value)) if vr == "PN" else value)
    return found


def _attribute(vr: str, value: Any) -> Document:
    return {"vr": vr, "Value": [value]}
