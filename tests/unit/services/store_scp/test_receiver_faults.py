"""Seeded faults over the receiver's logic: duplicates, other orders, a kill at each step, time-outs after the effect.

A schedule is a number: the same number gives the same faults. What was acknowledged must be there byte for byte, and
no instance may be there twice under one key layout; that is checked after every schedule.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from services.store_scp import metrics, part10
from services.store_scp.command import StoreRequest
from services.store_scp.configuration import Naming
from services.store_scp.receiver import DUPLICATE, OUT_OF_RESOURCES, SUCCESS, Arrival, Receiver
from services.store_scp.spool import Body, Room
from services.store_scp.stores import Mode, Outcome, StoreError

SCHEDULES = 10_000
CT, SYNTAX = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


class Killed(BaseException):
    """The process ended here: nothing after this line happened."""


class FaultyStore:
    """A store that fails before or after the effect, or takes the process with it, as the schedule says."""

    def __init__(self, chance: random.Random) -> None:
        self.objects: dict[str, bytes] = {}
        self._chance = chance

    def _strike(self, probability: float) -> None:
        if self._chance.random() < probability:
            if self._chance.random() < 0.3:
                raise Killed
            raise StoreError("a fault of the schedule")

    def put(self, key: str, body: Body, mode: Mode) -> Outcome:
        """A put that S3 or a disk may fail at any point of."""
        self._strike(0.15)
        content = b"".join(body.chunks(self._chance.choice((1, 7, 64))))
        known = self.objects.get(key)
        if known is not None and mode is not Mode.REPLACE:
            self._strike(0.05)
            if mode is Mode.ADDRESSED:
                assert known == content, "a key that says its content holds another one"
            return Outcome.IDENTICAL if known == content else Outcome.CONFLICT
        self.objects[key] = content
        self._strike(0.15)  # the answer was lost after the effect
        return Outcome.STORED

    def holds(self, prefix: str) -> bool:
        """A listing that may fail."""
        self._strike(0.05)
        return any(key.startswith(prefix) for key in self.objects)

    def check(self) -> None:
        """Not asked for here."""


def naming(chance: random.Random, key: str) -> Naming:
    """A layout and a policy of the schedule."""
    if chance.random() < 0.5:
        return Naming(key=key, conflicts=chance.choice(("keep-both", "refuse")))
    return Naming(layout="uid", conflicts=chance.choice(("keep-both", "refuse", "replace")))


def receiver_of(store: FaultyStore, settings: Naming) -> Receiver:
    """A new process over the same store."""
    room = Room(memory=10_000, disk=10_000, threshold=200, largest=5_000)
    return Receiver(store=store, naming=settings, room=room, row=metrics.Board(1).row(0))


def deliver(receiver: Receiver, uid: str, content: bytes, chance: random.Random) -> int:
    """One instance, in pieces of any size."""
    receiving = receiver.begin(Arrival(StoreRequest(1, CT, uid), CT, SYNTAX, "peer"))
    position = 0
    while position < len(content):
        step = chance.randint(1, 100)
        receiving.write(content[position : position + step])
        position += step
    return receiver.finish(receiving)


def run_schedule(seed: int, key: str) -> tuple[int, int]:
    """Send some instances until each is acknowledged or refused for good; (acknowledged, faults)."""
    chance = random.Random(seed)
    store = FaultyStore(chance)
    settings = naming(chance, key)
    receiver = receiver_of(store, settings)
    waiting = [(f"1.2.{number}", bytes([number]) * chance.randint(0, 400)) for number in range(chance.randint(1, 4))]
    waiting += chance.sample(waiting, chance.randint(0, len(waiting)))  # sent twice
    if chance.random() < 0.4:
        waiting.append((waiting[0][0], b"another content"))
    chance.shuffle(waiting)
    acknowledged: list[tuple[str, bytes]] = []
    faults = 0
    while waiting:
        uid, content = waiting.pop(0)
        try:
            status = deliver(receiver, uid, content, chance)
        except Killed:
            receiver, status = receiver_of(store, settings), OUT_OF_RESOURCES
        if status == OUT_OF_RESOURCES:
            faults += 1
            waiting.insert(chance.randint(0, len(waiting)), (uid, content))  # the sender tries again
        else:
            assert status in {SUCCESS, DUPLICATE}
            acknowledged += [(uid, content)] if status == SUCCESS else []
    judge(store, settings, acknowledged)
    return len(acknowledged), faults


def judge(store: FaultyStore, settings: Naming, acknowledged: list[tuple[str, bytes]]) -> None:
    """All that was acknowledged is there, and nothing is there twice."""
    kept = list(store.objects.values())
    assert len(kept) == len(set(kept)), "one content under two keys"
    last = dict(acknowledged)
    for uid, content in acknowledged:
        replaced = settings.conflicts == "replace" and last[uid] != content
        assert replaced or part10.header(CT, uid, SYNTAX) + content in kept, "acknowledged and lost"


BLOCKS = (0, *(pytest.param(block, marks=pytest.mark.thorough) for block in range(1, 10)))
"""A tenth of the schedules shows a defect while one works; `make test` goes through all of them."""


@pytest.mark.parametrize("block", BLOCKS)
def test_ten_thousand_schedules_lose_nothing_and_keep_nothing_twice(block: int, key_file: Any) -> None:
    size = SCHEDULES // 10
    results = [run_schedule(seed, f"file:{key_file}") for seed in range(block * size, (block + 1) * size)]
    assert sum(acknowledged for acknowledged, _ in results) > size
    assert sum(faults for _, faults in results) > size // 2, "schedules without faults would show nothing"


def test_a_schedule_is_the_same_each_time(key_file: Any) -> None:
    assert run_schedule(4711, f"file:{key_file}") == run_schedule(4711, f"file:{key_file}")
