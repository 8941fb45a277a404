"""Review stacks: a pull request with the label has a stack of its own until it is closed, unlabelled or left alone.

A review stack is named by its number alone, so none of this can reach a stage of promotion. Its configuration is that
of the first stage, less what an account has only once; nothing of it is committed: what the engine needs to know of
its secrets is read back from its state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import yaml

from gitops.errors import GitopsError, RefusedError
from gitops.github import PullRequest
from gitops.promotion import STAGES
from gitops.run import SUMMARY, Run, StackRun

Json = dict[str, Any]

LABEL: Final = "review-stack"
ENVIRONMENT: Final = "review"
"""The bootstrap's environment, whose roles reach every review stack and nothing else."""
MODEL: Final = STAGES[0]
_NAME: Final = re.compile(rf"{ENVIRONMENT}-([1-9]\d{{0,6}})")
ONCE_AN_ACCOUNT: Final[Json] = {
    "security": {"trail": False, "detection": False, "configRecorder": False, "accountDefaults": False},
    "monitoring": {"alertEmails": [], "dashboards": False},
}
"""What the model's stack holds for the whole account already, or what would write to its people."""


def stack_of(number: int) -> str:
    """Name of a pull request's stack."""
    return f"{ENVIRONMENT}-{number}"


def number_of(stack: str) -> int | None:
    """The pull request of a stack; None when it is no review stack."""
    found = _NAME.fullmatch(stack)
    return int(found[1]) if found else None


def configuration(model: str, project: str, secrets: Json) -> str:
    """The stack file of a review stack from that of the model; `secrets` are the engine's own keys of it."""
    config = cast("Json", yaml.safe_load(model)["config"])
    renamed = _renamed(config, f"{project}-{MODEL}-", f"{project}-{ENVIRONMENT}-")
    for group, values in ONCE_AN_ACCOUNT.items():
        renamed.setdefault(f"{project}:{group}", {}).update(values)
    return yaml.safe_dump({**secrets, "config": renamed}, sort_keys=False)


def _renamed(value: Any, old: str, new: str) -> Any:
    """Names of the model's own roles and policies become those of the review environment."""
    if isinstance(value, dict):
        return {key: _renamed(one, old, new) for key, one in cast("Json", value).items()}
    if isinstance(value, list):
        return [_renamed(one, old, new) for one in cast("list[Any]", value)]
    return value.replace(old, new, 1) if isinstance(value, str) and value.startswith(old) else value


@dataclass(frozen=True, kw_only=True)
class Existing:
    """One review stack of the backend; `updated` is None while nothing was ever made in it."""

    number: int
    updated: datetime | None


def read_stacks(text: str) -> list[Existing]:
    """The review stacks in `pulumi stack ls --json`, by number."""
    found: list[Existing] = []
    for row in cast("list[Json]", json.loads(text)):
        number = number_of(str(row["name"]).rsplit("/", 1)[-1])
        if number is not None:
            at = row.get("lastUpdate")
            found.append(Existing(number=number, updated=datetime.fromisoformat(str(at)) if at else None))
    return sorted(found, key=lambda one: one.number)


def expired(
    stacks: Iterable[Existing], ask: Callable[[int], PullRequest], now: datetime, max_age: timedelta
) -> list[tuple[int, str]]:
    """(number, reason) of each stack that should be gone: GitHub loses events, and people forget."""
    found: list[tuple[int, str]] = []
    for stack in stacks:
        request = ask(stack.number)
        age = now - stack.updated if stack.updated else timedelta()
        if not request.open:
            found.append((stack.number, "its pull request is closed"))
        elif LABEL not in request.labels:
            found.append((stack.number, f"the label {LABEL} is gone"))
        elif age > max_age:
            found.append((stack.number, f"nothing was changed in it for {age.total_seconds() / 3600:.0f} hours"))
    return found


