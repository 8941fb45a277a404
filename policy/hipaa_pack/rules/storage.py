"""S3: private, encrypted by our keys, TLS only, versioned, logged, locked where it is audit."""

from __future__ import annotations

from collections.abc import Iterator

from pulumi_policy import PolicyResource

from hipaa_pack import sections
from hipaa_pack.reads import (
    UNKNOWN,
    Values,
    at,
    conditions,
    document,
    is_off,
    is_set,
    listed,
    plain,
    principals,
    statements,
)
from hipaa_pack.rule import CompanionRule, ResourceRule, Rule, StackRule

BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
_SSE = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
_NAMES = ("id", "bucket", "arn")


def is_log_sink(bucket: Values) -> bool:
    """S3 delivers access logs only to buckets under S3's own keys that do not log to themselves (AWS S3 user guide)."""
    return at(bucket, "tags.data-class") == "logs"


def _all_four(values: Values) -> Iterator[str]:
    for switch in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
        if is_off(at(values, switch)):
            yield f"{switch} must be true"


def _our_key(values: Values) -> Iterator[str]:
    for rule in listed(at(values, "rules")):
        algorithm = at(rule, "applyServerSideEncryptionByDefault.sseAlgorithm")
        key = at(rule, "applyServerSideEncryptionByDefault.kmsMasterKeyId")
        if algorithm == "AES256":  # allowed to log sinks only, which `s3-sse-kms-for-data` tells apart
            continue
        if algorithm is not UNKNOWN and algorithm not in ("aws:kms", "aws:kms:dsse"):
            yield "sseAlgorithm must be aws:kms or aws:kms:dsse"
        if not is_set(key) or (isinstance(key, str) and key.endswith("alias/aws/s3")):
            yield "kmsMasterKeyId must name a key of our own"


def _tls_only(values: Values) -> Iterator[str]:
    if document(at(values, "policy")) is None:
        return
    for statement in statements(at(values, "policy")):
        denied = statement.get("Effect") == "Deny" and "*" in principals(statement)
        if denied and str(conditions(statement).get("aws:securetransport", "")).lower() == "false":
            return
    yield "the policy must deny every request where aws:SecureTransport is false"


_BINDING = {"aws:principalorgid", "aws:sourcevpce", "aws:sourcevpc", "aws:sourceaccount", "aws:principalaccount"}


def not_public(values: Values) -> Iterator[str]:
    """No Allow for everybody, unless bound to our organization, account or endpoints."""
    for statement in statements(at(values, "policy")):
        open_to_all = statement.get("Effect") == "Allow" and "*" in principals(statement)
        if open_to_all and not _BINDING & conditions(statement).keys():
            yield "a statement allows everybody without binding it to an organization, account or VPC endpoint"


def _owner(values: Values) -> Iterator[str]:
    owner = at(values, "rule.objectOwnership")
    if owner is not UNKNOWN and owner != "BucketOwnerEnforced":
        yield "objectOwnership must be BucketOwnerEnforced"


def _versioned(values: Values) -> Iterator[str]:
    status = at(values, "versioningConfiguration.status")
    if status is not UNKNOWN and status != "Enabled":
        yield "versioning must be Enabled"


def _no_public_acl(values: Values) -> Iterator[str]:
    acl = at(values, "acl")
    if isinstance(acl, str) and (acl.startswith("public-") or acl == "authenticated-read"):
        yield "a canned ACL that opens the bucket"


def _no_inline(values: Values) -> Iterator[str]:
    for name in ("acl", "grants", "policy", "versioning", "logging", "serverSideEncryptionConfiguration", "website"):
        if is_set(at(values, name)):
            yield f"{name} inside the bucket hides it from the rules: use the resource of its own"


def _forbidden(_: Values) -> Iterator[str]:
    yield "a website endpoint has no TLS"


def _audit_lock(values: Values) -> Iterator[str]:
    if at(values, "tags.data-class") == "audit" and is_off(at(values, "objectLockEnabled")):
        yield "objectLockEnabled must be true on an audit bucket: it can only be set at creation"


