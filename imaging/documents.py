"""Stand-ins for encapsulated documents (action D on Encapsulated Document, PS3.15 Table E.1-1).

A document is free text and pictures; nothing here can clean it, so the object keeps its place in the study and gets
an empty document of the same media type.
"""

from typing import Final

_SENTENCE: Final = b"Removed by de-identification."


_OTHERS: Final = ("application/dicom", "application/octet-stream", "text/plain", "image/jpeg", "image/png", "video/mp4")


def _pdf() -> bytes:
    """The smallest PDF with one page that says what happened (ISO 32000-1)."""
    content = b"BT /F1 18 Tf 72 720 Td (" + _SENTENCE + b") Tj ET"
    bodies = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    )
    output, offsets = b"%PDF-1.4\n", list[int]()
    for number, body in enumerate(bodies, 1):
        offsets.append(len(output))
        output += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(output)
    return output + b"xref\n0 5\n0000000000 65535 f \n" + table + trailer


_CDA: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ClinicalDocument xmlns="urn:hl7-org:v3"><title>'
    + _SENTENCE
    + b"</title></ClinicalDocument>\n"
)
_BINARY_STL: Final = _SENTENCE.ljust(80) + bytes(4)
_DOCUMENTS: Final = {
    "application/pdf": _pdf(),
    "text/xml": _CDA,
    "application/xml": _CDA,
    "model/stl": _BINARY_STL,
    "application/sla": _BINARY_STL,
    "model/obj": b"# " + _SENTENCE + b"\n",
    "model/mtl": b"# " + _SENTENCE + b"\n",
}


def is_known(media_type: str) -> bool:
    """Whether the media type is one that DICOM objects carry, or empty."""
    return media_type.strip(" \0").lower() in ("", *_DOCUMENTS, *_OTHERS)


def stand_in(media_type: str) -> bytes:
    """An empty document of the media type, plain text where the type is not known; even length."""
    document = _DOCUMENTS.get(media_type.strip().lower(), _SENTENCE)
    return document + b"\n" * (len(document) % 2)
