"""Blind double read, the deciding third, and announcements that no crash loses."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from api.agreement import agreements, cohen_kappa
from api.identity import Person
from api.labels import relay
from api.reading import Rules, next_versions, situation, visible
from lambda_shared.errors import ConflictError, TransientError
from lambda_shared.labels import Label

STUDY = "a" * 32
PATH = f"/studies/{STUDY}/labels"
ILL = {"finding": "pneumonia", "certainty": "definite", "notes": "seen by Zyxwvut"}
WELL = {"finding": "normal", "certainty": "probable"}
READERS = ("person-1", "person-2", "person-7")


class TestDoubleRead:
    @pytest.fixture
    def rules(self) -> Rules:
        return Rules(readers=2, adjudicate_on=frozenset({"finding", "uncertain"}))

    def test_two_reads_that_agree_are_ground_truth_and_announced_once(self, call: Any, world: Any) -> None:
        assert call("POST", PATH, ILL)[1]["state"] == "READ"
        assert world.events == [], "one read is no ground truth"
        _, truth, _ = call("POST", PATH, {**ILL, "certainty": "probable"}, subject="person-2")
        assert (truth["state"], truth["role"], truth["certainty"]) == ("VERIFIED", "consensus", "probable")
        assert [(event.label_version, event.finding) for event, _ in world.events] == [(3, "pneumonia")]

    def test_findings_that_differ_wait_for_a_third_reader_who_decides(self, call: Any, world: Any) -> None:
        call("POST", PATH, ILL)
        assert call("POST", PATH, WELL, subject="person-2")[1]["state"] == "READ"
        assert call("GET", PATH)[1]["reading"]["state"] == "adjudication"
        third = call("GET", PATH, subject="person-7")[1]
        assert (third["reading"]["state"], len(third["labels"])) == ("your-adjudication", 2), "the third sees both"
        _, truth, _ = call("POST", PATH, WELL, subject="person-7")
        assert (truth["role"], truth["finding"]) == ("adjudicator", "normal")
        assert [event.finding for event, _ in world.events] == ["normal"]

    def test_a_read_that_is_only_possible_asks_for_a_third_even_when_both_agree(self, call: Any) -> None:
        call("POST", PATH, ILL)
        assert call("POST", PATH, {**ILL, "certainty": "possible"}, subject="person-2")[1]["state"] == "READ"

    def test_a_read_is_blind_and_locked(self, call: Any, world: Any) -> None:
        call("POST", PATH, ILL)
        second = call("GET", PATH, subject="person-2")[1]
        assert (second["labels"], second["reading"]["state"]) == ([], "first-read")
        assert "pneumonia" not in str(second), "what the first reader saw would lead the second"
        assert [label["role"] for label in call("GET", PATH)[1]["labels"]] == ["first"]
        world.forward(120)
        code, problem, _ = call("POST", PATH, WELL)
        assert (code, problem["code"]) == (409, "READ_IS_LOCKED")
        assert call("GET", PATH)[1]["reading"]["may_read"] is False

    def test_the_model_is_heard_after_ones_own_read_only(self, call: Any) -> None:
        call("POST", PATH, ILL)
        assert call("GET", PATH)[1]["reading"]["model_visible"] is True
        assert call("GET", PATH, subject="person-2")[1]["reading"]["model_visible"] is False

    def test_a_second_read_sent_again_is_answered_with_the_ground_truth_it_led_to(self, call: Any, world: Any) -> None:
        call("POST", PATH, ILL)
        second = {**ILL, "certainty": "probable", "request_id": REQUEST}
        truth = call("POST", PATH, second, subject="person-2")[1]
        assert call("POST", PATH, second, subject="person-2")[1] == truth
        assert (truth["role"], len(world.label_versions[STUDY])) == ("consensus", 3)

    def test_a_read_of_a_finished_study_starts_the_next_round_as_blind_as_the_first(
        self, call: Any, world: Any
    ) -> None:
        def seen(subject: str, groups: str = "[radiologist]") -> list[tuple[str, str]]:
            found = call("GET", PATH, subject=subject, groups=groups)[1]["labels"]
            return [(label["role"], label["reader"]) for label in found]

        call("POST", PATH, ILL)
        call("POST", PATH, ILL, subject="person-2")
        assert call("GET", PATH, subject="person-7")[1]["reading"]["state"] == "verified"
        assert seen("person-7") == [], "who comes fresh is told that there is a ground truth, not which"
        assert [seen("person-1"), seen("person-2")] == [[("first", "person-1")], [("second", "person-2")]]
        assert [role for role, _ in seen("boss", "[admin]")] == ["first", "second", "consensus"]

        world.forward(120)
        assert call("POST", PATH, WELL, subject="person-7")[1]["role"] == "first"
        again = call("GET", PATH)[1]
        assert again["labels"] == [], "reads again, and is shown not even what she said before"
        assert (again["reading"]["may_read"], again["reading"]["model_visible"]) == (True, False)
        assert call("POST", PATH, ILL)[1]["role"] == "second"
        assert seen("person-1") == [("first", "person-1"), ("second", "person-1")]
        decides = call("GET", PATH, subject="person-2")[1]
        assert [(label["version"], label["role"]) for label in decides["labels"]] == [(4, "first"), (5, "second")]

    def test_an_administrator_reads_the_agreement_of_all_and_a_reader_their_own(self, call: Any) -> None:
        call("POST", PATH, ILL)
        call("POST", PATH, WELL, subject="person-2")
        assert call("GET", "/agreement", subject="person-7")[1]["agreements"] == []
        assert [one["readers"] for one in call("GET", "/agreement")[1]["agreements"]] == [["person-1", "*"]]
        pairs = call("GET", "/agreement", groups="[admin]")[1]["agreements"]
        assert [(pair["readers"], pair["rounds"], pair["observed"]) for pair in pairs] == [
            (["person-1", "person-2"], 1, 0.0),
            (["person-1", "*"], 1, 0.0),
            (["person-2", "*"], 1, 0.0),
        ]


def test_a_bus_that_refuses_for_good_does_not_make_a_written_label_look_lost(call: Any, world: Any) -> None:
    world.failure = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutEvents")
    assert call("POST", PATH, ILL)[0] == 201
    assert (len(world.label_versions[STUDY]), len(world.outbox)) == (1, 1), "the sweep announces it, or says why not"


def test_a_silent_bus_loses_nothing_the_sweep_announces_under_the_same_id(call: Any, world: Any, ports: Any) -> None:
    world.failure = TransientError("EVENT_NOT_TAKEN", "bus away")
    assert call("POST", PATH, ILL)[0] == 201, "the read is locked, whatever the bus does"
    assert (world.events, len(world.outbox)) == ([], 1)
    with pytest.raises(TransientError):
        world.forward(60)
        relay(ports, 30)
    world.failure = None
    assert relay(ports, 30) == 1
    assert (len(world.events), world.outbox, relay(ports, 30)) == (1, {}, 0)
    assert "Zyxwvut" not in str(world.events)


def test_a_crash_between_table_and_bus_is_made_good_and_one_after_it_repeats_the_same_id(
    call: Any, world: Any, ports: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies at the two places where it could: before the bus has the event, and before the outbox knows."""

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    for place in ("publish", "take_out"):
        with monkeypatch.context() as dying:
            dying.setattr(type(world), place, die)
            with pytest.raises(ValueError, match="Expecting value"):  # nobody answers in JSON any more
                call("POST", PATH, ILL, subject="person-1" if place == "publish" else "person-2")
        world.forward(60)
        assert relay(ports, 30) == 1
    ids = [event_id for _, event_id in world.events]
    assert [data.label_version for data, _ in world.events] == [1, 2, 2], "at least once"
    assert len(set(ids)) == 2, "and consumers take an id once"


