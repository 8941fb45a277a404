"""A plan is applied only as it was approved: same file, same commit, same state, in time."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from gitops.errors import GitopsError, RefusedError
from gitops.plan import MAX_AGE, PlanRecord, check_plan, record_plan, state_digest
from gitops.redaction import SECRET_SIGNATURE

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COMMIT = "a" * 40
PLAN = {"manifest": {}, "resourcePlans": {"urn": {"steps": ["update"]}}}


def export(outputs=None, **rest):
    deployment = {"manifest": {"time": rest.pop("time", "t")}, "resources": [{"urn": "u", "outputs": outputs or {}}]}
    return json.dumps({"version": 3, "deployment": deployment | rest})


@pytest.fixture
def files(tmp_path):
    plan, state = tmp_path / "plan.json", tmp_path / "state.json"
    plan.write_text(json.dumps(PLAN))
    state.write_text(export())
    return plan, state


@pytest.fixture
def record(files):
    return record_plan(stack="prod", commit=COMMIT, plan=files[0], state=files[1], now=NOW)


def check(record, files, **changed):
    given = {"stack": "prod", "commit": COMMIT, "plan": files[0], "state": files[1], "now": NOW} | changed
    check_plan(PlanRecord.loads(record.dumps()), **given)


def test_an_untouched_plan_passes(record, files):
    check(record, files)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"stack": "staging"}, "for the stack prod"),
        ({"commit": "b" * 40}, "for commit"),
        ({"now": NOW + MAX_AGE + timedelta(hours=1)}, "hours old"),
        ({"now": NOW - timedelta(hours=1)}, "hours old"),
    ],
    ids=["other-stack", "other-commit", "too-old", "from-the-future"],
)
def test_a_plan_for_something_else_is_refused(changed, reason, record, files):
    with pytest.raises(RefusedError, match=reason):
        check(record, files, **changed)


def test_another_plan_file_is_refused(record, files):
    files[0].write_text(json.dumps(PLAN | {"resourcePlans": {}}))
    with pytest.raises(RefusedError, match="not the one that was recorded"):
        check(record, files)


def test_a_state_that_changed_since_is_refused(record, files):
    files[1].write_text(export({"tags": {"by": "hand"}}))
    with pytest.raises(RefusedError, match="has changed since"):
        check(record, files)


def test_the_digest_ignores_when_the_state_was_written_and_how_secrets_were_encrypted_this_time():
    def state(ciphertext, time):
        return export(
            {"password": {SECRET_SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": ciphertext}}, time=time
        )

    assert state_digest(state("one", "today")) == state_digest(state("two", "tomorrow"))
    assert state_digest(state("one", "today")) != state_digest(export({"password": "clear"}))


def test_a_state_with_pending_operations_is_refused():
    with pytest.raises(RefusedError, match="cut off"):
        state_digest(export(pending_operations=[{"type": "creating"}]))


def test_a_plan_with_a_credential_in_clear_is_not_recorded(files):
    files[0].write_text(json.dumps(PLAN | {"config": "AKIAIOSFODNN7EXAMPLE"}))
    with pytest.raises(RefusedError, match="1 credentials in clear"):
        record_plan(stack="prod", commit=COMMIT, plan=files[0], state=files[1])


@pytest.mark.parametrize("content", ["", "[]", "{}", "{"], ids=["empty", "list", "object", "cut"])
def test_what_is_no_plan_no_state_and_no_record_is_said_so(content, files):
    files[0].write_text(content)
    with pytest.raises(GitopsError):
        record_plan(stack="prod", commit=COMMIT, plan=files[0], state=files[1])
    with pytest.raises(GitopsError):
        state_digest(content)
    with pytest.raises(GitopsError):
        PlanRecord.loads(content)


def test_the_ciphertexts_of_a_plan_are_no_credentials_and_a_secret_in_clear_is_one(files):
    cipher = "v1:ufGsxYjML6Z0xxBt:Fi6UWPi3ZQ3QH463gFpdidmvodq/iOMMIwA="
    secret = {SECRET_SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "ciphertext": cipher}
    whole = PLAN | {"config": {"imaging:pager": {"secure": cipher}}, "inputs": {"secretString": secret}}
    files[0].write_text(json.dumps(whole))
    assert record_plan(stack="prod", commit=COMMIT, plan=files[0], state=files[1])
    for leak in ({"secretString": cipher}, {"secretString": secret | {"plaintext": "AKIAIOSFODNN7EXAMPLE"}}):
        files[0].write_text(json.dumps(whole | {"inputs": leak}))
        with pytest.raises(RefusedError, match="in clear"):
            record_plan(stack="prod", commit=COMMIT, plan=files[0], state=files[1])
