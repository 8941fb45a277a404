"""Drift is told by resource and property, and a refresh that failed is not taken for peace."""

import json

import pytest

from gitops.drift import find_drift, report
from gitops.errors import GitopsError


def test_changed_and_vanished_resources_are_found_and_values_stay_out(step, document):
    text = document(
        step("refresh", "aws:sqs/queue:Queue", "same", old={"a": 1}, new={"a": 1}),
        step(
            "refresh", "aws:s3/bucket:Bucket", "landing", old={"tags": {"by": "us"}}, new={"tags": {"by": "SENTINEL"}}
        ),
        step("delete", "aws:iam/role:Role", "reader", old={"name": "r"}),
    )
    found = find_drift(text)
    assert [(each.name, each.gone, list(each.paths)) for each in found] == [
        ("reader", True, []),
        ("landing", False, ["tags"]),
    ]
    told = report("prod", found)
    assert "`tags`" in told
    assert "SENTINEL" not in told


def test_the_detailed_difference_is_preferred_and_cut_to_the_property(step, document):
    text = document(
        step("refresh", "aws:s3/bucket:Bucket", "b", old={}, new={}, detailedDiff={"tags.by": {}, "rules[0].days": {}})
    )
    assert list(find_drift(text)[0].paths) == ["tags", "rules"]


def test_what_a_service_counts_by_itself_is_no_drift(step, document):
    text = document(step("refresh", "aws:dynamodb/table:Table", "t", old={"itemCount": 1}, new={"itemCount": 2}))
    assert find_drift(text) == []
    assert "None" in report("prod", [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "error: could not load plugin\n",
        json.dumps({"steps": [], "diagnostics": [{"severity": "error", "message": "denied"}]}),
    ],
    ids=["empty", "no-document", "errors"],
)
def test_a_refresh_that_failed_is_an_error_and_not_the_absence_of_drift(text):
    with pytest.raises(GitopsError):
        find_drift(text)


def test_the_expected_no_changes_error_is_the_drift_itself(step, document):
    text = document(
        step("refresh", "aws:s3/bucket:Bucket", "b", old={"a": 1}, new={"a": 2}),
        diagnostics=[{"severity": "error", "message": "no changes were expected but changes occurred"}],
    )
    assert len(find_drift(text)) == 1


def test_a_stack_with_nothing_in_it_yet_has_no_drift():
    """What CLI 3.220.0 prints for it; the first deployment of every stack begins with this."""
    assert find_drift(json.dumps({"config": {"replay:password": "[secret]"}, "duration": 475784})) == []
