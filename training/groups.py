"""The groups by which a model is judged apart: scanner, sex, age in decades, as far as de-identification left them."""

from __future__ import annotations

import io


def of(content: bytes) -> dict[str, str]:
    """Dimension -> group of one DICOM image (PS3.3 C.7.1.1, C.7.2.2, C.7.5.1); what it does not say is "unknown"."""
    import pydicom

    header = pydicom.dcmread(
        io.BytesIO(content), stop_before_pixels=True, specific_tags=["Manufacturer", "PatientSex", "PatientAge"]
    )
    return {
        "age": decade(str(header.get("PatientAge") or "")),
        "scanner": str(header.get("Manufacturer") or "").strip().upper()[:64] or "unknown",
        "sex": {"F": "F", "M": "M", "O": "O"}.get(str(header.get("PatientSex") or ""), "unknown"),
    }


def decade(age: str) -> str:
    """ "047Y" -> "40-49"; months, weeks and days are "0-9"; over 89 is one group (45 CFR 164.514(b)(2)(i)(C))."""
    number, unit = age[:3], age[3:]
    if not number.isdigit() or unit not in ("Y", "M", "W", "D"):
        return "unknown"
    years = int(number) if unit == "Y" else 0
    if years > 89:
        return "90 and over"
    return f"{years // 10 * 10}-{years // 10 * 10 + 9}"
