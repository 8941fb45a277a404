"""The only reader of the bootstrap's configuration, checked before any resource exists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pulumi
from pydantic import Field, ValidationError, model_validator

from components._configuration_base import Group, WrittenAs, refusal
from components._configuration_logs import OperationsDays

PROJECT = "healthcare-imaging-bootstrap"
Environment = Annotated[str, WrittenAs(r"[a-z][a-z0-9-]{0,20}", "be the name of a stack: small letters, digits, -")]
GitHubName = Annotated[str, WrittenAs(r"[A-Za-z0-9._-]{1,100}", "be a name as GitHub has it, no star, no slash")]


class GitHubSettings(Group):
    """Whose workflows may take the roles.

    Repositories made, renamed or moved since 15 July 2026 carry the numbers in their tokens' subject
    (`repo:OWNER@1/REPO@2:environment:prod`), older ones the names alone.
    """

    owner: GitHubName
    """Person or organization."""
    owner_id: int = Field(ge=1)
    """GitHub's number of the owner; a recycled name has another one."""
    repository: GitHubName
    """Name without the owner."""
    repository_id: int = Field(ge=1)
    """GitHub's number of the repository."""
    subjects: Literal["ids", "names", "both"] = "ids"
    """Which form of the subject is let in; `both` only while a repository changes over."""

    def subjects_for(self, environment: str) -> list[str]:
        """The exact subjects of jobs in one GitHub environment."""
        names = f"repo:{self.owner}/{self.repository}:environment:{environment}"
        ids = f"repo:{self.owner}@{self.owner_id}/{self.repository}@{self.repository_id}:environment:{environment}"
        return {"ids": [ids], "names": [names], "both": [ids, names]}[self.subjects]


class StateSettings(Group):
    """The state bucket."""

    noncurrent_version_days: int = Field(default=365, ge=30, le=3650)
    """Days that an old state can be brought back."""
    access_log_days: int = Field(default=2557, ge=365, le=3653)
    """Days that it is known who read the state."""
    object_lock_days: int | None = Field(default=None, ge=1, le=365)
    """Days in which no version can be removed (mode GOVERNANCE); absent: no lock."""

    @model_validator(mode="after")
    def _locked_no_longer_than_kept(self) -> Self:
        if self.object_lock_days is not None and self.object_lock_days > self.noncurrent_version_days:
            raise refusal("objectLockDays", self.object_lock_days, "be at most noncurrentVersionDays")
        return self


class JobLogSettings(Group):
    """Logs of SageMaker's jobs, whose groups have the same names for every stack of the account (docs/adr/0006)."""

    days: OperationsDays = 30
    """Days that a line is kept: how training ran, nothing of patients."""


class PreviewSettings(Group):
    """A pull request's preview."""

    decrypts_secrets: bool = False
    """The preview may use the environment's secrets key, which an online preview needs; its code is the request's."""


class TagSettings(Group):
    """Who answers and who pays."""

    owner: str = Field(min_length=1, max_length=256)
    """The team that answers for the account's bootstrap."""
    cost_center: str = Field(min_length=1, max_length=256)
    """Who pays."""


class Settings(Group):
    """All that an account decides."""

    environments: tuple[Environment, ...] = Field(min_length=1)
    """Stacks of the platform in this account."""
    github: GitHubSettings
    state: StateSettings = StateSettings()
    job_logs: JobLogSettings = JobLogSettings()
    preview: PreviewSettings = PreviewSettings()
    review: bool = False
    """One more environment, whose stacks review-NUMBER belong to pull requests: only where no patient's data is."""
    tags: TagSettings

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.environments)) < len(self.environments):
            raise refusal("environments", ", ".join(self.environments), "name every environment once")
        if self.review and any(name.startswith("review") for name in self.environments):
            raise refusal("environments", ", ".join(self.environments), "leave the names review... to pull requests")
        for name in self.environments:  # rights are given by prefix: `prod-*` would reach what belongs to `prod-eu`
            if any(other.startswith(f"{name}-") for other in self.environments):
                raise refusal("environments", name, "not be the beginning of another environment's name")
        if "state" in self.environments:
            raise refusal("environments", "state", "not be called as the state bucket is")
        return self


def load() -> Settings:
    """The running stack's settings. Raises pulumi.RunError with a sentence a problem."""
    config = pulumi.Config(PROJECT)
    names = [field.alias or name for name, field in Settings.model_fields.items()]
    given = {name: value for name in names if (value := config.get_object(name)) is not None}
    return parse(given)


def parse(values: Mapping[str, Any]) -> Settings:
    """Settings without the engine. Raises pulumi.RunError with a sentence a problem."""
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as error:
        problems = [_sentence(problem) for problem in error.errors(include_url=False)]
        raise pulumi.RunError("\n".join(dict.fromkeys(problems))) from error


def _sentence(problem: Any) -> str:
    context: dict[str, Any] = problem.get("ctx", {})
    path = [*problem["loc"], *([context["key"]] if "key" in context else [])]
    return f"{PROJECT}:{'.'.join(str(part) for part in path)}: {problem['msg']}"