def _retention(values: Values) -> Iterator[str]:
    mode = at(values, "rule.defaultRetention.mode")
    if mode is not UNKNOWN and mode not in ("GOVERNANCE", "COMPLIANCE"):
        yield "a default retention with mode GOVERNANCE or COMPLIANCE is needed"


def _object_key(values: Values) -> Iterator[str]:
    algorithm = at(values, "serverSideEncryption")
    if algorithm not in (None, UNKNOWN) and not str(algorithm).startswith("aws:kms"):
        yield "an object that names its own encryption must use aws:kms"
    if is_set(at(values, "acl")):
        yield "an object must not carry an ACL"


def _own_keys_for_data(resources: list[PolicyResource]) -> Iterator[tuple[PolicyResource, str]]:
    for setting in resources:
        if setting.resource_type != _SSE:
            continue
        algorithm = at(plain(setting.props), "rules.applyServerSideEncryptionByDefault.sseAlgorithm")
        buckets = [r for r in setting.property_dependencies.get("bucket", []) if r.resource_type in BUCKETS]
        if algorithm == "AES256" and not all(is_log_sink(plain(b.props)) for b in buckets):
            yield setting, f"{setting.name}: only a log sink may use keys that S3 manages"


def _companion(kind: str, **about: object) -> CompanionRule:
    names = (f"aws:s3/{kind}:{kind[0].upper()}{kind[1:]}", f"aws:s3/{kind}V2:{kind[0].upper()}{kind[1:]}V2")
    return CompanionRule(types=BUCKETS, companions=names, link="bucket", identity=_NAMES, **about)  # type: ignore[arg-type]