@dataclass(frozen=True, kw_only=True)
class ReviewStack:
    """One pull request's stack.

    Attributes:
        project: folder of `Pulumi.yaml`, where the stack's file is written.
        run: how `pulumi` is called; its standard output goes into `folder`.
        policy_pack: as of `StackRun`.
        secrets_provider: of a stack that is made; the bootstrap's output `review_secrets_provider`.
    """

    number: int
    project: Path
    folder: Path
    run: Run
    secrets_provider: str
    policy_pack: Path | None = None

    @property
    def stack(self) -> str:
        """Its name."""
        return stack_of(self.number)

    def up(self, commit: str, run_url: str = "") -> str:
        """Make it, or bring it to what the checkout says; the comment that tells what that changed.

        Raises RefusedError when the preview fails or a policy refuses: nothing is changed then.
        """
        if not self.exists():
            self._call("init.txt", "stack", "init", self.stack, "--secrets-provider", self.secrets_provider)
        self._write_configuration()
        shown = StackRun(
            stack=self.stack,
            commit=commit,
            folder=self.folder,
            run=self.run,
            policy_pack=self.policy_pack,
            run_url=run_url,
        )
        if not shown.preview(save_plan=False).complete:
            raise RefusedError(f"The preview of {self.stack} failed, or a policy refused it: see {SUMMARY}.")
        pack = ["--policy-pack", str(self.policy_pack)] if self.policy_pack else []
        self._call("up.log", "up", "--yes", "--suppress-outputs", *pack, "--stack", self.stack)
        return (self.folder / SUMMARY).read_text() + said(self.number)

    def down(self) -> bool:
        """Remove it with all that it holds; False when there was none. Raises GitopsError when something is left."""
        if not self.exists():
            return False
        self._write_configuration()
        self._call("unprotect.txt", "state", "unprotect", "--all", "--yes", "--stack", self.stack)
        code, _ = self._run("destroy.log", "destroy", "--yes", "--remove", "--suppress-outputs", "--stack", self.stack)
        if code:
            raise GitopsError(
                f"{self.stack} is not removed, and nothing else will remove it: see destroy.log. A data store that "
                "somebody put images into has to be emptied by an operator first."
            )
        return True

    def exists(self) -> bool:
        """True when the backend has it."""
        return any(one.number == self.number for one in self.all())

    def all(self) -> list[Existing]:
        """Every review stack of the backend."""
        return read_stacks(self._call("stacks.json", "stack", "ls", "--json"))

    def _write_configuration(self) -> None:
        project = str(yaml.safe_load((self.project / "Pulumi.yaml").read_text())["name"])
        model = (self.project / f"Pulumi.{MODEL}.yaml").read_text()
        state = cast("Json", json.loads(self._call("state.json", "stack", "export", "--stack", self.stack)))
        text = configuration(model, project, secrets_of(state))
        (self.project / f"Pulumi.{self.stack}.yaml").write_text(text)

    def _call(self, name: str, *arguments: str) -> str:
        code, output = self._run(name, *arguments)
        if code:
            raise GitopsError(f"`pulumi {' '.join(arguments[:2])}` failed on {self.stack}: its errors are above.")
        return output

    def _run(self, name: str, *arguments: str) -> tuple[int, str]:
        self.folder.mkdir(parents=True, exist_ok=True)
        code = self.run([*arguments, "--non-interactive"], self.folder / name)
        return code, (self.folder / name).read_text()


def secrets_of(state: Json) -> Json:
    """The keys of a stack file that say how its secrets are kept, from the stack's own state."""
    deployment = cast("Json", state.get("deployment") or {})
    kept = cast("Json", deployment.get("secrets_providers") or {})
    told = cast("Json", kept.get("state") or {})
    if kept.get("type") == "passphrase":
        return {"encryptionsalt": str(told["salt"])}
    if kept.get("type") == "cloud":
        return {"secretsprovider": str(told["url"]), "encryptedkey": str(told["encryptedkey"])}
    return {}


def said(number: int) -> str:
    """The end of the comment: how long it stays."""
    return (
        f"\n`{stack_of(number)}` is up, with invented data only. It goes when the pull request is closed, when the "
        f"label `{LABEL}` is taken away, and by itself when nothing changed it for some days.\n"
    )
