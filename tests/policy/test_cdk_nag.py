"""Every rule of cdk-nag's HIPAA.Security pack is answered: by rules of ours, or by the reason why not."""

from hipaa_pack.matrix import cdk_nag
from hipaa_pack.pack import rules

MAP = cdk_nag()
RULES = {rule.id: rule for rule in rules()}
CLOSED_TYPES = "meta-type-allow-list"


def test_all_ninety_rules_are_in_the_map() -> None:
    assert len(MAP) == 90


def test_each_is_implemented_or_has_a_reason() -> None:
    for name, answer in MAP.items():
        assert bool(answer.rules) != bool(answer.why_not), name
        assert set(answer.rules) <= RULES.keys(), name
        assert not answer.why_not or len(answer.why_not) > 40, f"{name}: a reason is a sentence"


def test_the_map_and_the_rules_sources_say_the_same() -> None:
    named = {(source[2:], rule.id) for rule in RULES.values() for source in rule.sources if source.startswith("N:")}
    mapped = {(name, rule) for name, answer in MAP.items() for rule in answer.rules if rule != CLOSED_TYPES}
    assert named == mapped
