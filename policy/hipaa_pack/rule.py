"""What a rule is, and how it becomes a policy of the SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypedDict

from pulumi_policy import (
    EnforcementLevel,
    PolicyComplianceFramework,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Severity,
    StackValidationArgs,
    StackValidationPolicy,
)

from hipaa_pack.reads import UNKNOWN, Values, at, plain
from hipaa_pack.waivers import WAIVERS

_FRAMEWORK = PolicyComplianceFramework(
    name="HIPAA",
    version="2013",
    reference="45 CFR 164 Subpart C",
    specification="Security Standards for the Protection of Electronic Protected Health Information",
)
_LEVELS = {"low": Severity.LOW, "medium": Severity.MEDIUM, "high": Severity.HIGH, "critical": Severity.CRITICAL}

_ENFORCED = {"mandatory": EnforcementLevel.MANDATORY, "advisory": EnforcementLevel.ADVISORY}

Grade = Literal["low", "medium", "high", "critical"]
Level = Literal["mandatory", "advisory"]
ANY = ("*",)
"""The types of a rule about every resource."""


class Metadata(TypedDict):
    """Arguments that the SDK's kinds of policies have in common."""

    name: str
    description: str
    enforcement_level: EnforcementLevel
    severity: Severity
    framework: PolicyComplianceFramework
    tags: list[str]
    remediation_steps: str


@dataclass(frozen=True, kw_only=True)
class About:
    """Metadata that each rule carries; the control matrix is made of it."""

    id: str
    """Kebab-case name, unique in the pack."""
    says: str
    """What has to hold, in one sentence."""
    sections: tuple[str, ...]
    """Sections of 45 CFR 164 that it serves."""
    sources: tuple[str, ...] = ()
    """Public rules that ask for the same (N: cdk-nag HIPAA.Security, C: AWS Config pack, K: checkov)."""
    remedy: str
    """What to change in the program."""
    grade: Grade = "high"
    level: Level = "mandatory"

    def reports(self, report: ReportViolation, resource: str) -> ReportViolation:
        """`report` for one resource, silent where a waiver covers it."""

        def unless_waived(violation: str, urn: str | None = None) -> None:
            if not WAIVERS.cover(self.id, resource):
                report(violation, urn)

        return unless_waived

    def description(self) -> str:
        """What people read beside a violation."""
        return f"{self.says} (45 CFR {', '.join(self.sections)})"

    def metadata(self) -> Metadata:
        """What every policy of the SDK is told beside its function."""
        return {
            "name": self.id,
            "description": self.description(),
            "enforcement_level": _ENFORCED[self.level],
            "severity": _LEVELS[self.grade],
            "framework": _FRAMEWORK,
            "tags": list(self.sources),
            "remediation_steps": self.remedy,
        }


@dataclass(frozen=True, kw_only=True)
class ResourceRule(About):
    """A rule about the inputs of one resource. `check` yields a sentence per violation, never a value of a property."""

    types: tuple[str, ...]
    check: Callable[[Values], Iterable[str]]

    def policy(self) -> ResourceValidationPolicy:
        """The rule as the SDK runs it."""

        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            if args.resource_type in self.types:
                values = plain(args.props)
                WAIVERS.see(args.urn, values)
                for violation in self.check(values):
                    self.reports(report, args.urn)(violation, None)

        return ResourceValidationPolicy(validate=validate, **self.metadata())


@dataclass(frozen=True, kw_only=True)
class AnyRule(About):
    """A rule about every resource, whatever its type: it sees the type and the options, too."""

    find: Callable[[ResourceValidationArgs], Iterable[str]]
    types: tuple[str, ...] = ANY

    def policy(self) -> ResourceValidationPolicy:
        """The rule as the SDK runs it."""

        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            for violation in self.find(args):
                self.reports(report, args.urn)(violation, None)

        return ResourceValidationPolicy(validate=validate, **self.metadata())


@dataclass(frozen=True, kw_only=True)
class CompanionRule(About):
    """Each resource of `types` needs a companion of `companions` whose property `link` points at it."""

    types: tuple[str, ...]
    companions: tuple[str, ...]
    link: str
    identity: tuple[str, ...] = ("id",)
    """Outputs by which a companion may name the resource, for links given as plain text."""
    exempt: Callable[[Values], bool] = lambda _: False

    def violations(self, resources: list[PolicyResource]) -> Iterator[tuple[PolicyResource, str]]:
        """(resource, sentence) for each one without its companion."""
        for resource in resources:
            if resource.resource_type not in self.types:
                continue
            values = plain(resource.props)
            if self.exempt(values):
                continue
            if not any(self._links(companion, resource, values) for companion in resources):
                wanted = self.companions[0].rsplit(":", 1)[1]
                yield resource, f"{resource.name} has no {wanted} of its own: {self.says}"

    def _links(self, companion: PolicyResource, resource: PolicyResource, values: Values) -> bool:
        if companion.resource_type not in self.companions:
            return False
        # a dependency proves the link even while the id is unknown
        linked = companion.property_dependencies.get(self.link, [])
        of_type = [r for r in linked if r.resource_type in self.types]
        if of_type:
            return any(r.urn == resource.urn for r in of_type)
        named = at(plain(companion.props), self.link)
        known = [v for name in self.identity if (v := at(values, name)) not in (None, UNKNOWN)]
        return named is not UNKNOWN and named in known

    def policy(self) -> StackValidationPolicy:
        """The rule as the SDK runs it: over the whole stack, so it gates in preview."""
        return _stack_policy(self)


@dataclass(frozen=True, kw_only=True)
class StackRule(About):
    """A rule over several resources that is no simple companionship."""

    find: Callable[[list[PolicyResource]], Iterator[tuple[PolicyResource, str]]]
    types: tuple[str, ...] = ()

    def violations(self, resources: list[PolicyResource]) -> Iterator[tuple[PolicyResource, str]]:
        """(resource, sentence) of each violation."""
        return self.find(resources)

    def policy(self) -> StackValidationPolicy:
        """The rule as the SDK runs it."""
        return _stack_policy(self)


def _stack_policy(rule: CompanionRule | StackRule) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        for resource, violation in rule.violations(args.resources):
            rule.reports(report, resource.urn)(violation, resource.urn)

    return StackValidationPolicy(validate=validate, **rule.metadata())


Rule = ResourceRule | AnyRule | CompanionRule | StackRule
