"""What the look from outside calls a fault, and that a scan never quotes what it found."""

import json

import httpx
import pytest

from tools.security_scan import secrets
from tools.validate import alarm_faults, api_faults, settled

ARMED = {"AlarmName": "a", "ActionsEnabled": True, "AlarmActions": ["topic"], "StateValue": "OK"}


@pytest.mark.parametrize(("code", "faults"), [(401, 0), (403, 0), (200, 1), (500, 1)])
def test_an_api_must_refuse_a_stranger(code, faults):
    client = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(code)))
    assert len(api_faults("https://api.example", client)) == faults
    assert api_faults("http://api.example", client)


@pytest.mark.parametrize(
    ("found", "faults"),
    [
        ([ARMED], 0),
        ([], 1),
        ([ARMED | {"ActionsEnabled": False}], 1),
        ([ARMED | {"AlarmActions": []}], 1),
        ([ARMED | {"StateValue": "ALARM"}], 1),
    ],
    ids=["armed", "missing", "disarmed", "tells-nobody", "sounds"],
)
def test_an_alarm_must_exist_be_armed_and_be_quiet(found, faults):
    assert len(alarm_faults(["a"], found)) == faults


@pytest.mark.parametrize(
    ("looks", "seconds", "left"),
    [
        ([["alarm a sounds"], ["alarm a sounds"], []], 60, []),
        ([["alarm a sounds"], ["alarm a sounds"]], 0, ["alarm a sounds"]),
        ([["alarm a sounds", "alarm b does not exist"]], 60, ["alarm a sounds", "alarm b does not exist"]),
    ],
    ids=["falls-silent", "no-time", "another-fault-is-told-at-once"],
)
def test_only_an_alarm_that_sounds_is_given_time_to_fall_silent(looks, seconds, left):
    told = iter(looks)
    assert settled(lambda: next(told), seconds, sleep=lambda _: None) == left


def test_a_secret_is_told_by_its_place_only_unless_people_have_looked_at_it():
    candidate = {"line_number": 3, "type": "AWS Access Key", "hashed_secret": "SENTINEL"}
    report, nothing = json.dumps({"results": {"x.py": [candidate]}}), json.dumps({"results": {}})
    moved = json.dumps({"results": {"x.py": [candidate | {"line_number": 7}]}})
    assert secrets(report, nothing) == ["x.py:3 AWS Access Key"]
    assert secrets(report, moved) == []
    assert secrets(nothing, report) == [".secrets.baseline is out of date: x.py AWS Access Key"]
