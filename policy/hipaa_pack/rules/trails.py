"""What watches the account: CloudTrail, GuardDuty, Config, Security Hub; and what is kept: backups, parameters."""

from __future__ import annotations

from collections.abc import Iterator

from hipaa_pack import sections
from hipaa_pack.checks import among, between, each, every, not_on, not_open, on, only, own_key, present
from hipaa_pack.reads import UNKNOWN, Values, at, listed
from hipaa_pack.rule import CompanionRule, ResourceRule, Rule

_TRAIL = ("aws:cloudtrail/trail:Trail",)
_SIX_YEARS_DAYS = 2192
_DATA = ("AWS::S3::Object", "AWS::DynamoDB::Table", "AWS::Lambda::Function", "AWS::MedicalImaging::Datastore")


def _data_events(values: Values) -> Iterator[str]:
    advanced, plain = at(values, "advancedEventSelectors"), at(values, "eventSelectors")
    if UNKNOWN in (advanced, plain):
        return
    named: set[str] = set()
    for selector in listed(advanced):
        for field in listed(at(selector, "fieldSelectors")):
            if at(field, "field") == "resources.type":
                named |= {str(kind) for kind in listed(at(field, "equals"))}
    for selector in listed(plain):
        named |= {str(at(resource, "type")) for resource in listed(at(selector, "dataResources"))}
    for kind in (kind for kind in _DATA if kind not in named):
        yield f"data events of {kind} are not recorded"


