"""The control matrix: docs/COMPLIANCE.md, made from the pack's own metadata and the types that the program uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from hipaa_pack import waivers
from hipaa_pack.pack import SERVICES
from hipaa_pack.rule import ANY, AnyRule, CompanionRule, ResourceRule, Rule

_NAG = Path(__file__).resolve().parents[1] / "cdk_nag.yaml"
_TITLES = {
    "164.308(a)(1)(ii)(A)": "Risk analysis",
    "164.308(a)(1)(ii)(B)": "Risk management",
    "164.308(a)(1)(ii)(D)": "Information system activity review",
    "164.308(a)(3)(i)": "Workforce security",
    "164.308(a)(3)(ii)(A)": "Authorization and supervision",
    "164.308(a)(3)(ii)(B)": "Workforce clearance",
    "164.308(a)(4)(i)": "Information access management",
    "164.308(a)(4)(ii)(A)": "Isolating clearinghouse functions",
    "164.308(a)(4)(ii)(B)": "Access authorization",
    "164.308(a)(4)(ii)(C)": "Access establishment and modification",
    "164.308(a)(5)(ii)(B)": "Protection from malicious software",
    "164.308(a)(5)(ii)(C)": "Log-in monitoring",
    "164.308(a)(5)(ii)(D)": "Password management",
    "164.308(a)(6)(ii)": "Response and reporting",
    "164.308(a)(7)(i)": "Contingency plan",
    "164.308(a)(7)(ii)(A)": "Data backup plan",
    "164.308(a)(7)(ii)(B)": "Disaster recovery plan",
    "164.308(a)(7)(ii)(C)": "Emergency mode operation",
    "164.308(a)(8)": "Evaluation",
    "164.308(b)(1)": "Business associate contracts",
    "164.310(d)(2)(i)": "Disposal",
    "164.310(d)(2)(iii)": "Accountability of media",
    "164.312(a)(1)": "Access control",
    "164.312(a)(2)(ii)": "Emergency access procedure",
    "164.312(a)(2)(iii)": "Automatic logoff",
    "164.312(a)(2)(iv)": "Encryption and decryption",
    "164.312(b)": "Audit controls",
    "164.312(c)(1)": "Integrity",
    "164.312(c)(2)": "Mechanism to authenticate records",
    "164.312(d)": "Person or entity authentication",
    "164.312(e)(1)": "Transmission security",
    "164.312(e)(2)(i)": "Integrity controls of transmission",
    "164.312(e)(2)(ii)": "Encryption of transmission",
    "164.314(a)": "Business associate contracts",
    "164.316(b)(2)(i)": "Time limit of documentation",
    "164.502(b)": "Minimum necessary",
    "164.504(e)": "Business associate contracts",
    "164.514(d)": "Minimum necessary requirements",
}
_FOOT = """## What no rule of a program can prove

These stay with people and with AWS at run time; the account component's rules of AWS Config watch what Config knows:
rotation of access keys, second factors of console users, use of the root user, patches, public snapshots, restores
that were rehearsed, contracts that were signed, training of the workforce. Whether AWS's list of HIPAA eligible
services still names every service here is checked by a person before each release.
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the pack says to one rule of cdk-nag."""

    rules: tuple[str, ...] = ()
    why_not: str = ""
    note: str = ""


def cdk_nag(path: Path = _NAG) -> dict[str, Answer]:
    """The 90 rules of cdk-nag's HIPAA.Security pack and our answers."""
    given = cast("Mapping[str, Mapping[str, Any]]", yaml.safe_load(path.read_text()))
    return {
        name: Answer(rules=tuple(entry.get("rules", ())), why_not=entry.get("why_not", ""), note=entry.get("note", ""))
        for name, entry in given.items()
    }


def render(types: Iterable[str], proofs: Mapping[str, Sequence[str]]) -> str:
    """The document. `types` are the program's resource types, `proofs` the tests of each rule."""
    used = sorted(set(types))
    parts = [_head(), _matrix(used), _rules(used, proofs), _nag(), _waived(), _FOOT]
    return "\n".join(parts)