def test_a_client_that_missed_the_answer_gets_the_same_version_again(call: Any, world: Any) -> None:
    first = call("POST", PATH, ILL)[1]
    world.forward(5)
    assert call("POST", PATH, ILL)[1] == first
    assert len(world.label_versions[STUDY]) == 1
    world.forward(61)
    assert call("POST", PATH, ILL)[1]["version"] == 2


REQUEST = "0f8fad5b-d9cb-469f-a165-70867728950e"


def test_a_read_under_a_request_id_is_locked_once_however_late_it_is_sent_again(call: Any, world: Any) -> None:
    named = {**ILL, "request_id": REQUEST}
    first = call("POST", PATH, named)[1]
    world.forward(86_400)
    assert call("POST", PATH, named)[:2] == (201, first)
    code, problem, _ = call("POST", PATH, {**WELL, "request_id": REQUEST})
    assert (code, problem["code"]) == (409, "REQUEST_ID_TAKEN")
    assert len(world.label_versions[STUDY]) == 1
    assert call("POST", PATH, named, subject="person-2")[1]["version"] == 2, "ids are a person's own"
    assert call("POST", PATH, {**ILL, "request_id": "Zyxwvut"})[0] == 422


def test_lost_races_are_run_again_and_a_storm_is_a_conflict(call: Any, world: Any) -> None:
    world.lost_races = 4
    assert call("POST", PATH, ILL)[0] == 201
    world.lost_races = 9
    assert call("POST", PATH, WELL)[1]["code"] == "LABEL_RACE"


