"""Whose images a person may see: the assignments table, asked for every call, believed for some seconds."""

# boto3 ships no type information.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from lambda_shared.errors import PlatformError
from services.frame_proxy.errors import ProxyError
from services.frame_proxy.identity import Person

_KEEP_READERS: Final = 4096


class Assignment(Protocol):
    """One right to read."""

    @property
    def patient_key(self) -> str:
        """Pseudonym of the patient."""
        ...

    @property
    def until(self) -> str:
        """ISO 8601 UTC of its end, "" for none."""
        ...


class Assignments(Protocol):
    """The port: rights by reader (`lambda_shared.assignments.DynamoAssignmentsTable`)."""

    def patients_of(self, reader: str) -> Iterable[Assignment]:
        """The rights of a reader, read consistently; called off the event loop."""
        ...


class Scope:
    """Decides per call. Fails closed: no answer of the table is no access."""

    def __init__(self, assignments: Assignments, seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._assignments = assignments
        self._seconds = seconds
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, frozenset[str]]] = OrderedDict()
        self._asking: dict[str, asyncio.Future[frozenset[str]]] = {}

    async def patients(self, person: Person) -> frozenset[str] | None:
        """Patient keys of a person; None means every patient (administrators).

        Raises:
            ProxyError: 503 when the table does not answer.
        """
        if person.is_admin:
            return None
        believed = self.believed(person)
        if believed is not None:
            return believed
        asking = self._asking.get(person.subject)
        if asking is None:
            asking = asyncio.ensure_future(self._ask(person.subject))
            self._asking[person.subject] = asking
            asking.add_done_callback(lambda _: self._asking.pop(person.subject, None))
        return await asyncio.shield(asking)

    def believed(self, person: Person) -> frozenset[str] | None:
        """The answer that still counts; None when the table must be asked."""
        known = self._known.get(person.subject)
        return known[1] if known is not None and known[0] > self._clock() else None

    async def _ask(self, reader: str) -> frozenset[str]:
        started = self._clock()
        try:
            rights = await asyncio.to_thread(lambda: list(self._assignments.patients_of(reader)))
        except (PlatformError, ClientError, BotoCoreError) as error:
            self._known.pop(reader, None)
            raise ProxyError(503, "SCOPE_UNAVAILABLE", "what you may read cannot be told now", retry_after=2) from error
        now = datetime.fromtimestamp(started, UTC)
        held = [right for right in rights if not right.until or datetime.fromisoformat(right.until) > now]
        # a right that ends soon ends what is believed
        ends = [datetime.fromisoformat(right.until).timestamp() for right in held if right.until]
        found = frozenset(right.patient_key for right in held)
        self._known[reader] = (min([started + self._seconds, *ends]), found)
        self._known.move_to_end(reader)
        if len(self._known) > _KEEP_READERS:
            self._known.popitem(last=False)
        return found
