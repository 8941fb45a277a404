"""What a reconciliation found, for machines (JSON) and for people (text); opaque ids and pseudonyms only."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Literal

Kind = Literal[
    "not-tracked",
    "not-final",
    "upload-missing",
    "not-validated",
    "not-indexed",
    "not-imported",
    "not-deidentified",
    "archive-lacks",
    "archive-exceeds",
]
SENTENCES: dict[Kind, str] = {
    "not-tracked": "received, but ingestion never saw it",
    "not-final": "seen, but neither imported nor quarantined within the grace time",
    "upload-missing": "tracked, not final, and no longer among the current uploads",
    "not-validated": "recorded as valid, but its validated copy is not in the bucket",
    "not-indexed": "tracked, but the index by study does not show it",
    "not-imported": "recorded as imported, but its image set is not in the archive",
    "not-deidentified": "its research copy was made, or was due, and is not in the bucket",
    "archive-lacks": "an image set has fewer instances than were imported into it",
    "archive-exceeds": "an image set has more instances than were imported into it",
}
MAX_LISTED = 1000
"""More differences are counted, not listed: the report stays readable and within one object."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as it should be. `subject` is an object id, or an image set id for archive-*."""

    kind: Kind
    subject: str
    study_key: str = ""
    driven_again: bool = False


@dataclass
class Report:
    """Counts of every stage, and the differences between them."""

    at: str
    full: bool
    received: int = 0
    validated: int = 0
    imported: int = 0
    non_primary: int = 0
    quarantined: int = 0
    deidentified: int = 0
    refused: int = 0
    indexed: int = 0
    verified_studies: int = 0
    redriven: int = 0
    differences: list[Difference] = field(default_factory=list[Difference])

    @property
    def kinds(self) -> Counter[Kind]:
        """Differences by kind."""
        return Counter(difference.kind for difference in self.differences)

    @property
    def clean(self) -> bool:
        """Whether every stage agrees."""
        return not self.differences

    def counts(self) -> dict[str, int]:
        """The figures by name; `missing` is what the caller of a reconciliation looks at first."""
        figures = {name: value for name, value in asdict(self).items() if isinstance(value, int) and name != "full"}
        return {**figures, "missing": self.kinds["upload-missing"], "differences": len(self.differences)}

    def as_json(self) -> bytes:
        """The report as one JSON object (schema reconcile-report/1)."""
        document = {
            "schema": "reconcile-report/1",
            "at": self.at,
            "full": self.full,
            "clean": self.clean,
            "counts": self.counts(),
            "differences_by_kind": dict(sorted(self.kinds.items())),
            "differences": [asdict(difference) for difference in self.differences[:MAX_LISTED]],
        }
        return json.dumps(document, indent=2, sort_keys=True).encode()

    def as_text(self) -> str:
        """The report as a page of text."""
        scope = "all studies" if self.full else "studies that changed lately"
        lines = [
            f"Reconciliation of {self.at} (verified: {self.verified_studies} of {scope})",
            "",
            *(f"  {name.replace('_', ' '):<18}{value:>10}" for name, value in self.counts().items()),
            "",
            "Every stage agrees." if self.clean else f"{len(self.differences)} differences:",
        ]
        for kind, number in sorted(self.kinds.items()):
            lines.append(f"  {number:>6}  {kind}: {SENTENCES[kind]}")
        lines += [
            f"          {d.kind} {d.subject}{' (driven again)' if d.driven_again else ''}"
            for d in self.differences[:MAX_LISTED]
        ]
        return "\n".join(lines) + "\n"
