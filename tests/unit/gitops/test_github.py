"""Comments are found again on long pull requests, people's comments are left alone, deployments are the record."""

import json

import httpx
import pytest

from gitops.errors import GitopsError
from gitops.github import TASK, GitHub
from gitops.promotion import Deployment

MARKER = "<!-- gitops:preview:dev -->"


class Forge:
    """A small GitHub: comments and deployments of one repository."""

    def __init__(self):
        self.comments = []
        self.deployments = []
        self.calls = []
        self.refuse = False

    def __call__(self, request):  # noqa: PLR0911  (one line for each operation)
        self.calls.append((request.method, request.url.path))
        if self.refuse:
            return httpx.Response(403, json={"message": "Resource not accessible, body was SENTINEL"})
        query = request.url.params
        page, size = int(query.get("page", 1)), int(query.get("per_page", 30))
        body = json.loads(request.content) if request.content else {}
        path = request.url.path
        if request.method == "GET" and path.endswith("/comments"):
            return httpx.Response(200, json=self.comments[(page - 1) * size : page * size])
        if request.method == "GET" and path.endswith("/deployments"):
            assert query["task"] == TASK
            return httpx.Response(200, json=[d for d in self.deployments if d["environment"] == query["environment"]])
        if request.method == "GET" and path.endswith("/statuses"):
            return httpx.Response(200, json=self.deployments[int(path.split("/")[-2])]["statuses"])
        if path.endswith("/deployments"):
            made = body | {"id": len(self.deployments), "sha": body["ref"], "created_at": "2026-11-21", "statuses": []}
            self.deployments.append(made)
            return httpx.Response(201, json=made)
        if path.endswith("/statuses"):
            self.deployments[int(path.split("/")[-2])]["statuses"].insert(0, body)
            return httpx.Response(201, json=body)
        return httpx.Response(200, json={"html_url": f"https://forge.example{path}"})


@pytest.fixture
def forge():
    return Forge()


@pytest.fixture
def github(forge):
    return GitHub("owner/name", "token", api="https://forge.example", transport=httpx.MockTransport(forge))


def by(kind, number, body):
    return {"id": number, "body": body, "user": {"type": kind}}


def test_the_comment_is_found_beyond_the_first_hundred_and_written_over(forge, github):
    forge.comments = [by("User", n, "talk") for n in range(230)] + [by("Bot", 230, f"{MARKER}\nold")]
    assert github.put_comment(7, MARKER, f"{MARKER}\nnew").endswith("/issues/comments/230")
    assert forge.calls[-1][0] == "PATCH"


def test_a_person_who_quotes_the_marker_is_not_written_over(forge, github):
    forge.comments = [by("User", 1, f"{MARKER}\nquoted")]
    github.put_comment(7, MARKER, f"{MARKER}\nnew")
    assert forge.calls[-1] == ("POST", "/repos/owner/name/issues/7/comments")


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_recorded_deployment_is_read_back(succeeded, forge, github):
    done = Deployment(
        stack="dev", commit="a" * 40, succeeded=succeeded, at="2026-11-21", plan_digest="d", run_url="https://x"
    )
    github.record(done)
    assert list(github.deployments("dev")) == [done]
    assert list(github.deployments("prod")) == []


def test_a_deployment_without_a_final_state_has_not_succeeded(forge, github):
    github.record(Deployment(stack="dev", commit="a" * 40, succeeded=True, at="2026-11-21"))
    forge.deployments[0]["statuses"] = []
    assert not next(github.deployments("dev")).succeeded


def test_a_refusal_of_github_tells_its_code_and_quotes_nothing(forge, github):
    forge.refuse = True
    with pytest.raises(GitopsError, match="403") as told:
        github.put_comment(7, MARKER, MARKER)
    assert "SENTINEL" not in str(told.value)
