"""What one check found. Plain Python of any version from 3.8 on: this part runs before anything is installed."""

from __future__ import annotations

from typing import Callable, Iterable, List, NamedTuple  # noqa: UP035  (an old Python has to get as far as its check)

OK, WARNING, FAULT, SKIPPED = "ok", "warning", "fault", "skipped"


class Finding(NamedTuple):
    """One line of the report; `remedy` is what to do, empty where there is nothing to do."""

    check: str
    state: str
    message: str
    remedy: str = ""


Check = Callable[[], Finding]


def examine(checks: Iterable[Check], unanswered: tuple[type[Exception], ...] = (OSError,)) -> List[Finding]:  # noqa: UP006
    """Every check's finding, in order; one that gets no answer is a fault that says so, and the rest go on."""
    found = []
    for check in checks:
        try:
            found.append(check())
        except unanswered as error:
            found.append(
                Finding(
                    getattr(check, "__name__", "check").replace("_", " "),
                    FAULT,
                    f"no answer: {type(error).__name__}: {str(error)[:200]}",
                    "is the stack up, and are region, credentials and rights those of this stack?",
                )
            )
    return found


def exit_code(findings: Iterable[Finding]) -> int:
    """1 when anything is a fault; a warning lets a script go on."""
    return 1 if any(finding.state == FAULT for finding in findings) else 0


def text(findings: Iterable[Finding]) -> str:
    """The report for people."""
    marks = {OK: "ok      ", WARNING: "warning ", FAULT: "FAULT   ", SKIPPED: "skipped "}
    lines = []
    for finding in findings:
        lines.append(f"{marks[finding.state]} {finding.check:22} {finding.message}")
        if finding.remedy:
            lines.append(f"{'':32}-> {finding.remedy}")
    return "\n".join(lines) + "\n"
