"""Detection, the configuration record and the account's defaults: what they switch on, and their one owner."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components._base import Context
from components._configuration_logs import LogsSettings
from components.account_defaults import AccountDefaults, AccountDefaultsArgs
from components.configuration_record import PREFIX, RETENTION, RULES, ConfigurationRecord, ConfigurationRecordArgs
from components.detection import FEATURES, Detection, DetectionArgs


def test_guardduty_watches_storage_functions_containers_and_volumes(
    record: Any, context: Context, preview: bool
) -> None:
    recording = record(
        lambda: {"id": Detection("detection", DetectionArgs(context=context)).detector_id}, preview=preview
    )
    detector = recording.one("aws:guardduty/detector:Detector").inputs
    assert detector["enable"]
    assert detector["findingPublishingFrequency"] == "FIFTEEN_MINUTES"
    features = {one.inputs["name"] for one in recording.of("aws:guardduty/detectorFeature:DetectorFeature")}
    assert features == set(FEATURES)
    assert recording.one("aws:accessanalyzer/analyzer:Analyzer").inputs["type"] == "ACCOUNT"


def _record_program(context: Context, *, make_role: bool) -> Any:
    def run() -> dict[str, Any]:
        made = ConfigurationRecord(
            "record",
            ConfigurationRecordArgs(
                context=context,
                bucket=pulumi.ComponentResource("test:index:Bucket", "logs-bucket"),
                bucket_name="logs",
                log_days=LogsSettings(),
                audit_log_groups=["/aws/cloudtrail/t", "/aws/lambda/api"],
                make_service_role=make_role,
            ),
        )
        return {"name": made.recorder_name}

    return run


def test_config_records_every_type_and_judges_by_the_hipaa_rules(record: Any, context: Context, preview: bool) -> None:
    recording = record(_record_program(context, make_role=True), preview=preview)
    recorder = recording.one("aws:cfg/recorder:Recorder").inputs
    assert recorder["recordingGroup"] == {"allSupported": True, "includeGlobalResourceTypes": True}
    assert recorder["roleArn"].endswith("AWSServiceRoleForConfig")
    assert recording.one("aws:cfg/deliveryChannel:DeliveryChannel").inputs["s3KeyPrefix"] == PREFIX
    assert recording.one("aws:cfg/recorderStatus:RecorderStatus").inputs["isEnabled"]
    rules = {one.inputs["source"]["sourceIdentifier"] for one in recording.of("aws:cfg/rule:Rule")}
    assert rules == {*RULES, RETENTION}
    kept = [
        json.loads(one.inputs["inputParameters"])
        for one in recording.of("aws:cfg/rule:Rule")
        if one.inputs["source"]["sourceIdentifier"] == RETENTION
    ]
    assert sorted(kept, key=len) == [  # the engine hears of them in no order
        {"MinRetentionTime": "30"},
        {"MinRetentionTime": "2557", "LogGroupNames": "/aws/cloudtrail/t,/aws/lambda/api"},
    ]


@pytest.mark.parametrize("make_role", [True, False], ids=["first-in-account", "account-has-it"])
def test_the_service_linked_role_is_made_once_an_account(record: Any, context: Context, make_role: bool) -> None:
    recording = record(_record_program(context, make_role=make_role))
    assert bool(recording.of("aws:iam/serviceLinkedRole:ServiceLinkedRole")) == make_role


def test_rule_names_fit_for_a_long_stack_name(record: Any, context: Context) -> None:
    recording = record(_record_program(context, make_role=False))
    names = [one.inputs["name"] for one in recording.of("aws:cfg/rule:Rule")]
    assert len(set(names)) == len(RULES) + 2
    assert all(len(name) <= 128 for name in names)


def test_the_account_has_no_public_bucket_no_plain_volume_and_no_short_password(
    record: Any, context: Context, preview: bool
) -> None:
    args = AccountDefaultsArgs(context=context, key_arn="arn:aws:kms:us-east-1:111122223333:key/phi")
    recording = record(lambda: {"blocked": AccountDefaults("account", args).public_access_blocked}, preview=preview)
    block = recording.one("aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock").inputs
    assert set(block.values()) == {True}
    assert len(block) == 4
    assert recording.one("aws:ebs/encryptionByDefault:EncryptionByDefault").inputs["enabled"]
    assert recording.one("aws:ebs/defaultKmsKey:DefaultKmsKey").inputs["keyArn"].endswith("key/phi")
    passwords = recording.one("aws:iam/accountPasswordPolicy:AccountPasswordPolicy").inputs
    assert passwords["minimumPasswordLength"] == 14
    assert passwords["passwordReusePrevention"] == 24
