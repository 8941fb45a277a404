"""Follow what the platform does with what was sent: the tracking table, the pipeline and its logs, the endpoint."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from local.cloud import Cloud
from local.console import GaveUpError, Ticker
from operations.follow import TooLongError, follow

FINAL = {"IMPORTED", "QUARANTINED"}


def tracking_items(cloud: Cloud, table: str, keys: set[str] | None = None) -> list[dict[str, Any]]:
    """Items of the tracking table, of the given upload keys only when these are given."""
    found: list[dict[str, Any]] = []
    source, start = cloud.resource("dynamodb").Table(table), {}
    while True:
        page = source.scan(ConsistentRead=True, **start)
        found += [i for i in page["Items"] if keys is None or i.get("upload_key") in keys]
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def watch_ingestion(cloud: Cloud, table: str, keys: set[str], *, seconds: float) -> list[dict[str, Any]]:
    """Show the counts by status until each upload is in a final state; GaveUpError names what is missing."""
    ticker, deadline = Ticker(), time.monotonic() + seconds
    while True:
        items = tracking_items(cloud, table, keys)
        counts = Counter(i["status"] for i in items)
        waiting = len(keys) - sum(counts[s] for s in FINAL)
        text = (
            f"{len(keys)} received: {counts['VALIDATED']} validated, {counts['IMPORTED']} imported into HealthImaging, "
            f"{counts['QUARANTINED']} quarantined, {max(0, len(keys) - len(items))} not yet looked at"
        )
        if waiting <= 0:
            ticker.end(text)
            return items
        ticker.show(text)
        if time.monotonic() > deadline:
            raise GaveUpError(
                f"{waiting} of {len(keys)} uploads have no final state after {seconds:.0f} s: {dict(counts)}"
            )
        time.sleep(1.5)


def watch_pipeline(cloud: Cloud, execution: str, say: Callable[[str], None], *, seconds: float) -> dict[str, Any]:
    """Show each step as it starts and ends with its log lines; returns the finished execution's description."""
    try:
        return follow(cloud.client, execution, say, seconds=seconds)
    except TooLongError as late:
        raise GaveUpError(str(late)) from late
