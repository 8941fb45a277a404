"""What a file holds, for people: attributes, transfer syntax and a picture on one self-contained page."""

import base64
import html
from typing import Any, Final

from imaging.charset import decode_text
from imaging.dictionary import TEXT_VRS, is_private, keyword_of
from imaging.errors import ImageRejected
from imaging.parse import ParsedImage, every_element, read
from imaging.profile import table
from imaging.structure import Element

_LONGEST: Final = 120
_READABLE: Final = TEXT_VRS | {"AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"}
_STYLE: Final = (
    "body{font:15px system-ui,sans-serif;margin:2rem auto;max-width:70rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.2rem .6rem;text-align:left}"
    "td:nth-child(-n+3){font-family:ui-monospace,monospace;white-space:nowrap}img{max-width:100%;background:#000}"
)


def describe(data: bytes, *, values: bool = False) -> dict[str, Any]:
    """The structure of one file as plain data; never raises on its content."""
    try:
        parsed = read(data)
    except ImageRejected as rejected:
        return {
            "readable": False,
            "reason_code": rejected.code.value,
            "attribute": rejected.tag_keyword,
            "rule": rejected.rule,
            "reason": rejected.sentence,
        }
    names = [f"{keyword_of(element.tag)}:{element.vr or '??'}" for element in parsed.elements]
    shown = {row[1]: row[3] for row in _rows(parsed, values=True)} if values else None
    return {
        "readable": True,
        "transfer_syntax": parsed.transfer_syntax.name,
        "elements": sum(1 for _ in every_element(parsed.elements)),
        "trailing_bytes": parsed.trailing_bytes,
        "preamble_blank": parsed.preamble_blank,
        "attributes": shown if shown is not None else names,
    }


def page(data: bytes, title: str, *, values: bool = False) -> str:
    """An HTML page about one readable file.

    Args:
        values: show every value; else those that Table E.1-1 or its absence calls identifying are left out.

    Raises:
        ImageRejected: the file is not readable.
    """
    parsed = read(data)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in _rows(parsed, values=values)
    )
    head = "<tr><th>Tag</th><th>Attribute</th><th>VR</th><th>Value</th></tr>"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>"
        f"<p>{html.escape(parsed.transfer_syntax.name)}</p>{_picture(parsed)}<table>{head}{rows}</table></html>\n"
    )


def _picture(parsed: ParsedImage) -> str:
    try:
        from imaging.render import to_png

        png = to_png(parsed.dataset(), None)
    except (ValueError, ImportError) as error:
        return f"<p>No picture: {html.escape(str(error))}.</p>"
    return f'<img alt="first frame" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _rows(parsed: ParsedImage, *, values: bool) -> list[tuple[str, str, str, str]]:
    return [
        (
            f"{element.tag >> 16:04X},{element.tag & 0xFFFF:04X}",
            keyword_of(element.tag),
            element.vr or "??",
            _shown(element, parsed, values=values),
        )
        for element in parsed.elements
    ]


def _shown(element: Element, parsed: ParsedImage, *, values: bool) -> str:
    if element.items is not None:
        return f"{len(element.items)} item(s)"
    if element.vr not in _READABLE:
        return _number(element, parsed) or f"{len(element.value)} bytes"
    if not values and (is_private(element.tag) or element.tag in table() or element.vr == "PN"):
        return "hidden"
    return decode_text(bytes(element.value), element.vr, parsed.character_sets)[:_LONGEST]


def _number(element: Element, parsed: ParsedImage) -> str:
    size = {"US": 2, "UL": 4}.get(element.vr, 0)
    order = "little" if parsed.little else "big"
    return str(int.from_bytes(element.value, order)) if size and len(element.value) == size else ""
