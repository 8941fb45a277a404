"""Buckets: no argument makes one insecure, and records outlive everyone who would delete them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components._base import Context
from components._bucket_policy import Perimeter
from components.storage import Lifecycle, ObjectLock, PlatformBuckets, PlatformBucketsArgs

ROLES = ("training-data", "preprocessed", "model-artifacts", "logs", "audit")
DATA_ROLES = tuple(role for role in ROLES if role != "logs")
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
KEYS = {"training-data": "phi", "preprocessed": "research", "model-artifacts": "models", "audit": "audit"}
DEPLOY_ROLE = "arn:aws:iam::111122223333:role/deploy"


def _key(name: str) -> pulumi.Output[str]:
    return pulumi.Output.from_input(f"arn:aws:kms:us-east-1:111122223333:key/{name}")


@pytest.fixture
def program(context: Context) -> Callable[..., Callable[[], dict[str, Any]]]:
    """Makes a program with the platform's buckets, changed by keyword."""

    def make(**changes: Any) -> Callable[[], dict[str, Any]]:
        def run() -> dict[str, Any]:
            args = {
                "context": context,
                "phi_key_arn": _key("phi"),
                "research_key_arn": _key("research"),
                "models_key_arn": _key("models"),
                "audit_key_arn": _key("audit"),
                "lifecycle": Lifecycle(),
                "access_log_days": 2557,
                "audit_lock": ObjectLock(mode="COMPLIANCE", days=2557),
                "perimeter": Perimeter(endpoint_id="vpce-1", direct_principals=[DEPLOY_ROLE]),
                **changes,
            }
            buckets = PlatformBuckets("buckets", PlatformBucketsArgs(**args))
            return {"training": buckets.training_data_name, "audit_arn": buckets.audit_arn}

        return run

    return make


@pytest.fixture(scope="module")
def kept() -> dict[bool, Any]:
    """What was recorded of the buckets as they are, in `up` and in a preview."""
    return {}


@pytest.fixture
def platform(record: Any, program: Any, kept: dict[bool, Any]) -> Callable[[bool], Any]:
    """`platform(preview=False)`: the buckets with nothing changed, evaluated once for all tests that read them."""

    def unchanged(preview: bool = False) -> Any:
        if preview not in kept:
            kept[preview] = record(program(), preview=preview)
        return kept[preview]

    return unchanged


@pytest.mark.parametrize("role", ROLES)
def test_every_bucket_is_private_owned_and_versioned(platform: Any, role: str, preview: bool) -> None:
    recording = platform(preview)
    blocked = recording.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", f"buckets-{role}-public-access")
    flags = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert all(blocked.inputs[flag] is True for flag in flags), "nothing of this platform is public"
    ownership = recording.one("aws:s3/bucketOwnershipControls:BucketOwnershipControls", f"buckets-{role}-ownership")
    assert ownership.inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    versioning = recording.one("aws:s3/bucketVersioning:BucketVersioning", f"buckets-{role}-versioning")
    assert versioning.inputs["versioningConfiguration"] == {"status": "Enabled"}, "an overwrite must be undoable"


@pytest.mark.parametrize("role", ROLES)
def test_every_companion_is_linked_to_its_bucket_even_before_it_exists(platform: Any, role: str) -> None:
    recording = platform(True)
    bucket = recording.one("aws:s3/bucket:Bucket", f"buckets-{role}")
    for suffix in ("public-access", "ownership", "versioning", "encryption", "lifecycle", "policy"):
        (companion,) = [r for r in recording.resources if r.name == f"buckets-{role}-{suffix}"]
        assert bucket.urn in companion.property_dependencies["bucket"], "policies follow this link in previews"