RULES: list[Rule] = [
    ResourceRule(
        id="trail-validation",
        says="a changed record of the trail is found",
        sections=sections.INTEGRITY,
        sources=("N:CloudTrailLogFileValidationEnabled", "K:36"),
        remedy="Set enable_log_file_validation=True.",
        types=_TRAIL,
        check=on("enableLogFileValidation"),
    ),
    ResourceRule(
        id="trail-kms",
        says="a trail is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("N:CloudTrailEncryptionEnabled", "K:35"),
        remedy="Set kms_key_id.",
        types=_TRAIL,
        check=own_key("kmsKeyId"),
    ),
    ResourceRule(
        id="trail-cwl",
        says="a trail is sent to CloudWatch Logs, where alarms read it",
        sections=sections.LOGGING,
        sources=("N:CloudTrailCloudWatchLogsEnabled", "K2:10"),
        remedy="Set cloud_watch_logs_group_arn and cloud_watch_logs_role_arn.",
        types=_TRAIL,
        check=present("cloudWatchLogsGroupArn", "cloudWatchLogsRoleArn"),
    ),
    ResourceRule(
        id="trail-multi-region",
        says="a trail records every region and the global services",
        sections=sections.LOGGING,
        sources=("C:multi-region-cloudtrail-enabled", "K:67"),
        remedy="Set is_multi_region_trail=True.",
        types=_TRAIL,
        check=every(
            on("isMultiRegionTrail"),
            only(
                "includeGlobalServiceEvents", lambda v: v is not False, "includeGlobalServiceEvents must not be false"
            ),
        ),
    ),
    ResourceRule(
        id="trail-on",
        says="a trail records",
        sections=sections.LOGGING,
        sources=("C:cloudtrail-enabled", "K:251"),
        remedy="Leave enable_logging on.",
        types=_TRAIL,
        check=only("enableLogging", lambda v: v is not False, "enableLogging must not be false"),
    ),
    ResourceRule(
        id="trail-data-events",
        says="a trail records who read which object, image, item and function",
        sections=(*sections.AUDIT, "164.308(a)(1)(ii)(D)"),
        sources=("C:cloudtrail-s3-dataevents-enabled",),
        remedy="Add advanced_event_selectors for the four kinds of data.",
        types=_TRAIL,
        check=_data_events,
    ),
    ResourceRule(
        id="trail-lake",
        says="an event data store is encrypted, kept for six years and cannot be deleted",
        sections=(*sections.ENCRYPTION, *sections.RETENTION),
        sources=("K:294",),
        remedy="Set kms_key_id, retention_period=2557 and leave termination protection on.",
        types=("aws:cloudtrail/eventDataStore:EventDataStore",),
        check=every(
            own_key("kmsKeyId"),
            between("retentionPeriod", _SIX_YEARS_DAYS, needed=False),
            only("terminationProtectionEnabled", lambda v: v is not False, "terminationProtectionEnabled must be true"),
        ),
    ),
    ResourceRule(
        id="gd-on",
        says="GuardDuty watches",
        sections=(*sections.MONITORING, *sections.MALWARE),
        sources=("C:guardduty-enabled-centralized", "K:238", "K2:3"),
        remedy="Leave enable on.",
        types=("aws:guardduty/detector:Detector",),
        check=only("enable", lambda v: v is not False, "enable must not be false"),
    ),
    ResourceRule(
        id="gd-features",
        says="a named protection of GuardDuty is on",
        sections=sections.MALWARE,
        remedy="Set status=ENABLED.",
        types=("aws:guardduty/detectorFeature:DetectorFeature",),
        check=among("status", "ENABLED"),
    ),
    ResourceRule(
        id="config-on",
        says="AWS Config records every kind of resource",
        sections=(*sections.RISK, *sections.AUDIT),
        sources=("K2:45", "K2:48"),
        remedy="Set recording_group.all_supported and include_global_resource_types.",
        types=("aws:cfg/recorder:Recorder",),
        check=on("recordingGroup.allSupported", "recordingGroup.includeGlobalResourceTypes"),
    ),
    CompanionRule(
        id="secret-rotation",
        says="a secret is changed at least every 90 days",
        sections=("164.308(a)(4)(ii)(B)",),
        sources=("N:SecretsManagerRotationEnabled", "K:304", "K2:57"),
        remedy="Add an aws.secretsmanager.SecretRotation (not for the key that pseudonyms hang on).",
        level="advisory",
        types=("aws:secretsmanager/secret:Secret",),
        companions=("aws:secretsmanager/secretRotation:SecretRotation",),
        link="secretId",
        identity=("id", "arn"),
    ),
    ResourceRule(
        id="secret-policy",
        says="no secret is open to everybody",
        sections=sections.ACCESS,
        remedy="Set block_public_policy=True and name principals.",
        grade="critical",
        types=("aws:secretsmanager/secretPolicy:SecretPolicy",),
        check=every(on("blockPublicPolicy"), not_open()),
    ),
    ResourceRule(
        id="ssm-secure",
        says="a parameter that looks like a secret is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("K:337", "K2:34"),
        remedy="Set type=SecureString and key_id.",
        types=("aws:ssm/parameter:Parameter",),
        check=lambda values: (
            every(among("type", "SecureString"), own_key("keyId"))(values)
            if any(word in str(at(values, "name")).lower() for word in ("password", "secret", "token", "key"))
            else ()
        ),
    ),
    ResourceRule(
        id="ssm-document-private",
        says="no document is shared with everybody",
        sections=sections.ACCESS,
        sources=("C:ssm-document-not-public", "K:303"),
        remedy="Name the accounts.",
        types=("aws:ssm/document:Document",),
        check=only("permissions.account_ids", lambda v: v not in ("All", "all"), "permissions must name accounts"),
    ),
    ResourceRule(
        id="backup-vault-cmk",
        says="backups are encrypted by a key of our own and outlive a mistake",
        sections=(*sections.ENCRYPTION, *sections.BACKUP),
        sources=("K:166",),
        remedy="Set kms_key_arn, leave force_destroy off.",
        types=("aws:backup/vault:Vault",),
        check=every(own_key("kmsKeyArn"), not_on("forceDestroy")),
    ),
    ResourceRule(
        id="backup-plan",
        says="backups are daily and kept for 35 days and more",
        sections=sections.BACKUP,
        sources=("C:backup-plan-min-frequency-and-min-retention-check",),
        remedy="Set schedule and lifecycle.delete_after of each rule.",
        level="advisory",
        types=("aws:backup/plan:Plan",),
        check=each("rules", every(present("schedule"), between("lifecycle.deleteAfter", 35, needed=False))),
    ),
    ResourceRule(
        id="kinesis-kms",
        says="a stream is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("C:kinesis-stream-encrypted", "K:185"),
        remedy="Set encryption_type=KMS and kms_key_id.",
        types=("aws:kinesis/stream:Stream",),
        check=every(among("encryptionType", "KMS"), own_key("kmsKeyId")),
    ),
    ResourceRule(
        id="ebs-default",
        says="volumes are encrypted whoever makes them",
        sections=sections.ENCRYPTION,
        sources=("C:ec2-ebs-encryption-by-default",),
        remedy="Leave enabled on.",
        types=("aws:ebs/encryptionByDefault:EncryptionByDefault",),
        check=only("enabled", lambda v: v is not False, "enabled must be true"),
    ),
    ResourceRule(
        id="ebs-encrypted",
        says="a volume is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("C:encrypted-volumes",),
        remedy="Set encrypted=True and kms_key_id.",
        types=("aws:ebs/volume:Volume",),
        check=every(on("encrypted"), own_key("kmsKeyId")),
    ),
    ResourceRule(
        id="efs-encrypted",
        says="a file system is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("N:EFSEncrypted",),
        remedy="Set encrypted=True and kms_key_id.",
        types=("aws:efs/fileSystem:FileSystem",),
        check=every(on("encrypted"), own_key("kmsKeyId")),
    ),
]
