"""What is fuzzed, and what must hold for any bytes: shared by `make fuzz` and the test that replays the corpus."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from imaging.codestream import CodestreamError as LevelError
from imaging.codestream import read_main_header, resolutions
from imaging.deidentify import Options, deidentify
from imaging.embedded_metadata import CodestreamError, blank_metadata, blank_rle
from imaging.errors import ImageRejected
from imaging.icc import cleaned
from imaging.limits import Limits
from imaging.parse import every_element, read
from imaging.profile import Option
from imaging.validate import validate

LIMITS: Final = Limits(max_bytes=1 << 20, max_inflated_bytes=1 << 22, max_elements=20_000, max_pixel_bytes=1 << 24)
KEY: Final = bytes(range(32))
_CLEANING: Final = frozenset({Option.DESCRIPTORS, Option.STRUCTURED_CONTENT, Option.GRAPHICS, Option.SAFE_PRIVATE})


def parser(data: bytes) -> None:
    """Reading ends in elements or a refusal; judging never raises; texts can always be decoded."""
    try:
        parsed = read(data, LIMITS)
    except ImageRejected:
        return
    for element in every_element(parsed.elements):
        parsed.text(element.tag)
    validate(data, LIMITS)


def deidentifier(data: bytes) -> None:
    """Cleaning ends in a readable object without private elements, the same one twice, or in a refusal."""
    for chosen in (frozenset[Option](), _CLEANING):
        options = Options(chosen=chosen, pixels_known_clean=True, limits=LIMITS)
        try:
            result = deidentify(data, KEY, options)
        except ImageRejected:
            continue
        output = read(result.data)
        assert output.preamble_blank
        assert not output.trailing_bytes
        assert deidentify(data, KEY, options).data == result.data
        if Option.SAFE_PRIVATE not in chosen:
            assert not any((element.tag >> 16) & 1 for element in every_element(output.elements))


def codestreams(data: bytes) -> None:
    """Blanking keeps the length and ends in a refusal at worst; so does reading the layout of resolutions."""
    frame = bytearray(data)
    with suppress(CodestreamError):
        blank_metadata(frame)
    assert len(frame) == len(data)
    with suppress(CodestreamError):
        blank_rle(bytearray(data), 256)
    with suppress(LevelError):
        resolutions(read_main_header(data))
    assert len(cleaned(data)) in (0, len(data))


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "parser": parser,
    "deidentifier": deidentifier,
    "codestreams": codestreams,
}
