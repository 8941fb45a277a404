"""KMS and Secrets Manager: keys that rotate, policies that name who, secrets under our own key."""

from __future__ import annotations

from collections.abc import Iterator

from hipaa_pack import sections
from hipaa_pack.reads import UNKNOWN, Values, at, conditions, is_off, is_set, is_true, principals, statements
from hipaa_pack.rule import ResourceRule, Rule

_KEY = ("aws:kms/key:Key",)


def _rotates(values: Values) -> Iterator[str]:
    spec = at(values, "customerMasterKeySpec")
    if spec not in (None, "SYMMETRIC_DEFAULT", UNKNOWN):
        return
    if is_off(at(values, "enableKeyRotation")):
        yield "enableKeyRotation must be true"
    period = at(values, "rotationPeriodInDays")
    if period not in (None, UNKNOWN) and float(period) > 365:
        yield "rotationPeriodInDays must be at most 365"


def _window(values: Values) -> Iterator[str]:
    days = at(values, "deletionWindowInDays")
    if days not in (None, UNKNOWN) and float(days) < 30:
        yield "deletionWindowInDays must be 30: a key deleted by mistake takes its data with it"


def _policy(values: Values) -> Iterator[str]:
    if not is_set(at(values, "policy")):
        yield "the key needs a policy of its own, not the default one"
    for statement in statements(at(values, "policy")):
        if statement.get("Effect") != "Allow":
            continue
        bound = conditions(statement)
        if "*" in principals(statement) and not {"kms:calleraccount", "kms:viaservice"} <= bound.keys():
            yield "a statement allows everybody without kms:CallerAccount and kms:ViaService"
        for principal in principals(statement):
            if principal.endswith(".amazonaws.com") and not _scoped(bound):
                yield "a statement lets an AWS service use the key for any account or resource"


def _scoped(bound: dict[str, object]) -> bool:
    return any(
        key in ("aws:sourceaccount", "aws:sourcearn", "kms:calleraccount") or key.startswith("kms:encryptioncontext:")
        for key in bound
    )


def _enabled(values: Values) -> Iterator[str]:
    if is_true(at(values, "bypassPolicyLockoutSafetyCheck")):
        yield "bypassPolicyLockoutSafetyCheck must not be true"
    if at(values, "isEnabled") is False:
        yield "a key must not be made disabled"


def _secret(values: Values) -> Iterator[str]:
    key = at(values, "kmsKeyId")
    if not is_set(key) or (isinstance(key, str) and key.endswith("alias/aws/secretsmanager")):
        yield "kmsKeyId must name a key of our own"


RULES: list[Rule] = [
    ResourceRule(
        id="kms-rotation",
        says="a symmetric key rotates at least once a year",
        sections=sections.ENCRYPTION,
        sources=("C:cmk-backing-key-rotation-enabled", "K:7"),
        remedy="Set enable_key_rotation=True.",
        types=_KEY,
        check=_rotates,
    ),
    ResourceRule(
        id="kms-delete-window",
        says="a key waits 30 days before it is deleted",
        sections=sections.BACKUP,
        sources=("C:kms-cmk-not-scheduled-for-deletion",),
        remedy="Leave deletion_window_in_days at 30.",
        types=_KEY,
        check=_window,
    ),
    ResourceRule(
        id="kms-policy",
        says="a key policy names its users, and binds services to this account's resources",
        sections=sections.ACCESS,
        sources=("K:33", "K2:64"),
        remedy="Name principals; give service statements aws:SourceAccount, aws:SourceArn or an encryption context.",
        grade="critical",
        types=_KEY,
        check=_policy,
    ),
    ResourceRule(
        id="kms-enabled",
        says="a key is usable and its lockout check stays on",
        sections=sections.ENCRYPTION,
        sources=("K:227",),
        remedy="Remove is_enabled=False and bypass_policy_lockout_safety_check.",
        types=_KEY,
        check=_enabled,
    ),
    ResourceRule(
        id="secret-cmk",
        says="a secret is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("N:SecretsManagerUsingKMSKey", "K:149"),
        remedy="Set kms_key_id to a key of the program.",
        types=("aws:secretsmanager/secret:Secret",),
        check=_secret,
    ),
]
