"""Where images and their records live: HealthImaging and DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator

from hipaa_pack import sections
from hipaa_pack.reads import UNKNOWN, Values, at, document, is_off, is_set
from hipaa_pack.rule import ResourceRule, Rule

_TABLE = ("aws:dynamodb/table:Table",)
_HEALTH_IMAGING = "AWS::HealthImaging::Datastore"


def _datastore_key(values: Values) -> Iterator[str]:
    if at(values, "typeName") != _HEALTH_IMAGING:
        return
    state = document(at(values, "desiredState"))
    if state is not None and not is_set(state.get("KmsKeyArn")):
        yield "the data store's desiredState must carry KmsKeyArn"


def _native_key(values: Values) -> Iterator[str]:
    if not is_set(at(values, "kmsKeyArn")):
        yield "kmsKeyArn must be set"


def _recovery(values: Values) -> Iterator[str]:
    if is_off(at(values, "pointInTimeRecovery.enabled")):
        yield "pointInTimeRecovery.enabled must be true"


def _table_key(values: Values) -> Iterator[str]:
    encryption = at(values, "serverSideEncryption")
    if encryption is UNKNOWN:
        return
    if is_off(at(encryption, "enabled")) or not is_set(at(encryption, "kmsKeyArn")):
        yield "serverSideEncryption needs enabled=true and a key of our own: without kmsKeyArn AWS's key is used"


RULES: list[Rule] = [
    ResourceRule(
        id="ahi-cmk",
        says="a HealthImaging data store is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        remedy="Put KmsKeyArn into the data store's desired state (it can only be set at creation).",
        grade="critical",
        types=("aws:cloudcontrol/resource:Resource",),
        check=_datastore_key,
    ),
    ResourceRule(
        id="ahi-native-cmk",
        says="a HealthImaging data store made by aws-native is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        remedy="Set kms_key_arn.",
        grade="critical",
        types=("aws-native:healthimaging:Datastore",),
        check=_native_key,
    ),
    ResourceRule(
        id="ddb-pitr",
        says="a table can be restored to any second of the last 35 days",
        sections=sections.BACKUP,
        sources=("N:DynamoDBPITREnabled", "K:28"),
        remedy="Set point_in_time_recovery.enabled=True.",
        types=_TABLE,
        check=_recovery,
    ),
    ResourceRule(
        id="ddb-cmk",
        says="a table is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("K:119",),
        remedy="Set server_side_encryption with enabled=True and kms_key_arn.",
        types=_TABLE,
        check=_table_key,
    ),
]
