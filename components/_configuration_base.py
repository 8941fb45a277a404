"""What all groups of the stack's configuration share: the strict base model and the texts that have a form."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


def refusal(key: str, value: object, must: str) -> PydanticCustomError:
    """An error about one key inside a group whose cause is its relation to another key."""
    return PydanticCustomError("setting", "must {must}", {"key": key, "value": str(value), "must": must})


ENCRYPTED: dict[str, Any] = {
    "type": "object",
    "properties": {"secure": {"type": "string"}},
    "required": ["secure"],
    "additionalProperties": False,
}
"""How Pulumi writes a secret into a stack file."""


@dataclass(frozen=True)
class WrittenAs:
    """A text that the pattern matches as a whole; the error and the schema say what it must be, in words.

    Attributes:
        pattern: regular expression in the common subset of Python and JSON Schema (ECMA 262).
        must: end of the sentence "must ...".
        secret: the text may stand in the stack file encrypted, and no error repeats it.
    """

    pattern: str
    must: str
    secret: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The check after pydantic's own one of the type."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The same pattern for editors, anchored because JSON Schema searches instead of matching as a whole."""
        written = {**handler(core), "pattern": f"^(?:{self.pattern})$", "x-must": self.must}
        return {"anyOf": [written, ENCRYPTED], "x-must": self.must} if self.secret else written

    def _check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            told = "(a secret)" if self.secret else value
            raise PydanticCustomError("setting", "must {must}", {"value": told, "must": self.must})
        return value


_HOST = r"https://[A-Za-z0-9.-]+(:\d{1,5})?"
_PRINCIPAL = r"arn:aws[a-z-]*:(iam|sts)::\d{12}:[A-Za-z0-9+=,.@_/*-]{3,}|[A-Za-z0-9+=,.@_-]{1,64}"
_DIGEST = r"sha256:[0-9a-f]{64}"
_IMAGE = rf"({_DIGEST}|[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+@{_DIGEST})"

NonEmpty = Annotated[str, Field(min_length=1, max_length=256)]
Email = Annotated[str, WrittenAs(r"[^@\s]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", "be an e-mail address")]
Principal = Annotated[str, WrittenAs(_PRINCIPAL, "be the name of a role of this account or the ARN of a principal")]
PolicyName = Annotated[str, WrittenAs(r"[A-Za-z0-9+=,.@_-]{1,128}", "be the name of a managed policy of this account")]
Origin = Annotated[str, WrittenAs(_HOST, "be an https origin such as https://viewer.example.org, no path, no star")]
Schedule = Annotated[
    str,
    WrittenAs(
        r"rate\(\d+ (minute|hour|day)s?\)|cron\([^()]+\)",
        "be a schedule such as rate(5 minutes) or cron(0 3 * * ? *)",
    ),
]
S3Uri = Annotated[str, WrittenAs(r"s3://[a-z0-9.-]{3,63}/.+", "be an S3 address such as s3://bucket/key")]
HttpsUrl = Annotated[str, WrittenAs(rf"{_HOST}(/[\w./-]*)?", "be an https address")]
InstanceType = Annotated[
    str, WrittenAs(r"ml\.[a-z0-9-]+\.[a-z0-9]+", "be a SageMaker instance type such as ml.m5.xlarge")
]
ImageByDigest = Annotated[
    str,
    WrittenAs(
        _IMAGE,
        "be a digest (sha256: and 64 hex digits) in the stack's own repository, or a whole address that ends in "
        "@sha256: and 64 hex digits; a tag can be moved to other code",
    ),
]


class Group(BaseModel):
    """A structured configuration key: frozen, camelCase, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=False,
    )