@pytest.mark.parametrize("role", ROLES)
def test_every_bucket_refuses_plain_and_old_transport(platform: Any, role: str) -> None:
    statements = platform().policy(POLICY, f"buckets-{role}-policy")
    arn = f"arn:aws:s3:::healthcare-imaging-mlops-test-{role}-111122223333"
    plain = statements["DenyPlainTransport"]
    assert (plain["Effect"], plain["Principal"], plain["Action"]) == ("Deny", "*", ["s3:*"])
    assert plain["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert plain["Resource"] == [arn, f"{arn}/*"]
    assert statements["DenyOldTls"]["Condition"] == {"NumericLessThan": {"s3:TlsVersion": "1.2"}}


@pytest.mark.parametrize("role", DATA_ROLES)
def test_each_class_lies_under_its_own_key_and_no_other(platform: Any, role: str) -> None:
    recording = platform()
    (rule,) = recording.one(ENCRYPTION, f"buckets-{role}-encryption").inputs["rules"]
    key = f"arn:aws:kms:us-east-1:111122223333:key/{KEYS[role]}"
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key}
    assert rule["bucketKeyEnabled"] is True
    foreign = recording.policy(POLICY, f"buckets-{role}-policy")["DenyForeignKeys"]
    name = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    assert foreign["Condition"] == {"StringNotEquals": {name: key}, "Null": {name: "false"}}


def test_the_access_log_target_uses_s3s_own_encryption_for_s3_cannot_write_it_otherwise(platform: Any) -> None:
    recording = platform()
    (rule,) = recording.one(ENCRYPTION, "buckets-logs-encryption").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    delivery = recording.policy(POLICY, "buckets-logs-policy")["AccessLogsOfOwnBuckets"]
    assert delivery["Principal"] == {"Service": ["logging.s3.amazonaws.com"]}
    assert delivery["Condition"]["StringEquals"] == {"aws:SourceAccount": "111122223333"}


def test_every_bucket_but_the_log_target_writes_access_logs(platform: Any) -> None:
    logging = platform().of("aws:s3/bucketLogging:BucketLogging")
    assert {log.inputs["targetPrefix"] for log in logging} == {f"{role}/" for role in DATA_ROLES}
    assert {log.inputs["targetBucket"] for log in logging} == {"healthcare-imaging-mlops-test-logs-111122223333"}


@pytest.mark.parametrize("role", DATA_ROLES)
def test_objects_go_to_cheaper_tiers_after_90_and_180_days(platform: Any, role: str) -> None:
    rule = platform().one(LIFECYCLE, f"buckets-{role}-lifecycle").inputs["rules"][0]
    assert [(step["storageClass"], step["days"]) for step in rule["transitions"]] == [
        ("INTELLIGENT_TIERING", 90),
        ("GLACIER_IR", 180),
    ]
    assert "expiration" not in rule, "an image that was acknowledged is never deleted by a rule"
    assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}


def test_only_copies_staged_for_an_import_are_deleted_by_a_rule(platform: Any) -> None:
    rules = platform().one(LIFECYCLE, "buckets-training-data-lifecycle").inputs["rules"]
    (scratch,) = [rule for rule in rules if "expiration" in rule]
    assert scratch["filter"] == {"prefix": "import-input/"}
    assert scratch["expiration"] == {"days": 3}
    assert scratch["noncurrentVersionExpiration"] == {"noncurrentDays": 1}, "else a year of copies is paid for"


def test_access_logs_end_after_their_time(platform: Any) -> None:
    (rule,) = platform().one(LIFECYCLE, "buckets-logs-lifecycle").inputs["rules"]
    assert rule["expiration"] == {"days": 2557}
    assert "transitions" not in rule, "an empty list would show as a change after every refresh"


def test_audit_records_are_locked_from_their_creation(platform: Any) -> None:
    recording = platform()
    assert recording.one("aws:s3/bucket:Bucket", "buckets-audit").inputs["objectLockEnabled"] is True
    rule = recording.one(LOCK).inputs["rule"]
    assert rule == {"defaultRetention": {"mode": "COMPLIANCE", "days": 2557}}, "7 years, 45 CFR 164.316(b)(2)(i)"
    (lifecycle,) = recording.one(LIFECYCLE, "buckets-audit-lifecycle").inputs["rules"]
    assert lifecycle["noncurrentVersionExpiration"] == {"noncurrentDays": 2557}


def test_no_other_bucket_is_locked(platform: Any) -> None:
    buckets = platform().of("aws:s3/bucket:Bucket")
    assert [b.name for b in buckets if b.inputs["objectLockEnabled"]] == ["buckets-audit"]


@pytest.mark.parametrize("role", DATA_ROLES)
def test_every_data_bucket_tells_eventbridge(platform: Any, role: str) -> None:
    notification = platform().one("aws:s3/bucketNotification:BucketNotification", f"buckets-{role}-events")
    assert notification.inputs["eventbridge"] is True


@pytest.mark.parametrize("role", ROLES)
def test_objects_are_reached_through_the_vpc_endpoint_only(platform: Any, role: str) -> None:
    statements = platform().policy(POLICY, f"buckets-{role}-policy")
    reads = statements["DenyReadsFromOutside"]
    assert reads["Condition"]["StringNotEquals"] == {"aws:SourceVpce": "vpce-1"}
    assert reads["Condition"]["Bool"] == {"aws:PrincipalIsAWSService": "false"}
    assert DEPLOY_ROLE in reads["Condition"]["ArnNotLikeIfExists"]["aws:PrincipalArn"], "the deploy role uploads code"
    assert not [action for action in reads["Action"] if "Policy" in action], "the owner can always mend the policy"


def test_a_stack_names_its_deploy_role_without_knowing_the_account(record: Any, program: Any) -> None:
    recording = record(program(perimeter=Perimeter(endpoint_id="vpce-1", direct_principals=["deploy"])))
    for role in ("model-artifacts", "training-data"):
        deny = recording.policy(POLICY, f"buckets-{role}-policy")["DenyWritesFromOutside"]
        assert DEPLOY_ROLE in deny["Condition"]["ArnNotLikeIfExists"]["aws:PrincipalArn"]


def test_without_a_deploy_role_nobody_comes_from_outside(record: Any, program: Any) -> None:
    recording = record(program(perimeter=Perimeter(endpoint_id="vpce-1")))
    deny = recording.policy(POLICY, "buckets-preprocessed-policy")["DenyReadsFromOutside"]
    assert "ArnNotLikeIfExists" not in deny["Condition"], "an empty list would match nobody or everybody"


def test_a_presigned_url_may_put_into_the_upload_folder_from_outside_and_nowhere_else(platform: Any) -> None:
    recording = platform()
    statements = recording.policy(POLICY, "buckets-training-data-policy")
    uploads = "arn:aws:s3:::healthcare-imaging-mlops-test-training-data-111122223333/upload/*"
    assert statements["DenyWritesFromOutside"]["NotResource"] == [uploads]
    unsigned = statements["DenyWritesFromOutsideWithoutPresignedUrl"]
    assert unsigned["Resource"] == [uploads]
    assert unsigned["Condition"]["StringNotEquals"]["s3:authType"] == "REST-QUERY-STRING"
    assert "NotResource" not in recording.policy(POLICY, "buckets-preprocessed-policy")["DenyWritesFromOutside"]


def test_a_presigned_url_may_get_what_was_found_sound_from_outside_and_nothing_else(platform: Any) -> None:
    recording = platform()
    statements = recording.policy(POLICY, "buckets-training-data-policy")
    sound = "arn:aws:s3:::healthcare-imaging-mlops-test-training-data-111122223333/validated/*"
    assert statements["DenyReadsFromOutside"]["NotResource"] == [sound]
    unsigned = statements["DenyReadsFromOutsideWithoutPresignedUrl"]
    assert unsigned["Resource"] == [sound]
    assert unsigned["Condition"]["StringNotEquals"]["s3:authType"] == "REST-QUERY-STRING"
    assert "NotResource" not in recording.policy(POLICY, "buckets-preprocessed-policy")["DenyReadsFromOutside"]


def test_healthimaging_imports_from_its_own_network_and_into_training_data_only(platform: Any) -> None:
    recording = platform()
    role = "arn:aws:iam::111122223333:role/healthcare-imaging-mlops-test-import"
    for bucket, allowed in (("training-data", True), ("preprocessed", False)):
        deny = recording.policy(POLICY, f"buckets-{bucket}-policy")["DenyReadsFromOutside"]
        assert (role in deny["Condition"]["ArnNotLikeIfExists"]["aws:PrincipalArn"]) == allowed


def test_a_stack_whose_clients_come_from_loopback_switches_the_perimeter_off_by_data(record: Any, program: Any) -> None:
    statements = record(program(perimeter=None)).policy(POLICY, "buckets-training-data-policy")
    assert set(statements) == {"DenyPlainTransport", "DenyOldTls", "DenyForeignKeys"}, "everything else stays on"


@pytest.mark.parametrize("force", [True, False])
def test_force_destroy_is_data_and_off_by_default(record: Any, program: Any, force: bool) -> None:
    recording = record(program(force_destroy=force) if force else program())
    assert {b.inputs.get("forceDestroy", False) for b in recording.of("aws:s3/bucket:Bucket")} == {force}


def test_names_are_known_in_a_preview_and_tags_say_the_class(platform: Any) -> None:
    recording = platform(True)
    assert recording.values["training"] == "healthcare-imaging-mlops-test-training-data-111122223333"
    bucket = recording.one("aws:s3/bucket:Bucket", "buckets-training-data")
    assert bucket.inputs["tags"]["data-class"] == "phi"
