"""What of a preview may be shown to readers of a pull request.

An allow list, not a deny list: a comment shows the values of the properties named here and of no other property, so
a value that the program read as plain text by mistake stays out of it, too. Free text (errors of the engine and of
providers) can quote anything; from it go all strings of the stack's inputs that are not plainly harmless, and what
looks like a credential.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

HIDDEN: Final = "[redacted]"
SECRET_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"  # noqa: S105  (a public constant of the engine)
"""Key that marks a special value in the engine's JSON (sdk/go/common/resource/sig/sig.go)."""

SHOWN: Final = frozenset(
    {
        *("instanceType", "instanceCount", "initialInstanceCount", "memorySize", "timeout", "runtime", "architectures"),
        *("retentionInDays", "deletionProtectionEnabled", "forceDestroy", "enableKeyRotation", "billingMode", "status"),
        *("deletionWindowInDays", "reservedConcurrentExecutions", "desiredCount", "cpu", "memory", "cidrBlock"),
        *("threshold", "evaluationPeriods", "period", "visibilityTimeoutSeconds", "messageRetentionSeconds"),
        *("fromPort", "toPort", "ipProtocol", "mapPublicIpOnLaunch", "scheduleExpression", "mode", "days", "years"),
        *("imageTagMutability", "isMultiRegionTrail", "enabled", "throttlingRateLimit", "throttlingBurstLimit"),
    }
)

_CREDENTIALS: Final = re.compile(
    r"""(?x)
    \b(?:AKIA|ASIA)[A-Z0-9]{16}\b
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----(?:.|\n)*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    | \bgh[pousr]_[A-Za-z0-9]{30,}\b | \bgithub_pat_[A-Za-z0-9_]{30,}\b
    | \bpul-[0-9a-f]{40}\b
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+ # JSON web token
    | \bv1:[A-Za-z0-9+/=]{8,}:[A-Za-z0-9+/=]{8,}                # ciphertext of a stack secret
    """
)
_HARMLESS: Final = re.compile(
    r"(?i)true|false|null|\d{1,4}(\.\d+)?|[a-z]{2}-[a-z]+-\d[a-z]?|arn:aws[\w:-]*|[a-z]+\.amazonaws\.com|"
    r"ml\.[\w.]+|python3\.\d+|(GET|PUT|POST|DELETE|Allow|Deny|Enabled|Disabled)"
)
_LEAST_LENGTH: Final = 6


def shown(path: str, value: object) -> str | None:
    """The value as text when its property is on the list and it is a plain short one, else None."""
    if path.rsplit(".", 1)[-1] not in SHOWN or not isinstance(value, (str, int, float, bool)):
        return None
    text = str(value)
    return text if len(text) <= 60 and not _CREDENTIALS.search(text) else None


def strings_of(value: object) -> Iterator[str]:
    """Every string inside of a value of the engine's JSON, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in cast("Mapping[str, Any]", value).values():
            yield from strings_of(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from strings_of(inner)


def scrub(text: str, values: Iterable[str] = ()) -> str:
    """`text` without credentials and without those of `values` that could be a secret: longest first, so that none
    survives as the rest of a shorter one."""
    text = _CREDENTIALS.sub(HIDDEN, text)
    hide = {value for value in values if len(value) >= _LEAST_LENGTH and not _HARMLESS.fullmatch(value)}
    for value in sorted(hide, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return text


def credentials_in(text: str) -> int:
    """How many credentials a file seems to hold; a plan with any must not be uploaded."""
    return sum(1 for _ in _CREDENTIALS.finditer(text))


def code(text: str) -> str:
    """Text as a Markdown code span in a table cell: nothing in it is markup, a mention or the end of the span."""
    plain = re.sub(r"\s+", " ", text.replace("`", "'").replace("|", "¦")).strip()
    return f"`{plain}`" if plain else ""
