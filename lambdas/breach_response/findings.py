"""What a GuardDuty finding says about whom to contain.

https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from pydantic import AliasPath, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Part(BaseModel):
    """A part of the finding: fields we need, in GuardDuty's camelCase; it may say much more."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore")


class Interface(_Part):
    """A network interface of the resource."""

    network_interface_id: str = Field(pattern=r"^eni-[0-9a-f]+$")


class Finding(_Part):
    """One finding, as the event's `detail` has it."""

    id: str = Field(min_length=1, max_length=300)
    type: str = Field(min_length=1, max_length=200)
    severity: float = Field(ge=0, le=10)
    account_id: str = Field(pattern=r"^\d{12}$")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    created_at: datetime
    updated_at: datetime
    resource_type: str = Field(default="unknown", validation_alias=AliasPath("resource", "resourceType"))
    access_key_id: str | None = Field(
        default=None, validation_alias=AliasPath("resource", "accessKeyDetails", "accessKeyId")
    )
    user_type: str | None = Field(default=None, validation_alias=AliasPath("resource", "accessKeyDetails", "userType"))
    user_name: str | None = Field(default=None, validation_alias=AliasPath("resource", "accessKeyDetails", "userName"))
    instance_id: str | None = Field(
        default=None, validation_alias=AliasPath("resource", "instanceDetails", "instanceId")
    )
    interfaces: tuple[Interface, ...] = Field(
        default=(), validation_alias=AliasPath("resource", "instanceDetails", "networkInterfaces")
    )
    function_role: str | None = Field(default=None, validation_alias=AliasPath("resource", "lambdaDetails", "role"))
    first_seen: datetime | None = Field(default=None, validation_alias=AliasPath("service", "eventFirstSeen"))
    sample: bool = Field(default=False, validation_alias=AliasPath("service", "additionalInfo", "sample"))

    @property
    def incident_id(self) -> str:
        """The same for every renewal of the finding: GuardDuty sends a finding again while it goes on."""
        return hashlib.sha256(f"{self.account_id}/{self.region}/{self.id}".encode()).hexdigest()[:32]

    @property
    def role_name(self) -> str | None:
        """The role whose credentials or code the finding is about."""
        if self.user_type in {"AssumedRole", "Role"} and self.user_name:
            return self.user_name
        return self.function_role.rsplit("/", 1)[-1] if self.function_role else None

    @property
    def interface_ids(self) -> tuple[str, ...]:
        """Network interfaces of the instance that the finding is about."""
        return tuple(interface.network_interface_id for interface in self.interfaces)

    @property
    def trail_attribute(self) -> tuple[str, str] | None:
        """By what the trail finds the actor's doings: attribute and value of LookupEvents; None: nothing to look by."""
        if self.access_key_id:
            return "AccessKeyId", self.access_key_id
        if self.instance_id:
            return "ResourceName", self.instance_id
        return ("ResourceName", self.role_name) if self.role_name else None


def shut_policy(release_at: datetime) -> dict[str, Any]:
    """Denies everything to every session issued before `release_at`, those that exist and those to come.

    AWS revokes sessions this way (AWSRevokeOlderSessions); a time ahead also shuts out the sessions that an attacker
    would take next, until people have looked and delete the policy.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ShutByBreachResponse",
                "Effect": "Deny",
                "Action": ["*"],
                "Resource": ["*"],
                "Condition": {"DateLessThan": {"aws:TokenIssueTime": release_at.strftime("%Y-%m-%dT%H:%M:%SZ")}},
            }
        ],
    }
