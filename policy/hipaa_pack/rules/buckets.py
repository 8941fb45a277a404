"""S3 beyond the basics: access points, cross-origin requests, retention that nobody can shorten, copies elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from pulumi_policy import PolicyResource

from hipaa_pack import sections
from hipaa_pack.checks import each, every, never, on, present
from hipaa_pack.reads import UNKNOWN, Values, at, is_true, listed, plain
from hipaa_pack.rule import CompanionRule, ResourceRule, Rule, StackRule
from hipaa_pack.rules.storage import BUCKETS

_SIX_YEARS_DAYS = 2192
_LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
_LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"


def _is_audit(bucket: Values) -> bool:
    return at(bucket, "tags.data-class") == "audit"


def _six_years(values: Values) -> Iterator[str]:
    retention = at(values, "rule.defaultRetention")
    years, days, mode = (at(retention, name) for name in ("years", "days", "mode"))
    if UNKNOWN in (retention, years, days, mode):
        return
    if mode != "COMPLIANCE":
        yield "rule.defaultRetention.mode must be COMPLIANCE: others can be lifted by an administrator"
    if float(years or 0) * 365.25 + float(days or 0) < _SIX_YEARS_DAYS - 1:
        yield "rule.defaultRetention must be six years or more"


def _early_end(resources: list[PolicyResource]) -> Iterator[tuple[PolicyResource, str]]:
    for setting in resources:
        buckets = [r for r in setting.property_dependencies.get("bucket", []) if r.resource_type in BUCKETS]
        if setting.resource_type != _LIFECYCLE or not any(_is_audit(plain(b.props)) for b in buckets):
            continue
        for rule in listed(at(plain(setting.props), "rules")):
            days = at(rule, "expiration.days")
            if days not in (None, UNKNOWN) and 0 < float(days) < _SIX_YEARS_DAYS:
                yield setting, f"{setting.name}: an audit record would be deleted before six years"


def _secure_origin(values: Values) -> Iterator[str]:
    for origin in listed(at(values, "allowedOrigins")):
        if isinstance(origin, str) and (origin == "*" or not origin.startswith("https://")):
            yield "allowedOrigins must be https origins by name"


def _protected_alike(resources: list[PolicyResource]) -> Iterator[tuple[PolicyResource, str]]:
    """A stack protects all of its stores or none: what a table's deletionProtectionEnabled says holds for buckets."""
    protects = any(
        is_true(at(plain(r.props), "deletionProtectionEnabled"))
        for r in resources
        if r.resource_type == "aws:dynamodb/table:Table"
    )
    for resource in resources if protects else []:
        values = plain(resource.props)
        if resource.resource_type in BUCKETS and is_true(at(values, "forceDestroy")):
            yield resource, f"{resource.name} would be deleted with all its objects"
        if resource.resource_type == "aws:dynamodb/table:Table" and not _protected(values):
            yield resource, f"{resource.name} could be deleted: deletionProtectionEnabled must be true"
        is_store = at(values, "typeName") == "AWS::HealthImaging::Datastore"
        if is_store and not (resource.opts and resource.opts.protect):
            yield resource, f"{resource.name} could be deleted: give it protect=True"


def _protected(table: Values) -> bool:
    switch = at(table, "deletionProtectionEnabled")
    return switch is UNKNOWN or is_true(switch)


def _copied(values: Values) -> Iterator[str]:
    for rule in listed(at(values, "rules")):
        if at(rule, "status") not in ("Enabled", UNKNOWN):
            yield "rules[].status must be Enabled"
        key = at(rule, "destination.encryptionConfiguration.replicaKmsKeyId")
        if key is None:
            yield "rules[].destination.encryptionConfiguration.replicaKmsKeyId must be set"


def _cheap_key(rule: Values) -> Iterator[str]:
    ours = at(rule, "applyServerSideEncryptionByDefault.sseAlgorithm") != "AES256"
    if ours and at(rule, "bucketKeyEnabled") not in (True, UNKNOWN):
        yield "bucketKeyEnabled should be true under a key of our own"