def _all_rules() -> list[Rule]:
    return [rule for group in SERVICES.values() for rule in group]


def _head() -> str:
    every = _all_rules()
    mandatory = sum(rule.level == "mandatory" for rule in every)
    return f"""# Compliance

<!-- Written by `make compliance` from policy/: change the rules, not this file. -->

Which section of the HIPAA rules (45 CFR 164) is served by which rule of the policy pack, and by which resources of
the program. The pack has {len(every)} rules, {mandatory} of them mandatory: no preview passes that breaks one.
A technical control is a part of compliance, not all of it: contracts, risk analysis and training are people's.

Sources: N = cdk-nag HIPAA.Security, C = AWS Config's HIPAA conformance pack, K and K2 = checkov's CKV_AWS and CKV2_AWS
rules. A rule without a source is the project's own.
"""


def _matrix(used: Sequence[str]) -> str:
    lines = ["## Control matrix\n", "| 45 CFR | standard | rules | resources of the program |", "|---|---|---|---|"]
    sections = sorted({section for rule in _all_rules() for section in rule.sections})
    for section in sections:
        serving = [rule for rule in _all_rules() if section in rule.sections]
        touched = sorted({_short(kind) for rule in serving for kind in _touched(rule, used)})
        rules = " ".join(f"[{rule.id}](#{rule.id})" for rule in serving)
        lines.append(f"| {section} | {_TITLES[section]} | {rules} | {', '.join(touched) or '-'} |")
    return "\n".join([*lines, ""])


def _rules(used: Sequence[str], proofs: Mapping[str, Sequence[str]]) -> str:
    lines = ["## Rules\n"]
    for service, group in SERVICES.items():
        lines += [f"### {service}\n", "| rule | says | level | sections | sources | in the program | tests |"]
        lines.append("|---|---|---|---|---|---|---|")
        for rule in group:
            touched = ", ".join(_short(kind) for kind in _touched(rule, used)) or "not in use: guards against a mistake"
            where = "every resource" if isinstance(rule, AnyRule) else touched
            lines.append(
                f'| <a id="{rule.id}"></a>{rule.id} | {rule.says}. {rule.remedy} | {rule.level}, {rule.grade} '
                f"| {' '.join(rule.sections)} | {' '.join(rule.sources) or '-'} | {where} "
                f"| {', '.join(proofs[rule.id])} |"
            )
        lines.append("")
    return "\n".join(lines)


def _touched(rule: Rule, used: Sequence[str]) -> Iterator[str]:
    types = rule.types
    if isinstance(rule, CompanionRule):
        types = (*rule.types, *rule.companions)
    if types != ANY:
        yield from (kind for kind in used if kind in types)


def _short(kind: str) -> str:
    place, name = kind.split(":")[1:]
    return f"{place.partition('/')[0]}.{name}"


def _nag() -> str:
    lines = ["## The 90 rules of cdk-nag's HIPAA.Security pack\n", "| rule | ours | why |", "|---|---|---|"]
    for name, answer in sorted(cdk_nag().items()):
        ours = " ".join(f"[{rule}](#{rule})" for rule in answer.rules) or "none"
        lines.append(f"| {name} | {ours} | {answer.why_not or answer.note or 'the same'} |")
    return "\n".join([*lines, ""])


def _waived() -> str:
    lines = ["## Waivers\n", "| rule | resources | reason | owner | ends |", "|---|---|---|---|---|"]
    lines += [
        f"| {waiver.rule} | `{waiver.resource}` | {waiver.reason} | {waiver.owner} | {waiver.expires.isoformat()} |"
        for waiver in waivers.load().entries
    ]
    return "\n".join([*lines, ""])


def kinds_of(rule: Rule) -> str:
    """How a rule is proven: `resource`, `link`, `stack` or `any`."""
    if isinstance(rule, ResourceRule):
        return "resource"
    if isinstance(rule, CompanionRule):
        return "link"
    return "any" if isinstance(rule, AnyRule) else "stack"