FINDINGS = st.sampled_from(["pneumonia", "normal"])


@given(pairs=st.lists(st.tuples(FINDINGS, FINDINGS), min_size=1))
def test_kappa_keeps_within_its_bounds_and_does_not_know_left_from_right(pairs: list[tuple[str, str]]) -> None:
    observed, kappa = cohen_kappa(pairs)
    assert cohen_kappa([(other, one) for one, other in pairs])[0] == observed
    if kappa is None:
        assert observed == 1.0
    else:
        assert -1 <= kappa <= observed <= 1
        assert (kappa == 1) == (observed == 1)


def test_kappa_of_the_textbook() -> None:
    pairs = [("pneumonia",) * 2] * 20 + [("pneumonia", "normal")] * 5 + [("normal", "pneumonia")] * 10
    observed, kappa = cohen_kappa([*pairs, *[("normal",) * 2] * 15])  # type: ignore[list-item]
    assert (observed, kappa) == (0.7, pytest.approx(0.4))
    with pytest.raises(ValueError, match="no agreement"):
        cohen_kappa([])


def _label(reader: str, finding: Any, certainty: Any) -> Label:
    return Label(
        study_key=STUDY,
        version=0,
        finding=finding,
        certainty=certainty,
        reader=reader,
        created_at="2026",
        image_count=1,
    )


READ = st.tuples(st.sampled_from(READERS), FINDINGS, st.sampled_from(["definite", "probable", "possible"]))


@given(reads=st.lists(READ, max_size=12), uncertain=st.booleans())
def test_whatever_the_order_nobody_decides_alone_and_nobody_sees_a_blind_read(
    reads: list[tuple[str, str, str]], uncertain: bool
) -> None:
    rules = Rules(readers=2, adjudicate_on=frozenset({"finding", "uncertain"} if uncertain else {"finding"}))  # type: ignore[arg-type]
    versions: list[Label] = []
    since_truth: set[str] = set()
    for reader, finding, certainty in reads:
        person = Person(subject=reader, groups=frozenset({"radiologist"}))
        if not situation(versions, person, rules).may_read:
            with pytest.raises(ConflictError):
                next_versions(versions, _label(reader, finding, certainty), rules)
            continue
        seen = visible(versions, person, rules)
        if len(since_truth) == 1:
            assert seen == [], "an open round is read blindly"
        elif since_truth:
            assert seen == versions[-2:], "who decides sees the two reads, and nothing of an earlier round"
        else:
            assert all(one.reader == reader and one.role != "consensus" for one in seen)
        versions += next_versions(versions, _label(reader, finding, certainty), rules)
        since_truth.add(reader)
        if versions[-1].state == "VERIFIED":
            assert len(since_truth) >= 2, "one pair of eyes is no ground truth"
            since_truth = set()
    assert [one.version for one in versions] == list(range(1, len(versions) + 1))
    assert all(pair.rounds for pair in agreements(one for one in versions if one.state == "READ"))
