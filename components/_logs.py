"""Log groups made one way: each says its class, which decides retention, key and masking.

Operations logs tell how the platform runs; audit logs tell who did what to health information (docs/adr/0004).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import pulumi
import pulumi_aws as aws

from components._configuration_logs import LogsSettings
from components._tags import LOG_CLASS

LogClass = Literal["operations", "audit"]

EXECUTION_LOGS: Final = "API-Gateway-Execution-Logs_"
"""Beginning of the names that API Gateway gives the groups of its executions; the id of the API follows."""

PHI_CLASSES: Final = frozenset({"phi", "imaging", "tracking"})
"""Data classes whose readers could, by a mistake in our code, log what they read."""
MANAGED_IDENTIFIERS: Final = (
    "Address",
    "DriversLicense-US",
    "EmailAddress",
    "HealthInsuranceClaimNumber-US",
    "MedicareBeneficiaryNumber-US",
    "Name",
    "PassportNumber-US",
    "PhoneNumber-US",
    "Ssn-US",
)
"""AWS's own detectors of what 45 CFR 164.514(b)(2)(i) lists.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL-managed-data-identifiers.html"""
CUSTOM_IDENTIFIERS: Final[Mapping[str, str]] = {
    "DicomPersonName": r"[A-Za-z-]{2,}\^[A-Za-z-]{2,}",
    "DicomPatientElement": r"Patient[A-Za-z]+[^A-Za-z0-9]{1,8}[A-Za-z0-9-]+",
    "DicomUid": r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+[0-9.]*",
}
"""How patients look in DICOM: a name with its caret (PS3.5 section 6.2, PN), an element's keyword with its value, an
original UID. Only characters that CloudWatch Logs takes (200 at most, no parentheses).
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL-custom-data-identifiers.html"""


@dataclass(frozen=True, kw_only=True)
class LogKeeping:
    """How a stack keeps its logs, by class.

    Attributes:
        settings: days of each class, and whether what looks like a patient is masked.
        operations_key, audit_key: ARN of the key of the class.
        protected: audit groups refuse to be deleted.
        partition: of AWS, in whose name its detectors go.
    """

    settings: LogsSettings
    operations_key: pulumi.Input[str]
    audit_key: pulumi.Input[str] | None
    protected: bool = False
    partition: str = "aws"


def log_group(
    logical_name: str,
    *,
    name: pulumi.Input[str],
    log_class: LogClass,
    keeping: LogKeeping,
    tags: Mapping[str, str],
    opts: pulumi.ResourceOptions,
    region: str | None = None,
) -> aws.cloudwatch.LogGroup:
    """An encrypted group that is kept as its class asks and says its class in a tag, which the policy pack reads.

    Args:
        name: physical name.
        tags: of the owner; its data class decides, with the settings, whether an operations log is masked.
        region: where it lies, when that is not the stack's region.
    """
    audit = log_class == "audit"
    group = aws.cloudwatch.LogGroup(
        logical_name,
        name=name,
        region=region,
        kms_key_id=keeping.audit_key if audit else keeping.operations_key,
        retention_in_days=keeping.settings.audit_days if audit else keeping.settings.operations_days,
        deletion_protection_enabled=True if audit and keeping.protected else None,
        tags={**tags, LOG_CLASS: log_class},
        opts=opts,
    )
    if keeping.settings.mask_patients and not audit and tags["data-class"] in PHI_CLASSES:
        aws.cloudwatch.LogDataProtectionPolicy(
            f"{logical_name}-mask",
            log_group_name=group.name,
            policy_document=mask_document(keeping.partition),
            region=region,
            opts=opts,
        )
    return group


def mask_document(partition: str) -> str:
    """The data protection policy: count events with findings, and mask them for all without `logs:Unmask`.

    A net under the rule that nothing of a patient is logged, not the rule itself. An audit log is left as written: a
    masked record proves nothing.
    """
    identifiers = [f"arn:{partition}:dataprotection::aws:data-identifier/{name}" for name in MANAGED_IDENTIFIERS]
    identifiers += list(CUSTOM_IDENTIFIERS)
    return json.dumps(
        {
            "Name": "patients-in-logs",
            "Description": "Nothing of a patient is logged; what slips through is masked",
            "Version": "2021-06-01",
            "Configuration": {
                "CustomDataIdentifier": [
                    {"Name": name, "Regex": pattern} for name, pattern in CUSTOM_IDENTIFIERS.items()
                ]
            },
            # CloudWatch Logs wants both statements, over the same identifiers
            "Statement": [
                {
                    "Sid": "Count",
                    "DataIdentifier": identifiers,
                    "Operation": {"Audit": {"FindingsDestination": {}}},
                },
                {"Sid": "Mask", "DataIdentifier": identifiers, "Operation": {"Deidentify": {"MaskConfig": {}}}},
            ],
        },
        separators=(",", ":"),
    )
