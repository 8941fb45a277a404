"""A commit goes from stage to stage, and back only to where a stage has been."""

import subprocess

import pytest

from gitops.errors import GitopsError, RefusedError
from gitops.promotion import STAGES, Deployment, check_promotion, check_rollback, git_ancestry, read_deployments

FIRST, SECOND, THIRD, ELSEWHERE = (digit * 40 for digit in "123e")
ORDER = {FIRST: 1, SECOND: 2, THIRD: 3, "main": 9}


def is_ancestor(older, newer):
    return older in ORDER and newer in ORDER and ORDER[older] <= ORDER[newer]


def ran(stack, commit, at, succeeded=True):
    return Deployment(stack=stack, commit=commit, succeeded=succeeded, at=f"2026-11-21T{at:02d}:00:00+00:00")


def test_the_stages_are_in_the_order_of_risk():
    assert STAGES == ("dev", "staging", "prod")


def test_any_commit_of_main_may_go_to_the_first_stage():
    assert check_promotion("dev", FIRST, [], is_ancestor)


def test_a_commit_that_the_stage_before_runs_is_promoted():
    assert check_promotion("prod", FIRST, [ran("staging", FIRST, 1)], is_ancestor)


@pytest.mark.parametrize(
    "history",
    [
        [],
        [ran("dev", FIRST, 1)],
        [ran("staging", SECOND, 1)],
        [ran("staging", FIRST, 1, succeeded=False)],
        [ran("staging", FIRST, 1), ran("staging", FIRST, 2, succeeded=False)],
    ],
    ids=["nothing", "skips-a-stage", "another-commit", "failed-there", "failed-there-later"],
)
def test_a_commit_that_the_stage_before_does_not_run_is_refused(history):
    with pytest.raises(RefusedError):
        check_promotion("prod", FIRST, history, is_ancestor)


def test_a_commit_that_is_not_on_main_is_refused_everywhere():
    with pytest.raises(RefusedError, match="not on main"):
        check_promotion("dev", ELSEWHERE, [], is_ancestor)
    with pytest.raises(RefusedError, match="not on main"):
        check_rollback("prod", ELSEWHERE, [ran("prod", ELSEWHERE, 1)], is_ancestor)


@pytest.mark.parametrize("commit", ["main", "1234567", "--help", "Z" * 40, ""])
def test_a_name_that_can_move_is_no_commit(commit):
    with pytest.raises(GitopsError, match="40 digits"):
        check_promotion("dev", commit, [], is_ancestor)


def test_a_stage_goes_back_to_a_commit_that_ran_in_it():
    history = [ran("prod", FIRST, 1), ran("prod", SECOND, 2)]
    assert check_rollback("prod", FIRST, history, is_ancestor)


@pytest.mark.parametrize(
    ("commit", "history", "reason"),
    [
        (FIRST, [ran("staging", FIRST, 1), ran("prod", SECOND, 2)], "never ran"),
        (FIRST, [ran("prod", FIRST, 1, succeeded=False), ran("prod", SECOND, 2)], "never ran"),
        (SECOND, [ran("prod", SECOND, 2)], "already"),
        (THIRD, [ran("prod", THIRD, 1), ran("prod", FIRST, 2)], "newer"),
    ],
    ids=["ran-elsewhere", "failed-here", "runs-now", "forward"],
)
def test_other_ways_back_are_refused(commit, history, reason):
    with pytest.raises(RefusedError, match=reason):
        check_rollback("prod", commit, history, is_ancestor)


def test_an_unknown_stack_is_said_by_name():
    with pytest.raises(GitopsError, match="pr-7"):
        check_promotion("pr-7", FIRST, [], is_ancestor)


def test_records_survive_a_file_and_a_broken_line_is_named():
    line = ran("dev", FIRST, 1).line()
    assert read_deployments(f"{line}\n\n{line}\n") == [ran("dev", FIRST, 1)] * 2
    with pytest.raises(GitopsError, match="Line 2"):
        read_deployments(f'{line}\n{{"stack": 1}}\n')


def test_git_answers_about_ancestry_and_refuses_to_guess_about_unknown_commits(tmp_path):
    def git(*arguments):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        done = subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    commits = []
    for n in range(2):
        git("commit", "-q", "--allow-empty", "-m", str(n))
        commits.append(git("rev-parse", "HEAD"))
    ask = git_ancestry(tmp_path)
    assert ask(commits[0], "main")
    assert not ask(commits[1], commits[0])
    with pytest.raises(GitopsError, match="whole history"):
        ask(ELSEWHERE, "main")
