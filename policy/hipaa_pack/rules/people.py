"""Who may act: bounded roles, no way to more rights, deployments by one identity, people with two factors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from pulumi_policy import PolicyResource

from hipaa_pack import sections
from hipaa_pack.checks import between, every, never, not_on, on, only, present
from hipaa_pack.reads import UNKNOWN, Values, at, conditions, is_set, listed, principals, statements
from hipaa_pack.rule import ResourceRule, Rule, StackRule
from hipaa_pack.rules.identity import CARRIERS, ROLE, allows, is_boundary

_GITHUB = "token.actions.githubusercontent.com"
_SUBJECT = re.compile(r"repo:[\w.-]+(@\d+)?/[\w.-]+(@\d+)?:(environment:[\w.-]+|ref:refs/(heads|tags)/[\w./-]+)")
_BROAD = ("AdministratorAccess", "IAMFullAccess", "PowerUserAccess", "AmazonSageMakerFullAccess")
_READS = ("s3:getobject", "ssm:getparameter", "secretsmanager:getsecretvalue", "medical-imaging:get")
_ESCALATION = {
    "iam:createpolicyversion",
    "iam:setdefaultpolicyversion",
    "iam:attachrolepolicy",
    "iam:putrolepolicy",
    "iam:updateassumerolepolicy",
}


def _actions(statement: Values) -> set[str]:
    return {str(action).lower() for action in listed(statement.get("Action"))}


def _everywhere(statement: Values) -> bool:
    return "*" in listed(statement.get("Resource"))


def _no_escalation(values: Values) -> Iterator[str]:
    for statement in allows(values):
        if is_boundary(values) or not _everywhere(statement):
            continue
        keys = conditions(statement).keys()
        if "iam:passrole" in _actions(statement) and "iam:passedtoservice" not in keys:
            yield "iam:PassRole on every role without iam:PassedToService"
        if _actions(statement) & _ESCALATION and "iam:permissionsboundary" not in keys:
            yield "rights to change any role's rights, not bound by iam:PermissionsBoundary"


def _no_open_reading(values: Values) -> Iterator[str]:
    for statement in allows(values):
        if not is_boundary(values) and _everywhere(statement):
            for action in _actions(statement):
                if action.startswith(_READS):
                    yield "a statement reads every object, secret, parameter or image there is"


def _github(values: Values) -> Iterator[str]:
    for statement in statements(at(values, "assumeRolePolicy")):
        federated = [p for p in listed(at(statement, "Principal.Federated")) if isinstance(p, str)]
        if statement.get("Effect") == "Allow" and any(p.endswith(_GITHUB) for p in federated):
            yield from _bound(cast("Values", statement.get("Condition") or {}))


def _bound(given: Values) -> Iterator[str]:
    exact = {key.lower(): value for key, value in cast("Values", given.get("StringEquals") or {}).items()}
    if any(operator.startswith("ForAllValues") for operator in given):
        yield "ForAllValues is true where the key is missing"
    if listed(exact.get(f"{_GITHUB}:aud")) != ["sts.amazonaws.com"]:
        yield "aud must equal sts.amazonaws.com"
    subjects: list[Any] = listed(exact.get(f"{_GITHUB}:sub"))
    if not subjects or not all(_SUBJECT.fullmatch(str(subject)) for subject in subjects):
        yield "sub must equal whole subjects: one repository and its environment, branch or tag, without a wildcard"


def _broad_policy(values: Values) -> Iterator[str]:
    for arn in [at(values, "policyArn"), *listed(at(values, "managedPolicyArns"))]:
        if isinstance(arn, str) and arn.rsplit("/", 1)[-1] in _BROAD:
            yield "a policy of AWS that allows far more than any function needs"


def _short_session(values: Values) -> Iterator[str]:
    if at(values, "tags.purpose") in ("deploy", "break-glass"):
        yield from between("maxSessionDuration", 900, 3600, needed=False)(values)


def _second_factor(values: Values) -> Iterator[str]:
    if at(values, "tags.purpose") != "break-glass":
        return
    for statement in statements(at(values, "assumeRolePolicy")):
        if statement.get("Effect") == "Allow" and "aws:multifactorauthpresent" not in conditions(statement):
            yield "a break-glass role asks for a second factor"
        if any(principal.endswith(".amazonaws.com") for principal in principals(statement)):
            yield "a break-glass role is for people, not for services"


def _one_role_each(resources: list[PolicyResource]) -> Iterator[tuple[PolicyResource, str]]:
    owner: dict[str, str] = {}
    for function in (r for r in resources if r.resource_type == "aws:lambda/function:Function"):
        for role in (r for r in function.property_dependencies.get("role", []) if r.resource_type in ROLE):
            if owner.setdefault(role.urn, function.urn) != function.urn:
                yield function, f"{function.name} shares its role with another function"
                break


def _two_factors(values: Values) -> Iterator[str]:
    mode = at(values, "mfaConfiguration")
    if mode not in ("ON", UNKNOWN):
        yield "mfaConfiguration must be ON"
    totp, passkey = at(values, "softwareTokenMfaConfiguration.enabled"), at(values, "webAuthnConfiguration")
    if mode == "ON" and totp is not UNKNOWN and totp is not True and not is_set(passkey):
        yield "a token app or a passkey must be allowed: text messages alone can be taken over"


def _flows(values: Values) -> Iterator[str]:
    if "implicit" in listed(at(values, "allowedOauthFlows")):
        yield "the implicit flow puts tokens into addresses"
    for flow in listed(at(values, "explicitAuthFlows")):
        if isinstance(flow, str) and flow.endswith("USER_PASSWORD_AUTH") and "ADMIN" not in flow:
            yield "passwords must not be sent by a client: use SRP"
    for url in listed(at(values, "callbackUrls")):
        if isinstance(url, str) and not url.startswith(("https://", "http://localhost")):
            yield "callbackUrls must be https"


_UNIT = {"seconds": 1 / 60, "minutes": 1, "hours": 60, "days": 1440}


def _minutes(values: Values, token: str, unit: str) -> float | None:
    number, name = at(values, f"{token}Validity"), at(values, f"tokenValidityUnits.{token}")
    if number in (None, UNKNOWN) or name is UNKNOWN:
        return None
    return float(number) * _UNIT[str(name or unit)]


def _token_life(values: Values) -> Iterator[str]:
    for token, unit, limit in (("accessToken", "hours", 60), ("idToken", "hours", 60), ("refreshToken", "days", 720)):
        minutes = _minutes(values, token, unit)
        if minutes is not None and minutes > limit:
            yield f"{token}Validity must be at most {limit} minutes"


_ANY_ROLE = (*CARRIERS, *ROLE)
RULES: list[Rule] = [
    ResourceRule(
        id="iam-no-priv-esc",
        says="no policy is a way to more rights",
        sections=sections.IDENTITY,
        sources=("K:286", "K:289"),
        remedy="Name the roles, and bind iam:PassRole by iam:PassedToService.",
        grade="critical",
        types=_ANY_ROLE,
        check=_no_escalation,
    ),
    ResourceRule(
        id="iam-no-exfil",
        says="no policy reads every object, secret or image",
        sections=sections.IDENTITY,
        sources=("K:287", "K:288"),
        remedy="Name the buckets, secrets and data stores.",
        grade="critical",
        types=_ANY_ROLE,
        check=_no_open_reading,
    ),
    ResourceRule(
        id="iam-no-user-policy",
        says="rights belong to roles, never to users or groups",
        sections=sections.IDENTITY,
        sources=("N:IAMUserNoPolicies", "N:IAMUserGroupMembership", "N:IAMGroupHasUsers", "K:40"),
        remedy="Attach the policy to a role.",
        types=(
            "aws:iam/userPolicyAttachment:UserPolicyAttachment",
            "aws:iam/userPolicy:UserPolicy",
            "aws:iam/group:Group",
            "aws:iam/groupMembership:GroupMembership",
            "aws:iam/userGroupMembership:UserGroupMembership",
            "aws:iam/policyAttachment:PolicyAttachment",
        ),
        check=never("users and groups hold no rights here: people come by IAM Identity Center"),
    ),
    ResourceRule(
        id="iam-no-aws-admin-policy",
        says="no role gets one of AWS's broad policies",
        sections=sections.IDENTITY,
        sources=("K:274", "K2:56"),
        remedy="Write the statements that the code needs.",
        grade="critical",
        types=("aws:iam/rolePolicyAttachment:RolePolicyAttachment", *ROLE),
        check=_broad_policy,
    ),
    ResourceRule(
        id="iam-no-inline",
        says="a role's statements are resources of their own, not hidden in the role",
        sections=sections.IDENTITY,
        sources=("N:IAMNoInlinePolicy",),
        remedy="Use aws.iam.RolePolicy beside the code that needs it (docs/COMPLIANCE.md says why not aws.iam.Policy).",
        grade="low",
        types=ROLE,
        check=only("inlinePolicies", lambda value: not value, "inlinePolicies must not be used"),
    ),
    ResourceRule(
        id="iam-github-oidc",
        says="a deployment's identity is one repository and environment, word for word",
        sections=(*sections.IDENTITY, *sections.AUTHENTICATION),
        sources=("K:358", "K:393"),
        remedy="StringEquals on aud=sts.amazonaws.com and on whole sub values.",
        grade="critical",
        types=ROLE,
        check=_github,
    ),
    ResourceRule(
        id="iam-oidc-provider",
        says="GitHub's tokens are taken for AWS's token service only",
        sections=sections.AUTHENTICATION,
        remedy="Set client_id_lists=['sts.amazonaws.com'].",
        types=("aws:iam/openIdConnectProvider:OpenIdConnectProvider",),
        check=only(
            "clientIdLists", lambda value: value == ["sts.amazonaws.com"], "clientIdLists must be sts.amazonaws.com"
        ),
    ),
    ResourceRule(
        id="iam-boundary",
        says="every role has a permissions boundary",
        sections=sections.IDENTITY,
        remedy="Use components._iam, or set permissions_boundary.",
        types=ROLE,
        check=present("permissionsBoundary"),
    ),
    ResourceRule(
        id="iam-session-len",
        says="deploy and break-glass sessions end within the hour",
        sections=sections.SESSIONS,
        remedy="Set max_session_duration to at most 3600.",
        types=ROLE,
        check=_short_session,
    ),
    ResourceRule(
        id="iam-break-glass",
        says="emergency access is for people with a second factor",
        sections=sections.EMERGENCY,
        remedy="Bind the trust by aws:MultiFactorAuthPresent and name people.",
        grade="critical",
        types=ROLE,
        check=_second_factor,
    ),
    StackRule(
        id="lambda-own-role",
        says="no two functions share a role",
        sections=sections.IDENTITY,
        remedy="Use components.function.PlatformFunction, which makes one each.",
        types=("aws:lambda/function:Function",),
        find=_one_role_each,
    ),
    ResourceRule(
        id="cognito-mfa",
        says="people prove who they are by two factors",
        sections=sections.AUTHENTICATION,
        remedy="Set mfa_configuration=ON with software_token_mfa_configuration.",
        grade="critical",
        types=("aws:cognito/userPool:UserPool",),
        check=_two_factors,
    ),
    ResourceRule(
        id="cognito-flows",
        says="a client never handles passwords or tokens in the open",
        sections=sections.AUTHENTICATION,
        remedy="Use SRP and the authorization code flow.",
        types=("aws:cognito/userPoolClient:UserPoolClient",),
        check=every(_flows, only("enableTokenRevocation", lambda v: v is not False, "tokens must be revocable")),
    ),
    ResourceRule(
        id="cognito-token-life",
        says="access ends within the hour, a sign-in within a shift",
        sections=sections.SESSIONS,
        remedy="At most 60 minutes for access and id tokens, 12 hours for the refresh token.",
        types=("aws:cognito/userPoolClient:UserPoolClient",),
        check=_token_life,
    ),
    ResourceRule(
        id="cognito-no-guest",
        says="nobody is let in as a guest",
        sections=(*sections.ACCESS, *sections.AUTHENTICATION),
        sources=("K:366",),
        remedy="Leave allow_unauthenticated_identities and allow_classic_flow off.",
        grade="critical",
        types=("aws:cognito/identityPool:IdentityPool",),
        check=not_on("allowUnauthenticatedIdentities", "allowClassicFlow"),
    ),
    ResourceRule(
        id="iam-password-policy",
        says="the account's passwords are long, mixed and new",
        sections=sections.AUTHENTICATION,
        sources=("C:iam-password-policy", "K:9", "K:10", "K:11", "K:13", "K:14"),
        remedy="At least 14 characters of four kinds, 24 remembered, changed in 90 days.",
        types=("aws:iam/accountPasswordPolicy:AccountPasswordPolicy",),
        check=every(
            between("minimumPasswordLength", 14),
            between("passwordReusePrevention", 24),
            between("maxPasswordAge", 1, 90),
            on("requireSymbols", "requireNumbers", "requireLowercaseCharacters", "requireUppercaseCharacters"),
        ),
    ),
]
