"""Keys, buckets with all their settings, a table, a secret."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

SECRET = "sentinel-that-no-file-may-hold"


def _bucket(name: str, **more: Any) -> aws.s3.Bucket:
    bucket = aws.s3.Bucket(name, force_destroy=True, **more)
    aws.s3.BucketVersioning(name, bucket=bucket.id, versioning_configuration={"status": "Enabled"})
    aws.s3.BucketPublicAccessBlock(
        name,
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
    )
    aws.s3.BucketOwnershipControls(name, bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"})
    statement = {
        "sid": "TlsOnly",
        "effect": "Deny",
        "principals": [{"type": "*", "identifiers": ["*"]}],
        "actions": ["s3:*"],
        "resources": [bucket.arn, pulumi.Output.concat(bucket.arn, "/*")],
        "conditions": [{"test": "Bool", "variable": "aws:SecureTransport", "values": ["false"]}],
    }
    document = aws.iam.get_policy_document_output(statements=[statement])
    aws.s3.BucketPolicy(name, bucket=bucket.id, policy=document.json)
    return bucket


def _settings(raw: aws.s3.Bucket, logs: aws.s3.Bucket, key: aws.kms.Key) -> None:
    default = {"sse_algorithm": "aws:kms", "kms_master_key_id": key.arn}
    aws.s3.BucketServerSideEncryptionConfiguration(
        "raw", bucket=raw.id, rules=[{"apply_server_side_encryption_by_default": default, "bucket_key_enabled": True}]
    )
    rule = {
        "id": "tier",
        "status": "Enabled",
        "filter": {"prefix": "upload/"},
        "transitions": [{"days": 90, "storage_class": "GLACIER"}],
        "noncurrent_version_expiration": {"noncurrent_days": 30},
        "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
    }
    aws.s3.BucketLifecycleConfiguration("raw", bucket=raw.id, rules=[rule])
    aws.s3.BucketLogging("raw", bucket=raw.id, target_bucket=logs.id, target_prefix="raw/")
    aws.s3.BucketNotification("raw", bucket=raw.id, eventbridge=True)
    aws.s3.BucketObjectLockConfiguration(
        "raw", bucket=raw.id, rule={"default_retention": {"mode": "GOVERNANCE", "days": 1}}
    )
    cors = {"allowed_methods": ["PUT"], "allowed_origins": ["https://viewer.example"], "allowed_headers": ["*"]}
    aws.s3.BucketCorsConfiguration("raw", bucket=raw.id, cors_rules=[cors])
    aws.s3.BucketObjectv2(
        "code", bucket=logs.id, key="code/a.py", source=pulumi.StringAsset("print(1)"), tags={"k": "v"}
    )
    aws.s3.BucketIntelligentTieringConfiguration(
        "raw", bucket=raw.id, tierings=[{"access_tier": "ARCHIVE_ACCESS", "days": 90}]
    )
    aws.cloudtrail.Trail("audit", s3_bucket_name=logs.id, enable_log_file_validation=True)


def _images(key: aws.kms.Key) -> None:
    repository = aws.ecr.Repository(
        "images",
        image_tag_mutability="IMMUTABLE",
        image_scanning_configuration={"scan_on_push": False},
        encryption_configurations=[{"encryption_type": "KMS", "kms_key": key.arn}],
    )
    pulls = {"Sid": "Pulls", "Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [pulls]})
    aws.ecr.RepositoryPolicy("images", repository=repository.name, policy=document)
    rule = {
        "rulePriority": 1,
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 9},
        "action": {"type": "expire"},
    }
    aws.ecr.LifecyclePolicy("images", repository=repository.name, policy=json.dumps({"rules": [rule]}))


def build() -> dict[str, Any]:
    """Key, two buckets, table, secret with a value."""
    root = f"arn:aws:iam::{aws.get_caller_identity().account_id}:root"
    owner = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}
    key = aws.kms.Key(
        "data",
        enable_key_rotation=True,
        deletion_window_in_days=7,
        description="data key",
        policy=json.dumps({"Version": "2012-10-17", "Statement": [owner]}),
    )
    aws.kms.Alias("data", target_key_id=key.key_id)
    raw, logs = _bucket("raw", object_lock_enabled=True, tags={"class": "raw"}), _bucket("logs")
    _settings(raw, logs, key)
    _images(key)
    aws.dynamodb.Table(
        "images",
        hash_key="pk",
        range_key="sk",
        billing_mode="PAY_PER_REQUEST",
        attributes=[{"name": n, "type": t} for n, t in (("pk", "S"), ("sk", "N"), ("status", "S"))],
        global_secondary_indexes=[
            {"name": "by-status", "hash_key": "status", "range_key": "sk", "projection_type": "ALL"}
        ],
        ttl={"attribute_name": "expires", "enabled": True},
        point_in_time_recovery={"enabled": True},
        server_side_encryption={"enabled": True, "kms_key_arn": key.arn},
        deletion_protection_enabled=False,
    )
    secret = aws.secretsmanager.Secret("pseudonyms", kms_key_id=key.arn, recovery_window_in_days=0)
    aws.secretsmanager.SecretVersion("pseudonyms", secret_id=secret.id, secret_string=pulumi.Output.secret(SECRET))
    return {"key": key, "bucket": raw}