RULES: list[Rule] = [
    ResourceRule(
        id="s3-audit-lock-years",
        says="audit records cannot be deleted for six years, by nobody",
        sections=(*sections.RETENTION, *sections.INTEGRITY),
        sources=("C:s3-bucket-default-lock-enabled", "K:143"),
        remedy="Set default_retention to COMPLIANCE and six years or more.",
        types=(_LOCK,),
        check=_six_years,
    ),
    CompanionRule(
        id="s3-audit-lock-present",
        says="an audit bucket has a default retention",
        sections=(*sections.RETENTION, *sections.INTEGRITY),
        sources=("C:s3-bucket-default-lock-enabled",),
        remedy="Add an aws.s3.BucketObjectLockConfiguration.",
        types=BUCKETS,
        companions=(_LOCK,),
        link="bucket",
        identity=("id", "bucket"),
        exempt=lambda bucket: not _is_audit(bucket),
    ),
    StackRule(
        id="s3-audit-no-early-expiry",
        says="no lifecycle deletes an audit record before six years",
        sections=sections.RETENTION,
        remedy="Leave expiration out for audit buckets, or make it 2192 days and more.",
        types=(_LIFECYCLE,),
        find=_early_end,
    ),
    StackRule(
        id="stores-protected-alike",
        says="a stack that protects one store against deletion protects all of them",
        sections=(*sections.BACKUP, *sections.INTEGRITY),
        remedy="Set deletion protection of tables, protect of the data store, and no force_destroy, together.",
        types=(*BUCKETS, "aws:dynamodb/table:Table", "aws:cloudcontrol/resource:Resource"),
        find=_protected_alike,
    ),
    CompanionRule(
        id="s3-lifecycle",
        says="every bucket ends unfinished uploads and moves old versions on",
        sections=(*sections.BACKUP, "164.310(d)(2)(i)"),
        sources=("C:s3-version-lifecycle-policy-check", "K:300", "K2:61"),
        remedy="Add an aws.s3.BucketLifecycleConfiguration.",
        level="advisory",
        types=BUCKETS,
        companions=(_LIFECYCLE,),
        link="bucket",
        identity=("id", "bucket"),
    ),
    ResourceRule(
        id="s3-replication-complete",
        says="a copy in another region is on and under a key of its own",
        sections=(*sections.BACKUP, *sections.ENCRYPTION),
        sources=("N:S3BucketReplicationEnabled", "K:144"),
        remedy="Set status=Enabled and encryption_configuration.replica_kms_key_id.",
        types=("aws:s3/bucketReplicationConfig:BucketReplicationConfig",),
        check=_copied,
    ),
    ResourceRule(
        id="s3-cors",
        says="browsers reach a bucket from named https origins only",
        sections=sections.ACCESS,
        remedy="Name the viewer's origin.",
        types=("aws:s3/bucketCorsConfiguration:BucketCorsConfiguration",),
        check=each("corsRules", _secure_origin),
    ),
    ResourceRule(
        id="s3-access-point",
        says="an access point is private and bound to a VPC",
        sections=sections.NETWORK,
        sources=("K:392",),
        remedy="Set the four switches and vpc_configuration.",
        types=("aws:s3/accessPoint:AccessPoint",),
        check=every(
            on(
                "publicAccessBlockConfiguration.blockPublicAcls",
                "publicAccessBlockConfiguration.blockPublicPolicy",
                "publicAccessBlockConfiguration.ignorePublicAcls",
                "publicAccessBlockConfiguration.restrictPublicBuckets",
            ),
            present("vpcConfiguration.vpcId"),
        ),
    ),
    ResourceRule(
        id="s3-account-pab",
        says="the account's own public access block has all four switches on",
        sections=sections.NETWORK,
        sources=("C:s3-account-level-public-access-blocks-periodic",),
        remedy="Set all four arguments to True.",
        grade="critical",
        types=("aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock",),
        check=on("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"),
    ),
    ResourceRule(
        id="s3-no-legacy-object",
        says="objects are made by the present type",
        sections=sections.ENCRYPTION,
        remedy="Use aws.s3.BucketObjectv2: the older type hides its settings from the rules.",
        grade="low",
        types=("aws:s3/bucketObject:BucketObject",),
        check=never("the older type of an object"),
    ),
    ResourceRule(
        id="s3-bucket-key",
        says="a bucket key saves calls of KMS",
        sections=sections.ENCRYPTION,
        remedy="Set bucket_key_enabled=True.",
        grade="low",
        level="advisory",
        types=("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",),
        check=each("rules", _cheap_key),
    ),
]
