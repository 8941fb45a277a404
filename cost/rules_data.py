"""What keeps and moves data: HealthImaging, S3, DynamoDB, logs, images of containers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from cost.estate import Resource
from cost.line import Amount, Case, Driver, Rule
from cost.usage import DAYS_A_MONTH, Usage

GIB_IN_GB: Final = 10**9 / 2**30
LOG_COMPRESSION: Final = 0.15
"""Share of its size that CloudWatch bills a stored log for, by its own price page."""

ITEM_KILOBYTES: Final = 1.5
LIFECYCLE: Final = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
_GB_OF: Final = {
    "STANDARD": "s3-standard-gb",
    "INTELLIGENT_TIERING": "s3-standard-gb",  # its frequent tier costs the same
    "INTELLIGENT_TIERING_INFREQUENT": "s3-tiering-infrequent-gb",
    "INTELLIGENT_TIERING_ARCHIVE_INSTANT": "s3-tiering-instant-gb",
    "GLACIER_IR": "s3-glacier-instant-gb",
}
_MOVE_TO: Final = {"INTELLIGENT_TIERING": "s3-to-tiering", "GLACIER_IR": "s3-to-glacier-instant"}


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What a bucket gains a month, by what makes it grow."""

    driver: Driver
    gb: float
    objects: float


def growth(role: str, usage: Usage) -> Growth:
    """By the bucket's role; a bucket of which nothing is known gains nothing, and costs only what it holds."""
    per_file, files = usage.per_file, usage.files
    table = {
        "training-data": Growth(
            driver="scan", gb=usage.scan_gb * per_file.lasting_copies, objects=files * per_file.lasting_copies
        ),
        "preprocessed": Growth(driver="training", gb=usage.trainings_per_month * usage.dataset_gb, objects=0),
        "model-artifacts": Growth(
            driver="training", gb=usage.trainings_per_month * usage.model_gb, objects=usage.trainings_per_month * 30
        ),
        "logs": Growth(driver="scan", gb=files * 1e-6, objects=files / 100),  # access logs: about 1 kB a request
        "audit": Growth(driver="scan", gb=files * per_file.audited_calls * 2e-8, objects=9_000),  # gzip, every 5 min
    }
    return table.get(role, Growth(driver="standing", gb=0, objects=0))


def data_store(resource: Resource, case: Case) -> Iterator[Amount]:
    """Frequent for a month after import or reading, then archive; calls are frames, metadata and searches."""
    usage = case.usage
    month = usage.scan_gb * usage.stored_fraction * GIB_IN_GB
    older = month * (usage.months_kept - 1)
    hot = older * usage.rereads_percent / 100
    yield Amount(price="healthimaging-frequent-gb", quantity=month + hot, driver="scan")
    yield Amount(price="healthimaging-archive-gb", quantity=older - hot, driver="scan")
    calls = usage.readings * (usage.frames_per_study + 3)
    yield Amount(price="healthimaging-call", quantity=calls, driver="reader")


def bucket(resource: Resource, case: Case) -> Iterator[Amount]:
    """A month's data at each age, in the class that the bucket's lifecycle has moved it to."""
    gain, driver = growth(resource.role, case.usage), growth(resource.role, case.usage).driver
    moves = transitions(resource, case)
    ages = Counter(class_at(age, moves) for age in range(case.usage.months_kept))
    for kind, months in ages.items():
        yield Amount(price=_GB_OF[kind], quantity=gain.gb * months, driver=driver)
        if kind.startswith("INTELLIGENT_TIERING"):
            yield Amount(price="s3-tiering-object", quantity=gain.objects * months, driver=driver)
    for kind, month in moves.items():  # a month's objects move once, in the month in which they are old enough
        moved = gain.objects if case.usage.months_kept > month else 0
        yield Amount(price=_MOVE_TO[kind], quantity=moved, driver=driver)
    work = resource.role == "training-data"
    writes = case.usage.files * case.usage.per_file.object_writes if work else gain.objects
    yield Amount(price="s3-put", quantity=writes, driver=driver)
    yield Amount(
        price="s3-get", quantity=case.usage.files * case.usage.per_file.object_reads if work else 0, driver=driver
    )


def class_at(age: int, moves: Mapping[str, int]) -> str:
    """Storage class of data so many months old; Intelligent-Tiering goes on by itself after 30 and 90 days."""
    passed = [kind for kind, month in sorted(moves.items(), key=lambda move: move[1]) if age >= month]
    kind = passed[-1] if passed else "STANDARD"
    if kind != "INTELLIGENT_TIERING":
        return kind
    inside = age - moves[kind]
    return kind if inside < 1 else f"{kind}_INFREQUENT" if inside < 3 else f"{kind}_ARCHIVE_INSTANT"


def transitions(resource: Resource, case: Case) -> dict[str, int]:
    """Months after which the bucket's lifecycle moves everything, by storage class; the stack's or the what-if's."""
    found: dict[str, int] = {}
    for lifecycle in (one for one in case.estate.of(LIFECYCLE) if one.name == f"{resource.name}-lifecycle"):
        for rule in lifecycle.inputs.get("rules", []):
            for move in rule.get("transitions", []):
                found[str(move["storageClass"])] = round(float(move["days"]) / DAYS_A_MONTH)
    return found


