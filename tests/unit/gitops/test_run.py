"""The order of a deployment against a stand-in for the CLI: what is refused changes nothing."""

import json

import pytest

from gitops.errors import RefusedError
from gitops.run import PLAN, SUMMARY, StackRun

COMMIT = "a" * 40


class Cli:
    """Answers as `pulumi` does, and remembers what it was asked."""

    def __init__(self, step, document):
        self.calls = []
        self.step, self.document = step, document
        self.state = {"resources": []}
        self.drifted = False
        self.code = 0

    def __call__(self, arguments, output):
        self.calls.append(list(arguments))
        answer = ""
        if arguments[0] == "refresh":
            new = {"a": 2 if self.drifted else 1}
            answer = self.document(self.step("refresh", "aws:sqs/queue:Queue", "q", old={"a": 1}, new=new))
        elif arguments[0] == "preview":
            answer = self.document(self.step("create", "aws:sqs/queue:Queue", "q", new={"password": "SENTINEL"}))
            if "--save-plan" in arguments:
                plan = arguments[arguments.index("--save-plan") + 1]
                output.with_name(plan.rsplit("/", 1)[-1]).write_text(json.dumps({"resourcePlans": {}}))
        elif arguments[0] == "stack":
            answer = json.dumps({"deployment": self.state})
        output.write_text(answer)
        return self.code if arguments[0] == "preview" else 0

    @property
    def updated(self):
        return any(call[0] == "up" for call in self.calls)


@pytest.fixture
def cli(step, document):
    return Cli(step, document)


@pytest.fixture
def run(cli, tmp_path):
    return StackRun(stack="prod", commit=COMMIT, folder=tmp_path, run=cli, policy_pack=tmp_path / "policy")


def test_what_was_planned_is_applied_with_its_plan_its_preview_and_the_policies(run, cli, tmp_path):
    run.plan()
    run.apply()
    up = next(call for call in cli.calls if call[0] == "up")
    assert up[up.index("--plan") + 1] == str(tmp_path / PLAN)
    assert "--policy-pack" in up
    assert "--skip-preview" not in up
    assert all(call[call.index("--stack") + 1] == "prod" for call in cli.calls)
    assert "SENTINEL" not in (tmp_path / SUMMARY).read_text()


def test_a_drifted_stack_is_not_planned_unless_the_drift_is_to_be_undone(run, cli):
    cli.drifted = True
    with pytest.raises(RefusedError, match="drifted"):
        run.plan()
    assert not (run.folder / PLAN).exists()
    run.plan(restore=True)
    assert (run.folder / PLAN).exists()


def test_a_refused_preview_gives_a_summary_and_no_record(run, cli):
    cli.code = 255
    with pytest.raises(RefusedError):
        run.plan()
    assert (run.folder / SUMMARY).exists()
    assert not (run.folder / "record.json").exists()


def test_a_stack_that_changed_after_the_approval_is_not_updated(run, cli):
    run.plan()
    cli.state = {"resources": [{"urn": "by hand"}]}
    with pytest.raises(RefusedError, match="changed since"):
        run.apply()
    assert not cli.updated


def test_a_stack_that_drifted_after_the_approval_is_not_updated(run, cli):
    run.plan()
    cli.drifted = True
    with pytest.raises(RefusedError, match="outside of the program"):
        run.apply()
    assert not cli.updated


def test_a_drift_that_the_approved_plan_is_to_undo_is_no_reason_to_refuse_it_and_another_one_is(run, cli):
    cli.drifted = True
    run.plan(restore=True)
    run.apply()
    assert cli.updated
    for command in ("preview", "up"):
        assert "--refresh" in next(call for call in cli.calls if call[0] == command), "else the drift is not in it"
    cli.calls.clear()
    cli.drifted = False
    with pytest.raises(RefusedError, match="outside of the program"):
        run.apply()
    assert not cli.updated


def test_a_rule_that_refuses_is_named_though_the_json_of_a_preview_names_none(cli, tmp_path):
    """Lines as CLI 3.220.0 writes them with `--event-log`."""
    refusal = {
        "policyEvent": {"policyName": "logs-kms", "enforcementLevel": "mandatory", "message": "SENTINEL"},
        "sequence": 28,
    }

    def logged(arguments, output):
        code = cli(arguments, output)
        if "--event-log" in arguments:
            events = output.with_name("events.json")
            events.write_text('{"sequence":0,"policyLoadEvent":{}}\n' + json.dumps(refusal) + "\n")
        return code

    cli.code = 255
    run = StackRun(stack="prod", commit=COMMIT, folder=tmp_path, run=logged, policy_pack=tmp_path / "policy")
    with pytest.raises(RefusedError):
        run.plan()
    summary = (tmp_path / SUMMARY).read_text()
    assert "logs-kms" in summary
    assert "SENTINEL" not in summary
