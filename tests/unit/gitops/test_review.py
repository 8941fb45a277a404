"""Review stacks: named by their number, configured like dev less what an account has once, and gone in time."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from components import settings
from gitops.errors import GitopsError, RefusedError
from gitops.github import GitHub, PullRequest
from gitops.review import LABEL, ReviewStack, configuration, expired, number_of, read_stacks, secrets_of, stack_of

ROOT = Path(__file__).resolve().parents[3]
PROJECT = "healthcare-imaging-mlops"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OPEN = PullRequest(open=True, labels=frozenset({LABEL, "other"}))


@pytest.mark.parametrize("name", ["dev", "staging", "prod", "review", "review-", "review-0", "review-1x", "xreview-1"])
def test_nothing_but_a_number_names_a_review_stack(name):
    assert number_of(name) is None


def test_a_number_and_its_stack_name_each_other():
    assert number_of(stack_of(412)) == 412


def test_the_configuration_is_that_of_dev_without_what_an_account_has_once():
    secrets = {"secretsprovider": "awskms:///alias/x", "encryptedkey": "AQ=="}
    made = yaml.safe_load(configuration((ROOT / "Pulumi.dev.yaml").read_text(), PROJECT, secrets))
    assert {key: made[key] for key in secrets} == secrets
    own = {key.split(":")[1]: value for key, value in made["config"].items() if key.startswith(PROJECT)}
    parsed = settings.parse(own, stack="review-412")
    assert parsed.security.permissions_boundary == f"{PROJECT}-review-boundary"
    assert parsed.storage.direct_access_principals == (f"{PROJECT}-review-deploy",)
    guards = parsed.security
    assert not any((guards.trail, guards.detection, guards.config_recorder, guards.account_defaults))
    assert parsed.monitoring.alert_emails == (), "nobody is woken by somebody's experiment"
    assert "-dev-" not in json.dumps(made)


def test_only_review_stacks_of_the_backend_are_read():
    rows = [
        {"name": "prod", "lastUpdate": "2026-11-01T00:00:00.000Z"},
        {"name": "organization/project/review-9", "lastUpdate": "2026-11-20T00:00:00.000Z"},
        {"name": "review-3"},
    ]
    found = read_stacks(json.dumps(rows))
    assert [(one.number, one.updated) for one in found] == [(3, None), (9, datetime(2026, 11, 20, tzinfo=UTC))]


@pytest.mark.parametrize(
    ("request_", "hours", "reason"),
    [
        (OPEN, 71, None),
        (OPEN, None, None),
        (OPEN, 73, "73 hours"),
        (PullRequest(open=False, labels=frozenset({LABEL})), 1, "closed"),
        (PullRequest(open=True, labels=frozenset({"other"})), None, "label"),
    ],
    ids=["young", "never-made", "left-alone", "closed", "unlabelled"],
)
def test_a_stack_goes_when_its_request_its_label_or_its_time_is_over(request_, hours, reason):
    at = (NOW - timedelta(hours=hours)).isoformat() if hours else None
    stacks = read_stacks(json.dumps([{"name": "review-5", "lastUpdate": at}]))
    found = expired(stacks, lambda number: request_, NOW, timedelta(hours=72))
    assert [number for number, _ in found] == ([5] if reason else [])
    assert all(reason in why for _, why in found)


def test_a_pull_request_is_read_from_github_and_an_unknown_number_is_an_error():
    def answer(request):
        known = request.url.path == "/repos/owner/name/pulls/5"
        body = {"state": "open", "labels": [{"name": LABEL}, {"name": "other"}]} if known else {}
        return httpx.Response(200 if known else 404, json=body)

    github = GitHub("owner/name", "token", api="https://forge.example", transport=httpx.MockTransport(answer))
    assert github.pull_request(5) == OPEN
    with pytest.raises(GitopsError, match="404"):
        github.pull_request(6)


@pytest.mark.parametrize(
    ("provider", "keys"),
    [
        ({"type": "passphrase", "state": {"salt": "v1:s"}}, {"encryptionsalt": "v1:s"}),
        (
            {"type": "cloud", "state": {"url": "awskms:///a", "encryptedkey": "k"}},
            {"secretsprovider": "awskms:///a", "encryptedkey": "k"},
        ),
        (None, {}),
    ],
    ids=["passphrase", "kms", "none-yet"],
)
def test_how_secrets_are_kept_is_read_back_from_the_state(provider, keys):
    assert secrets_of({"deployment": {"secrets_providers": provider}}) == keys


class Engine:
    """`pulumi` as far as a review stack calls it; `fails` is the word of the command that ends badly."""

    def __init__(self, *stacks: str, fails: str = ""):
        self.stacks, self.fails, self.called = list(stacks), fails, []

    def __call__(self, arguments: Sequence[str], output: Path) -> int:
        self.called.append(" ".join(arguments[:2]))
        answers = {
            "stack ls": json.dumps([{"name": name} for name in self.stacks]),
            "stack export": json.dumps({"deployment": {}}),
            "preview --json": json.dumps({"steps": []}),
        }
        output.write_text(answers.get(self.called[-1], ""))
        if arguments[:2] == ["stack", "init"]:
            self.stacks.append(arguments[2])
        return int(arguments[0] == self.fails)


@pytest.fixture
def review(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text(f"name: {PROJECT}\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")

    def make(engine: Engine) -> ReviewStack:
        return ReviewStack(
            number=7, project=tmp_path, folder=tmp_path / "build", run=engine, secrets_provider="passphrase"
        )

    return make


def test_a_stack_is_made_once_and_its_preview_is_the_comment(review, tmp_path):
    engine = Engine("dev")
    assert "review-7" in review(engine).up("c" * 40)
    review(engine).up("d" * 40)
    assert engine.called.count("stack init") == 1
    assert engine.called.count("up --yes") == 2
    assert f"{PROJECT}:security" in (tmp_path / "Pulumi.review-7.yaml").read_text()


def test_a_refused_preview_changes_nothing(review):
    engine = Engine("review-7", fails="preview")
    with pytest.raises(RefusedError):
        review(engine).up("c" * 40)
    assert "up --yes" not in engine.called


def test_what_is_not_removed_is_an_error_that_says_so_and_what_is_not_there_is_none(review):
    assert review(Engine("dev", "review-71")).down() is False
    engine = Engine("review-7")
    assert review(engine).down() is True
    assert engine.called[-1] == "destroy --yes"
    with pytest.raises(GitopsError, match="nothing else will remove it"):
        review(Engine("review-7", fails="destroy")).down()
