"""A refusal keeps its parts, also across processes."""

import pickle

from imaging.errors import ImageRejected, ReasonCode


def test_refusal_survives_pickling() -> None:
    refusal = ImageRejected(ReasonCode.BAD_UID, "StudyInstanceUID", "PS3.5 9.1", "no valid identifier")
    again = pickle.loads(pickle.dumps(refusal))  # noqa: S301 - our own bytes
    assert (again.code, again.tag_keyword, again.rule, again.sentence) == (
        refusal.code,
        refusal.tag_keyword,
        refusal.rule,
        refusal.sentence,
    )
    assert str(again) == "BAD_UID StudyInstanceUID [PS3.5 9.1] no valid identifier"


def test_codes_are_their_own_names() -> None:
    assert all(code.name == code.value for code in ReasonCode), "tables and alarms are keyed by them"