def table(resource: Resource, case: Case) -> Iterator[Amount]:
    """On demand: a write costs one unit for the table and one for each index that it touches."""
    usage = case.usage
    indexes = len(resource.inputs.get("globalSecondaryIndexes", []))
    items: dict[str, tuple[Driver, float, float, float]] = {  # driver, writes, reads, items kept
        "image-tracking": (
            "scan",
            usage.files * usage.per_file.table_writes,
            usage.files * usage.per_file.table_reads,
            usage.files * usage.months_kept,
        ),
        "idempotency": ("scan", usage.files * 0.1, usage.files * 0.1, usage.files * 0.1),
        "assignments": ("reader", usage.scans, usage.readings * usage.calls_per_study, usage.scans * usage.months_kept),
        "labels": ("reader", usage.readings * 0.1, usage.readings, usage.readings * 0.1 * usage.months_kept),
    }
    driver, writes, reads, kept = items.get(
        resource.role, ("training", usage.trainings_per_month * 10, usage.trainings_per_month * 100, 100)
    )
    regions = 1 + len(resource.inputs.get("replicas", []))  # every replica is written and kept too
    gb = kept * ITEM_KILOBYTES * (1 + indexes) / 1e6 * regions
    yield Amount(price="ddb-write", quantity=writes * 2 * (1 + indexes) * regions, driver=driver)  # 1.5 kB: two units
    yield Amount(price="ddb-read", quantity=reads, driver=driver)
    yield Amount(price="ddb-gb", quantity=gb, driver=driver)
    recovery = cast("Mapping[str, object]", resource.inputs.get("pointInTimeRecovery") or {})
    if recovery.get("enabled"):
        yield Amount(price="ddb-pitr-gb", quantity=kept * ITEM_KILOBYTES / 1e6, driver=driver)


def log_group(resource: Resource, case: Case) -> Iterator[Amount]:
    """What is taken in, and what the retention keeps of it."""
    driver, taken = _logged(resource.name, case.usage)
    months = min(case.usage.months_in_operation, (resource.inputs.get("retentionInDays") or 10**6) / DAYS_A_MONTH)
    yield Amount(price="log-gb", quantity=taken, driver=driver)
    yield Amount(price="log-stored-gb", quantity=taken * months * LOG_COMPRESSION, driver=driver)


def log_mask(resource: Resource, case: Case) -> Iterator[Amount]:
    """All that its log group takes in is looked through."""
    driver, taken = _logged(resource.name.removesuffix("-mask"), case.usage)
    yield Amount(price="log-mask-gb", quantity=taken, driver=driver)


def _logged(group: str, usage: Usage) -> tuple[Driver, float]:
    """What drives a log group, and what it takes in a month (GB)."""
    gb: dict[str, tuple[Driver, float]] = {
        "network-flow-logs": ("standing", usage.flow_log_gb),
        "ingestion-function-logs": ("scan", usage.files * usage.per_file.log_kilobytes * 0.7 / 1e6),
        "ingestion-machine-logs": ("scan", usage.files * usage.per_file.log_kilobytes * 0.3 / 1e6),
        "trail-logs": (
            "scan",
            (usage.files * usage.per_file.audited_calls + usage.management_events) * 1.5 / 1e6,
        ),
        "api-function-logs": ("reader", usage.readings * usage.calls_per_study * 2 / 1e6),
        "api-access-logs": ("reader", usage.readings * usage.calls_per_study * 0.5 / 1e6),
        "api-firewall-logs": ("reader", usage.readings * usage.calls_per_study * 1.5 / 1e6),
    }
    return gb.get(group, ("standing", 0.05))


def repository(resource: Resource, case: Case) -> Iterator[Amount]:
    """The images that a repository's own lifecycle keeps."""
    yield Amount(price="ecr-gb", quantity=case.usage.image_gb)


def scanning(resource: Resource, case: Case) -> Iterator[Amount]:
    """Enhanced scanning is Inspector's: every pushed image, and the kept ones again when a vulnerability is known."""
    if resource.inputs.get("scanType") == "ENHANCED":
        number = len(case.estate.of("aws:ecr/repository:Repository"))
        yield Amount(price="inspector-image", quantity=number * case.usage.image_pushes)
        yield Amount(price="inspector-rescan", quantity=number * case.usage.image_rescans)


def replication(resource: Resource, case: Case) -> Iterator[Amount]:
    """What a bucket gains goes to the other region within 15 minutes; the copy's storage is the other bucket's."""
    gain = growth(resource.role.removesuffix("-rule"), case.usage)
    yield Amount(price="region-gb", quantity=gain.gb, driver=gain.driver)
    yield Amount(price="replication-time-gb", quantity=gain.gb, driver=gain.driver)


RULES: Final[Mapping[str, Rule]] = {
    "aws:cloudcontrol/resource:Resource": data_store,  # the program makes nothing else by Cloud Control
    "aws:cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy": log_mask,
    "aws:cloudwatch/logGroup:LogGroup": log_group,
    "aws:dynamodb/table:Table": table,
    "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration": scanning,
    "aws:ecr/repository:Repository": repository,
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": replication,
    "aws:s3/bucket:Bucket": bucket,
}
