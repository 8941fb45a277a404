"""Rules that look for a companion: proven by property dependencies, also while ids are unknown."""

import pytest
from pulumi_policy import PolicyResource
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from hipaa_pack.pack import rules
from hipaa_pack.rule import CompanionRule, StackRule

LINKS = [rule for rule in rules() if isinstance(rule, CompanionRule)]
RULES = {rule.id: rule for rule in rules()}
NOT_EXEMPT: dict[str, dict[str, object]] = {
    "logs-mask-phi": {"tags": {"data-class": "phi", "log-class": "operations"}},
    "s3-audit-lock-present": {"tags": {"data-class": "audit"}},
}
"""What makes a rule concern a resource at all."""


def resource(kind: str, name: str, props: dict, links: dict[str, list[PolicyResource]] | None = None) -> PolicyResource:
    return PolicyResource(
        kind,
        unknown_checking_proxy(props),
        f"urn::{name}",
        name,
        None,
        None,
        None,
        [],
        links or {},  # type: ignore[arg-type]
    )


def owner(rule: CompanionRule, name: str = "owner", **props: object) -> PolicyResource:
    given = dict.fromkeys(rule.identity, UNKNOWN_STRING_VALUE) | NOT_EXEMPT.get(rule.id, {})
    return resource(rule.types[0], name, given | props)


@pytest.mark.parametrize("rule", LINKS, ids=[r.id for r in LINKS])
def test_a_resource_alone_is_refused(rule: CompanionRule) -> None:
    assert len(list(rule.violations([owner(rule)]))) == 1


@pytest.mark.parametrize("rule", LINKS, ids=[r.id for r in LINKS])
def test_a_companion_linked_by_an_unknown_output_is_found(rule: CompanionRule) -> None:
    one = owner(rule)
    companion = resource(rule.companions[0], "companion", {rule.link: UNKNOWN_STRING_VALUE}, {rule.link: [one]})
    assert list(rule.violations([one, companion])) == []


@pytest.mark.parametrize("rule", LINKS, ids=[r.id for r in LINKS])
def test_a_companion_of_another_resource_does_not_count(rule: CompanionRule) -> None:
    one, other = owner(rule), owner(rule, "other")
    companion = resource(rule.companions[0], "companion", {rule.link: UNKNOWN_STRING_VALUE}, {rule.link: [other]})
    assert [r.name for r, _ in rule.violations([one, other, companion])] == ["owner"]


@pytest.mark.parametrize("rule", LINKS, ids=[r.id for r in LINKS])
def test_a_companion_linked_by_a_plain_name_is_found(rule: CompanionRule) -> None:
    one = owner(rule, **{rule.identity[0]: "the-name"})
    assert list(rule.violations([one, resource(rule.companions[0], "companion", {rule.link: "the-name"})])) == []
    stranger = resource(rule.companions[0], "companion", {rule.link: "another-name"})
    assert len(list(rule.violations([one, stranger]))) == 1


def test_a_violation_after_an_unknown_resource_is_still_reported() -> None:
    """The SDK gives a stack policy up at the first unknown value it meets: our reads must not."""
    rule = RULES["s3-pab-present"]
    assert isinstance(rule, CompanionRule)
    vague = resource(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "vague", {"bucket": UNKNOWN_STRING_VALUE}
    )
    assert [r.name for r, _ in rule.violations([vague, owner(rule)])] == ["owner"]


@pytest.mark.parametrize(("data_class", "refused"), [("logs", False), ("phi", True)])
def test_only_a_log_sink_may_use_keys_that_s3_manages(data_class: str, refused: bool) -> None:
    rule = RULES["s3-sse-kms-for-data"]
    assert isinstance(rule, StackRule)
    bucket = resource("aws:s3/bucket:Bucket", "bucket", {"tags": {"data-class": data_class}})
    rules_ = [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    setting = resource(kind, "sse", {"rules": rules_, "bucket": UNKNOWN_STRING_VALUE}, {"bucket": [bucket]})
    assert bool(list(rule.violations([bucket, setting]))) is refused