RULES: list[Rule] = [
    ResourceRule(
        id="s3-pab-all-on",
        says="a public access block has all four switches on",
        sections=sections.NETWORK,
        sources=("N:S3BucketLevelPublicAccessProhibited", "K:53", "K:54", "K:55", "K:56"),
        remedy="Set all four arguments of aws.s3.BucketPublicAccessBlock to True.",
        grade="critical",
        types=("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",),
        check=_all_four,
    ),
    _companion(
        "bucketPublicAccessBlock",
        id="s3-pab-present",
        says="every bucket blocks public access",
        sections=sections.NETWORK,
        sources=("N:S3BucketLevelPublicAccessProhibited", "K2:6"),
        remedy="Use components.storage.SecureBucket, or add an aws.s3.BucketPublicAccessBlock.",
        grade="critical",
    ),
    ResourceRule(
        id="s3-versioning-on",
        says="versioning is enabled, never suspended",
        sections=(*sections.BACKUP, *sections.INTEGRITY),
        sources=("N:S3BucketVersioningEnabled", "K:21"),
        remedy="Set versioning_configuration.status to Enabled.",
        types=("aws:s3/bucketVersioning:BucketVersioning", "aws:s3/bucketVersioningV2:BucketVersioningV2"),
        check=_versioned,
    ),
    _companion(
        "bucketVersioning",
        id="s3-versioning-present",
        says="every bucket keeps versions",
        sections=(*sections.BACKUP, *sections.INTEGRITY),
        sources=("N:S3BucketVersioningEnabled", "K:21"),
        remedy="Use components.storage.SecureBucket, or add an aws.s3.BucketVersioning.",
    ),
    ResourceRule(
        id="s3-sse-our-key",
        says="default encryption uses a key of our own",
        sections=sections.ENCRYPTION,
        sources=("N:S3DefaultEncryptionKMS", "K:145"),
        remedy="Set sse_algorithm to aws:kms and kms_master_key_id to a key of the program.",
        types=(_SSE,),
        check=_our_key,
    ),
    StackRule(
        id="s3-sse-kms-for-data",
        says="only a log sink is encrypted by keys that S3 manages",
        sections=sections.ENCRYPTION,
        sources=("N:S3DefaultEncryptionKMS",),
        remedy="Use aws:kms with a key of the program, or tag a log sink data-class=logs.",
        find=_own_keys_for_data,
    ),
    _companion(
        "bucketServerSideEncryptionConfiguration",
        id="s3-sse-present",
        says="every bucket encrypts at rest",
        sections=sections.ENCRYPTION,
        sources=("N:S3DefaultEncryptionKMS", "K:19"),
        remedy="Use components.storage.SecureBucket, or add a BucketServerSideEncryptionConfiguration.",
    ),
    ResourceRule(
        id="s3-tls-only",
        says="a bucket policy refuses requests without TLS",
        sections=sections.TRANSMISSION,
        sources=("N:S3BucketSSLRequestsOnly", "K:379"),
        remedy="Add the Deny statement on aws:SecureTransport=false (components.storage does).",
        types=("aws:s3/bucketPolicy:BucketPolicy",),
        check=_tls_only,
    ),
    _companion(
        "bucketPolicy",
        id="s3-policy-present",
        says="every bucket has a policy that refuses plain HTTP",
        sections=sections.TRANSMISSION,
        sources=("N:S3BucketSSLRequestsOnly",),
        remedy="Use components.storage.SecureBucket, or add an aws.s3.BucketPolicy.",
    ),
    ResourceRule(
        id="s3-policy-not-public",
        says="no bucket policy opens a bucket to everybody",
        sections=sections.NETWORK,
        sources=("N:S3BucketPublicReadProhibited", "K:70"),
        remedy="Name principals, or bind the statement with aws:PrincipalOrgID or aws:SourceVpce.",
        grade="critical",
        types=("aws:s3/bucketPolicy:BucketPolicy",),
        check=not_public,
    ),
    ResourceRule(
        id="s3-owner-enforced",
        says="ACLs are off: the bucket's owner owns every object",
        sections=sections.ACCESS,
        sources=("C:s3-bucket-acl-prohibited", "K2:65"),
        remedy="Set rule.object_ownership to BucketOwnerEnforced.",
        types=("aws:s3/bucketOwnershipControls:BucketOwnershipControls",),
        check=_owner,
    ),
    _companion(
        "bucketLogging",
        id="s3-access-logs",
        says="every bucket but the log sink records who asked for what",
        sections=sections.LOGGING,
        sources=("N:S3BucketLoggingEnabled", "K:18"),
        remedy="Add an aws.s3.BucketLogging to the logs bucket, or tag a log sink data-class=logs.",
        exempt=is_log_sink,
    ),
    ResourceRule(
        id="s3-no-public-acl",
        says="no ACL opens a bucket",
        sections=sections.NETWORK,
        sources=("N:S3BucketPublicReadProhibited", "N:S3BucketPublicWriteProhibited", "K:20", "K:57"),
        remedy="Remove the ACL.",
        grade="critical",
        types=("aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketAclV2:BucketAclV2", *BUCKETS),
        check=_no_public_acl,
    ),
    ResourceRule(
        id="s3-inline-legacy",
        says="settings live in resources of their own",
        sections=sections.ACCESS,
        remedy="Move the in-line block into its own aws.s3 resource.",
        grade="medium",
        types=("aws:s3/bucket:Bucket",),
        check=_no_inline,
    ),
    ResourceRule(
        id="s3-no-website",
        says="no bucket is served as a website",
        sections=sections.TRANSMISSION,
        remedy="Serve through CloudFront with an origin access control.",
        types=("aws:s3/bucketWebsiteConfiguration:BucketWebsiteConfiguration",),
        check=_forbidden,
    ),
    ResourceRule(
        id="s3-audit-lock-flag",
        says="an audit bucket is made with Object Lock",
        sections=(*sections.RETENTION, *sections.INTEGRITY),
        sources=("K:143",),
        remedy="Set object_lock_enabled=True at creation.",
        types=BUCKETS,
        check=_audit_lock,
    ),
    ResourceRule(
        id="s3-audit-lock",
        says="Object Lock has a default retention",
        sections=(*sections.RETENTION, *sections.INTEGRITY),
        sources=("C:s3-bucket-default-lock-enabled", "K:143"),
        remedy="Give default_retention a mode and a time.",
        types=("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",),
        check=_retention,
    ),
    ResourceRule(
        id="s3-object-kms",
        says="an object never weakens its bucket's encryption",
        sections=sections.ENCRYPTION,
        sources=("K:186",),
        remedy="Leave encryption to the bucket's default, or name aws:kms; no ACL.",
        types=("aws:s3/bucketObjectv2:BucketObjectv2", "aws:s3/bucketObject:BucketObject"),
        check=_object_key,
    ),
]
