"""IAM and Cognito: least privilege, no long-lived users, people who prove who they are."""

from __future__ import annotations

from collections.abc import Iterator

from hipaa_pack import sections
from hipaa_pack.reads import UNKNOWN, Values, at, conditions, is_off, is_set, listed, principals, statements
from hipaa_pack.rule import ResourceRule, Rule

CARRIERS = (
    "aws:iam/policy:Policy",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/groupPolicy:GroupPolicy",
    "aws:iam/userPolicy:UserPolicy",
)
ROLE = ("aws:iam/role:Role",)


def _documents(values: Values) -> Iterator[object]:
    yield at(values, "policy")
    for inline in listed(at(values, "inlinePolicies")):
        yield at(inline, "policy")


def allows(values: Values) -> Iterator[Values]:
    """Allow statements of every document that a policy or role carries."""
    for document in _documents(values):
        yield from (s for s in statements(document) if s.get("Effect") == "Allow")


def is_boundary(values: Values) -> bool:
    """True for a permissions boundary: it limits and grants nothing, and names services beside its Deny statements."""
    return at(values, "tags.component") == "boundary"


def _no_admin(values: Values) -> Iterator[str]:
    for statement in allows(values):
        if "*" in listed(statement.get("Action")) and "*" in listed(statement.get("Resource")):
            yield "a statement allows everything on everything"
        if "NotAction" in statement:
            yield "an Allow with NotAction allows what nobody has thought of"


def _no_full_service(values: Values) -> Iterator[str]:
    if is_boundary(values):
        return
    for statement in allows(values):
        for action in listed(statement.get("Action")):
            if str(action).endswith(":*"):
                yield "a statement allows a whole service"


def _no_open_decrypt(values: Values) -> Iterator[str]:
    for statement in allows(values):
        actions = {str(a).lower() for a in listed(statement.get("Action"))}
        risky = actions & {"kms:decrypt", "kms:reencryptfrom", "kms:reencrypt*", "kms:*"}
        if risky and "*" in listed(statement.get("Resource")) and not is_boundary(values):
            yield "a statement allows decryption with any key"


def _trust(values: Values) -> Iterator[str]:
    for statement in statements(at(values, "assumeRolePolicy")):
        if statement.get("Effect") == "Allow" and "*" in principals(statement):
            yield "everybody may assume the role"
        federated = at(statement, "Principal.Federated")
        if isinstance(federated, str) and "token.actions.githubusercontent.com" in federated:
            keys = conditions(statement).keys()
            if not any(k.endswith(":aud") for k in keys) or not any(k.endswith(":sub") for k in keys):
                yield "a GitHub identity must be bound by both aud and sub"


def _no_users(_: Values) -> Iterator[str]:
    yield "long-lived users and keys are not allowed: people come by IAM Identity Center, machines by roles"


def _self_sign_up(values: Values) -> Iterator[str]:
    only_admin = at(values, "adminCreateUserConfig.allowAdminCreateUserOnly")
    if only_admin is not UNKNOWN and is_off(only_admin):
        yield "adminCreateUserConfig.allowAdminCreateUserOnly must be true"


def _password(values: Values) -> Iterator[str]:
    policy = at(values, "passwordPolicy")
    if policy is UNKNOWN:
        return
    length = at(policy, "minimumLength")
    if length is None or (length is not UNKNOWN and float(length) < 12):
        yield "passwordPolicy.minimumLength must be at least 12"
    for switch in ("requireLowercase", "requireUppercase", "requireNumbers", "requireSymbols"):
        if is_off(at(policy, switch)):
            yield f"passwordPolicy.{switch} must be true"


def _client(values: Values) -> Iterator[str]:
    if at(values, "preventUserExistenceErrors") not in ("ENABLED", UNKNOWN):
        yield "preventUserExistenceErrors must be ENABLED: an error must not tell who has an account"
    if not is_set(at(values, "accessTokenValidity")):
        yield "accessTokenValidity must be set"


RULES: list[Rule] = [
    ResourceRule(
        id="iam-no-admin",
        says="no policy allows everything",
        sections=sections.ACCESS,
        sources=("N:IAMPolicyNoStatementsWithAdminAccess", "K:62", "K2:40"),
        remedy="Name actions and resources.",
        grade="critical",
        types=(*CARRIERS, *ROLE),
        check=_no_admin,
    ),
    ResourceRule(
        id="iam-no-full-service",
        says="no policy allows a whole service",
        sections=sections.ACCESS,
        sources=("N:IAMPolicyNoStatementsWithFullAccess", "K:63"),
        remedy="Name the actions that the code calls.",
        types=(*CARRIERS, *ROLE),
        check=_no_full_service,
    ),
    ResourceRule(
        id="kms-no-open-decrypt",
        says="no policy allows decryption with any key",
        sections=sections.ACCESS,
        sources=("C:iam-customer-policy-blocked-kms-actions", "C:iam-inline-policy-blocked-kms-actions"),
        remedy="Name the keys.",
        grade="critical",
        types=(*CARRIERS, *ROLE),
        check=_no_open_decrypt,
    ),
    ResourceRule(
        id="iam-trust",
        says="a role names who may assume it",
        sections=sections.ACCESS,
        sources=("K:60", "K:61"),
        remedy="Name the principal; bind federated identities by aud and sub.",
        grade="critical",
        types=ROLE,
        check=_trust,
    ),
    ResourceRule(
        id="iam-no-users",
        says="there are no IAM users or access keys",
        sections=sections.AUTHENTICATION,
        sources=("N:IAMUserNoPolicies", "K:273"),
        remedy="Use roles.",
        types=("aws:iam/user:User", "aws:iam/accessKey:AccessKey", "aws:iam/userLoginProfile:UserLoginProfile"),
        check=_no_users,
    ),
    ResourceRule(
        id="cognito-no-self-sign-up",
        says="accounts are made by an administrator",
        sections=sections.AUTHENTICATION,
        remedy="Set admin_create_user_config.allow_admin_create_user_only=True.",
        types=("aws:cognito/userPool:UserPool",),
        check=_self_sign_up,
    ),
    ResourceRule(
        id="cognito-password",
        says="passwords are long and mixed",
        sections=(*sections.AUTHENTICATION, "164.308(a)(5)(ii)(D)"),
        remedy="Set password_policy: at least 12 characters of four kinds.",
        types=("aws:cognito/userPool:UserPool",),
        check=_password,
    ),
    ResourceRule(
        id="cognito-client",
        says="a client tells nobody who has an account, and its tokens end",
        sections=sections.AUTHENTICATION,
        remedy="Set prevent_user_existence_errors=ENABLED and access_token_validity.",
        grade="medium",
        types=("aws:cognito/userPoolClient:UserPoolClient",),
        check=_client,
    ),
]
