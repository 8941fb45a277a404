"""How reads become ground truth: one reader, or two blind ones and a third where fixed triggers ask for one.

Two readers read without knowing of each other. If no trigger holds, their common finding is the ground truth; else a
third reader, who sees both, decides (2+1). The triggers are fixed beforehand by the stack's configuration, never by
who reads. A round ends with its ground truth; a later read starts the next one.

Under double reading that next read is blind as well: whoever may still read is never told what others said in any
round, nor what came of it, and in a round that is open not even what they themselves said before. Administrators see
all. What a reader saw on the way (the answer to their own VERIFY may be the ground truth) nobody can take back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from api.identity import Person
from lambda_shared.errors import ConflictError
from lambda_shared.labels import READ, VERIFIED, Certainty, Label

Trigger = Literal["finding", "uncertain"]
ReadingState = Literal["unread", "first-read", "your-read", "adjudication", "your-adjudication", "verified"]
LEAST_CERTAIN: tuple[Certainty, ...] = ("possible", "probable", "definite")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The stack's rules.

    Attributes:
        readers: 1, every read is ground truth at once; 2, two blind reads.
        adjudicate_on: finding, the two findings differ; uncertain, one of the two is only "possible".
    """

    readers: int = 2
    adjudicate_on: frozenset[Trigger] = frozenset({"finding"})


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Where a study stands for one person."""

    state: ReadingState
    may_read: bool
    reads: int
    needed: int
    model_visible: bool


def current_round(versions: Sequence[Label]) -> list[Label]:
    """The reads since the last ground truth."""
    last = max((index for index, label in enumerate(versions) if label.state == VERIFIED), default=-1)
    return list(versions[last + 1 :])


def must_be_decided(reads: Sequence[Label], rules: Rules) -> bool:
    """Whether two reads need a third."""
    unsure = any(read.certainty == "possible" for read in reads)
    # findings that differ have no common value to become ground truth: that trigger cannot be switched off
    return len({read.finding for read in reads}) > 1 or ("uncertain" in rules.adjudicate_on and unsure)


def situation(versions: Sequence[Label], person: Person, rules: Rules) -> Situation:
    """Where the study stands for the person."""
    reads = current_round(versions)
    own = any(read.reader == person.subject for read in reads)
    return Situation(
        state=_state(versions, reads, own=own),
        may_read="radiologist" in person.groups and not own,
        reads=len(reads),
        needed=3 if len(reads) == 2 else rules.readers,
        # an automatic second opinion before the first one is the reader's own would not be a second one
        model_visible="admin" in person.groups or _has_locked(versions, reads, person),
    )


def _has_locked(versions: Sequence[Label], reads: Sequence[Label], person: Person) -> bool:
    """Whether the person's own read stands: in the open round, or, between two rounds, in any before."""
    return any(label.reader == person.subject for label in (reads or versions))


def _state(versions: Sequence[Label], reads: Sequence[Label], *, own: bool) -> ReadingState:
    if not reads:
        return "verified" if versions else "unread"
    if len(reads) == 1:
        return "your-read" if own else "first-read"
    return "adjudication" if own else "your-adjudication"


def visible(versions: Sequence[Label], person: Person, rules: Rules) -> list[Label]:
    """What the person may see of the labels: never what could lead a read that is still theirs to make."""
    if "admin" in person.groups or rules.readers == 1:
        return list(versions)
    reads = current_round(versions)
    if not reads or any(read.reader == person.subject for read in reads):
        return [label for label in versions if label.reader == person.subject and label.role != "consensus"]
    return reads if len(reads) == 2 else []


def next_versions(versions: Sequence[Label], wanted: Label, rules: Rules) -> list[Label]:
    """What a read adds: the read itself and, where it completes the round, the ground truth.

    Raises:
        ConflictError: the person has read in this round already; their read is locked.
    """
    reads = current_round(versions)
    if any(read.reader == wanted.reader for read in reads):
        raise ConflictError("READ_IS_LOCKED", "the person has read in this round")
    number = versions[-1].version + 1 if versions else 1
    if rules.readers == 1:
        return [replace(wanted, version=number, role="single", state=VERIFIED)]
    if not reads:
        return [replace(wanted, version=number, role="first", state=READ)]
    if len(reads) > 1:
        return [replace(wanted, version=number, role="adjudicator", state=VERIFIED)]
    second = replace(wanted, version=number, role="second", state=READ)
    if must_be_decided([*reads, second], rules):
        return [second]
    certainty = min((read.certainty for read in (*reads, second)), key=LEAST_CERTAIN.index)
    return [
        second,
        replace(second, version=number + 1, role="consensus", state=VERIFIED, certainty=certainty, notes=""),
    ]
