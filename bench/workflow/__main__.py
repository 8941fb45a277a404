"""A thousand images at once through the ingestion of the local stack: none lost, none twice, and how fast by size.

The same files are also PUT and read back as plain objects on the same embedded S3, in the same run: what the workflow
adds to that (validate, copy, de-identify, import with HTJ2K, track) is the ratio that is printed. The figures are the
stand-ins' on this machine; on AWS the parts run side by side. The exit code is 1 when anything was lost or came twice.

    make load-test FILES=1000
    make load-test ONE_BY_ONE=1    a file of each size on its own: seconds from upload to imported, work and waits apart
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.workflow import single
from bench.workflow.files import CLASSES, Sample, write_files
from local.aws_process import DEFAULT_PORT
from local.cloud import Cloud
from local.console import Ticker
from local.demo.clients import Api, make_person, sign_in
from local.demo.report import image_set_metadata
from local.demo.upload import Upload, upload_all
from local.demo.watch import watch_ingestion
from local.engine.paths import CACHE
from local.stack import LocalStack

WORKERS = 8


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.workflow", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=1000, help="files sent at once (default 1000)")
    parser.add_argument("--one-by-one", action="store_true", help="instead one file of each size at a time, in rounds")
    parser.add_argument("--rounds", type=int, default=3, help="of --one-by-one (default 3)")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000_000, help="of the images (default: new)")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    port = int(os.environ.get("PORT", DEFAULT_PORT))
    parser.add_argument("--port", type=int, default=port, help="of the embedded AWS (default: PORT, else %(default)s)")
    options = parser.parse_args()
    stack = LocalStack(port=options.port)
    stack.up()
    out, cloud = stack.outputs(), Cloud(stack.client_environment())
    if options.one_by_one:
        rows = idle(cloud, out, options.seed, options.rounds)
        print(json.dumps(rows, indent=2) if options.json else single.table(rows))
        return 0
    samples = write_files(CACHE / "load-test", options.files, options.seed)
    limit = plain_objects(cloud, out["training_data_bucket"], samples)
    began = time.monotonic()
    uploads = send(cloud, out, samples)
    sent = time.monotonic() - began
    keys = {f"upload/{upload.upload_id}.dcm" for upload in uploads}
    items = watch_ingestion(cloud, out["tracking_table"], keys, seconds=600 + 3 * len(keys))
    whole = time.monotonic() - began
    complaints = check(cloud, samples, uploads, items)
    figures = {
        "files": len(samples),
        "megabytes": round(sum(upload.size_bytes for upload in uploads) / 1e6),
        "seconds": {"plain objects": round(limit, 1), "upload": round(sent, 1), "workflow": round(whole, 1)},
        "images_per_second": round(len(samples) / whole, 1),
        "times_of_plain_objects": round(whole / limit, 1),
        "latency_by_size": latencies(samples, uploads, items),
        "complaints": complaints,
    }
    print(json.dumps(figures, indent=2) if options.json else table(figures))
    return 1 if complaints else 0


def idle(cloud: Cloud, out: dict[str, Any], seed: int, rounds: int) -> list[dict[str, Any]]:
    """A file at a time, by a person signed in once."""
    api, bundle, ticker = sign_in_as_reader(cloud, out), cloud.env["AWS_CA_BUNDLE"], Ticker()

    def send(path: Path) -> Upload:
        ticker.show(f"sending {path.stat().st_size / 1e6:.0f} MB")
        return upload_all(api, [path], bundle, lambda _: None)[0]

    def plain(sample: Sample) -> float:
        return plain_objects(cloud, out["training_data_bucket"], [sample])

    stack = single.IdleStack(cloud=cloud, out=out, folder=CACHE / "load-test", seed=seed, send=send, plain=plain)
    return stack.one_by_one(rounds)


def plain_objects(cloud: Cloud, bucket: str, samples: list[Sample]) -> float:
    """Seconds to PUT every file and read it back, which any ingestion has to do at the least."""
    store = cloud.client("s3")

    def round_trip(pair: tuple[int, Sample]) -> None:
        number, sample = pair
        key = f"load-test/{number}"
        store.put_object(Bucket=bucket, Key=key, Body=sample.path.read_bytes())
        store.get_object(Bucket=bucket, Key=key)["Body"].read()
        store.delete_object(Bucket=bucket, Key=key)

    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(round_trip, enumerate(samples)))
    return time.monotonic() - began


def send(cloud: Cloud, out: dict[str, Any], samples: list[Sample]) -> list[Upload]:
    """All files through presigned URLs, as a portal sends them."""
    api, bundle, ticker = sign_in_as_reader(cloud, out), cloud.env["AWS_CA_BUNDLE"], Ticker()
    uploads = upload_all(
        api, [s.path for s in samples], bundle, lambda n: ticker.show(f"{n} of {len(samples)} sent"), WORKERS
    )
    ticker.end(f"{len(uploads)} sent")
    return uploads


def sign_in_as_reader(cloud: Cloud, out: dict[str, Any]) -> Api:
    """The API as a radiologist of the load test."""
    person = make_person(cloud, out["user_pool_id"], "radiologist", "load-test@demo.invalid")
    return Api(out["api_url"], sign_in(cloud, out["user_pool_client_id"], person), cloud.env["AWS_CA_BUNDLE"])


def check(cloud: Cloud, samples: list[Sample], uploads: list[Upload], items: list[dict[str, Any]]) -> list[str]:
    """What was lost or came twice, in sentences; nothing, as it should be."""
    by_key = Counter(item["upload_key"] for item in items)
    keys = [f"upload/{upload.upload_id}.dcm" for upload in uploads]
    found = [f"{key} has {by_key[key]} items in the table" for key in keys if by_key[key] != 1]
    found += [f"{item['upload_key']} ended {item['status']}" for item in items if item["status"] != "IMPORTED"]
    copies = {item.get("processed_key") for item in items}
    distinct = len({sample.path for sample in samples})
    if len(copies - {None, ""}) != distinct:
        found.append(f"{len(copies)} research copies of {distinct} images")
    images = sum(instances(cloud, item["datastore_id"], which) for item, which in image_sets(items))
    if images != distinct:
        found.append(f"the archive holds {images} instances of {distinct} images")
    return found


def image_sets(items: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """Each image set once, with an item that names its data store."""
    return [(item, which) for which, item in {i.get("image_set_id", ""): i for i in items}.items() if which]


def instances(cloud: Cloud, datastore: str, image_set: str) -> int:
    """How many instances an image set holds, by the archive's own metadata."""
    metadata = image_set_metadata(cloud, datastoreId=datastore, imageSetId=image_set)
    return sum(len(series["Instances"]) for series in metadata["Study"]["Series"].values())


