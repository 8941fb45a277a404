"""The few calls to GitHub: a comment that is found again, and deployments as the record of what runs where.

The deployments that GitHub makes by itself for a job with an environment have the task `deploy` and say only that a job
ended; ours have the task `pulumi-up` and carry the plan's digest.
https://docs.github.com/en/rest/deployments/deployments
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, cast

import httpx

from gitops.errors import GitopsError
from gitops.promotion import Deployment

TASK: Final = "pulumi-up"
_PAGE: Final = 100


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """What decides about a pull request's stack."""

    open: bool
    labels: frozenset[str]


class GitHub:
    """One repository through its REST API; `repository` is OWNER/NAME."""

    def __init__(self, repository: str, token: str, *, api: str, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(
            base_url=f"{api}/repos/{repository}",
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            timeout=30,
            transport=transport,
        )

    def put_comment(self, number: int, marker: str, body: str) -> str:
        """Write the comment that begins with `marker`, over the earlier one if it is there; answers its address."""
        mine = (
            comment
            for comment in self._pages(f"/issues/{number}/comments")
            if str(comment.get("body", "")).startswith(marker) and _is_bot(comment)
        )
        earlier = next(mine, None)
        if earlier is None:
            done = self._call("POST", f"/issues/{number}/comments", {"body": body})
        else:
            done = self._call("PATCH", f"/issues/comments/{earlier['id']}", {"body": body})
        return str(done["html_url"])

    def put_issue(self, marker: str, title: str, body: str, *, wanted: bool) -> str | None:
        """Open or renew the one issue that begins with `marker`; close it when it is not `wanted` any more."""
        mine = (issue for issue in self._pages("/issues?state=open") if str(issue.get("body", "")).startswith(marker))
        earlier = next(mine, None)
        if earlier is None:
            return str(self._call("POST", "/issues", {"title": title, "body": body})["html_url"]) if wanted else None
        change = {"body": body} if wanted else {"body": body, "state": "closed"}
        return str(self._call("PATCH", f"/issues/{earlier['number']}", change)["html_url"])

    def record(self, deployment: Deployment) -> None:
        """Write a deployment and its state, so that the next stage can ask for it."""
        made = self._call(
            "POST",
            "/deployments",
            {
                "ref": deployment.commit,
                "task": TASK,
                "environment": deployment.stack,
                "auto_merge": False,
                "required_contexts": [],
                "payload": asdict(deployment),
            },
        )
        state = {"state": "success" if deployment.succeeded else "failure", "log_url": deployment.run_url}
        self._call("POST", f"/deployments/{made['id']}/statuses", state)

    def deployments(self, stack: str) -> Iterator[Deployment]:
        """Every deployment that `record` wrote for a stack, newest first; without a final state it did not succeed."""
        for found in self._pages(f"/deployments?environment={stack}&task={TASK}"):
            states = self._get(f"/deployments/{found['id']}/statuses?per_page=1")
            payload = cast("dict[str, Any]", found.get("payload") or {})
            yield Deployment(
                stack=stack,
                commit=str(found["sha"]),
                succeeded=bool(states) and states[0].get("state") == "success",
                at=str(found["created_at"]),
                plan_digest=str(payload.get("plan_digest", "")),
                run_url=str(payload.get("run_url", "")),
            )

    def pull_request(self, number: int) -> PullRequest:
        """State and labels. Raises GitopsError for a number that is no pull request."""
        found = cast("dict[str, Any]", self._answer(self._client.get(f"/pulls/{number}")))
        labels = frozenset(str(label["name"]) for label in found["labels"])
        return PullRequest(open=found["state"] == "open", labels=labels)

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        joint = "&" if "?" in path else "?"
        page = 1
        while True:
            rows = self._get(f"{path}{joint}per_page={_PAGE}&page={page}")
            yield from rows
            if len(rows) < _PAGE:
                return
            page += 1

    def _get(self, path: str) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", self._answer(self._client.get(path)))

    def _call(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return cast("dict[str, Any]", self._answer(self._client.request(method, path, json=body)))

    @staticmethod
    def _answer(response: httpx.Response) -> object:
        if response.is_success:
            return response.json()
        # the body of an answer can quote what was sent: the code and the operation are enough
        raise GitopsError(
            f"GitHub answered {response.status_code} to {response.request.method}: does the job's token have the right?"
        )


def _is_bot(comment: dict[str, Any]) -> bool:
    """A person who quotes the marker must not have their words overwritten."""
    return cast("dict[str, Any]", comment.get("user") or {}).get("type") == "Bot"