def latencies(samples: list[Sample], uploads: list[Upload], items: list[dict[str, Any]]) -> dict[str, Any]:
    """Seconds from receipt to the final state by size class: median, 95th percentile, how many."""
    ended = {item["upload_key"]: item for item in items}
    found: dict[str, Any] = {}
    for kind in CLASSES:
        taken = sorted(
            _seconds(ended[f"upload/{upload.upload_id}.dcm"])
            for sample, upload in zip(samples, uploads, strict=True)
            if sample.kind is kind
        )
        if len(taken) > 1:
            found[kind.name] = {
                "files": len(taken),
                "median": round(statistics.median(taken), 1),
                "p95": round(statistics.quantiles(taken, n=20)[-1], 1),
            }
    return found


def _seconds(item: dict[str, Any]) -> float:
    received, ended = (datetime.fromisoformat(item[name]) for name in ("received_at", "updated_at"))
    return (ended - received).total_seconds()


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    seconds = figures["seconds"]
    lines = [
        f"{figures['files']} files, {figures['megabytes']} MB, in {seconds['workflow']} s: "
        f"{figures['images_per_second']} a second, {figures['times_of_plain_objects']} times of a plain PUT and GET",
        *(f"{name}: {f['files']} files, median {f['median']} s, p95 {f['p95']} s"
          for name, f in figures["latency_by_size"].items()),
        *(figures["complaints"] or ["none lost, none twice"]),
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
