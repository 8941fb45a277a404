"""Step 1: from a label snapshot to three splits of windowed, squared, quality-checked images.

    python -m training.preprocess --image-size 512 --test-fraction 0.2 --validation-fraction 0.2 --seed 20250101

Reads  <base>/processing/input/snapshot/*.json and, with the job's role, the de-identified objects it lists.
Writes <base>/processing/{train,validation,test}/ (see training.dataset) and a dataset card in each.
Augmentation is not done here: it happens on the fly in training.train, on the training split alone, so that every
epoch sees other variants and no altered copy can ever reach validation or test.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training import appearance, baseline, dataset, gate, groups, names, pixels, snapshot, testset
from training.failure import DatasetError, reported
from training.snapshot import LabelledImage, Snapshot
from training.split import check_no_leak, split_patients

Fetch = Callable[[str], bytes]
FETCH_THREADS = 16


@dataclass(frozen=True, kw_only=True)
class PreprocessConfig:
    """What the step was asked for.

    Attributes:
        image_size: edge of the square output, pixels.
        test_fraction, validation_fraction: shares of the patients.
        seed: of the split.
        locked_test_set: name of the lock in the change control plan, or "none".
    """

    image_size: int
    test_fraction: float
    validation_fraction: float
    seed: int
    locked_test_set: str = names.NO_LOCK


def main(arguments: Sequence[str], fetch: Fetch | None = None) -> None:
    """Run the step in the container's directories."""
    config = parse(arguments)
    frozen = snapshot.read(_snapshot_file(names.processing_dir("input/snapshot")))
    sides = assign(frozen, config)
    fetch = fetch or s3_fetcher()
    results = {name: _write_split(name, sides[name], config, fetch) for name in names.SPLITS}
    _require_both_findings(results)
    for name in names.SPLITS:
        _finish_split(name, frozen, config, results)
    _report(config, results)


def parse(arguments: Sequence[str]) -> PreprocessConfig:
    """The command line."""
    parser = argparse.ArgumentParser(prog="training.preprocess")
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--test-fraction", type=float, default=0.2)
    parser.add_argument("--validation-fraction", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=20250101)
    parser.add_argument("--locked-test-set", default=names.NO_LOCK, help="of the change control plan, or none")
    return PreprocessConfig(**vars(parser.parse_args(arguments)))


def assign(frozen: Snapshot, config: PreprocessConfig) -> dict[str, list[LabelledImage]]:
    """The images of each split: split by patient, images in a fixed order."""
    findings: dict[str, int] = {}
    for image in frozen.images:
        findings[image.patient_key] = max(findings.get(image.patient_key, 0), image.label)
    patients = split_patients(
        findings,
        test_fraction=config.test_fraction,
        validation_fraction=config.validation_fraction,
        seed=config.seed,
    )
    if config.locked_test_set != names.NO_LOCK:
        patients = testset.with_lock(patients, testset.locked_patients(gate.load_plan(), config.locked_test_set))
    check_no_leak(patients)
    side_of = {patient: name for name, members in patients.items() for patient in members}
    sides: dict[str, list[LabelledImage]] = {name: [] for name in names.SPLITS}
    for image in sorted(frozen.images, key=lambda image: image.image_key):
        sides[side_of[image.patient_key]].append(image)
    return sides


def s3_fetcher() -> Fetch:
    """Reads s3:// URIs with the job's role; one client, safe to share between threads."""
    import boto3
    from botocore.config import Config

    client = boto3.client("s3", config=Config(max_pool_connections=FETCH_THREADS, retries={"mode": "standard"}))

    def fetch(uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()

    return fetch


def _snapshot_file(directory: Path) -> Path:
    found = sorted(directory.glob("*.json")) if directory.is_dir() else []
    if len(found) != 1:
        raise DatasetError(f"expected one snapshot file in the input, found {len(found)}")
    return found[0]


@dataclass
class _SplitResult:
    shards: list[dict[str, Any]]
    kept: list[LabelledImage]
    excluded: Counter[str]
    appearances: list[dict[str, Any]]

    def labels(self) -> Counter[str]:
        return Counter(names.FINDINGS[image.label] for image in self.kept)


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """A prepared image, the groups it belongs to as JSON, what it looks like, and the digest of its pixels."""

    array: np.ndarray
    groups: str
    looks: dict[str, Any]
    digest: str


def _load(image: LabelledImage, size: int, fetch: Fetch) -> _Loaded | str:
    """The prepared image with its groups, or the code for which it is left out."""
    content = fetch(image.uri)
    if image.sha256 is not None and hashlib.sha256(content).hexdigest() != image.sha256:
        return "digest-mismatch"
    try:
        read = pixels.load(content)
        prepared, digest = pixels.prepare(read, size), pixels.digest(read)
        if image.pixel_sha256 is not None and digest != image.pixel_sha256:
            return "pixels-changed"
        return _Loaded(
            array=prepared,
            groups=json.dumps(groups.of(content), sort_keys=True),
            looks=appearance.of_dicom(read, prepared),
            digest=digest,
        )
    except pixels.UnusableImageError as error:
        return error.code


def _chunks(images: list[LabelledImage]) -> Iterable[list[LabelledImage]]:
    for start in range(0, len(images), dataset.SHARD_IMAGES):
        yield images[start : start + dataset.SHARD_IMAGES]


def _write_split(name: str, images: list[LabelledImage], config: PreprocessConfig, fetch: Fetch) -> _SplitResult:
    """Fetch, check and write one split, a shard at a time so that memory holds one shard only."""
    directory = names.processing_dir(name)
    directory.mkdir(parents=True, exist_ok=True)
    result = _SplitResult([], [], Counter(), [])
    with ThreadPoolExecutor(FETCH_THREADS) as pool:
        for chunk in _chunks(images):
            loaded = list(pool.map(lambda image: _load(image, config.image_size, fetch), chunk))
            result.excluded.update(outcome for outcome in loaded if isinstance(outcome, str))
            kept = [(image, ready) for image, ready in zip(chunk, loaded, strict=True) if not isinstance(ready, str)]
            if kept:
                result.shards.append(dataset.write_shard(directory, len(result.shards), _columns(kept)))
                result.kept += [image for image, _ in kept]
                result.appearances += [ready.looks for _, ready in kept]
    return result


def _columns(kept: list[tuple[LabelledImage, _Loaded]]) -> dict[str, np.ndarray]:
    return {
        "groups": np.array([ready.groups for _, ready in kept]),
        "images": np.stack([ready.array for _, ready in kept]),  # (N, S, S) float32 0..1
        "labels": np.array([image.label for image, _ in kept], np.int8),  # (N,)
        "patient_keys": np.array([image.patient_key for image, _ in kept]),
        "study_keys": np.array([image.study_key for image, _ in kept]),
        "image_keys": np.array([image.image_key for image, _ in kept]),
        "pixel_digests": np.array([ready.digest for _, ready in kept]),
    }


def _require_both_findings(results: dict[str, _SplitResult]) -> None:
    for name, result in results.items():
        for finding in names.FINDINGS:
            if not result.labels()[finding]:
                raise DatasetError(
                    f"no usable {finding} image is left in {name} (left out: {dict(result.excluded) or 'nothing'})"
                )


def _finish_split(name: str, frozen: Snapshot, config: PreprocessConfig, results: dict[str, _SplitResult]) -> None:
    """Write the split's manifest (with everybody's patients, for the leak check) and its card."""
    result = results[name]
    patients = {side: sorted({image.patient_key for image in other.kept}) for side, other in results.items()}
    check_no_leak(patients)
    manifest = {
        "schema": names.DATASET_SCHEMA,
        "split": name,
        "snapshot_id": frozen.snapshot_id,
        "snapshot_sha256": frozen.sha256,
        "image_size": config.image_size,
        "seed": config.seed,
        "fractions": {"test": config.test_fraction, "validation": config.validation_fraction},
        "preparation": pixels.window_metadata(),
        "counts": {finding: result.labels()[finding] for finding in names.FINDINGS},
        "studies": len({image.study_key for image in result.kept}),
        "excluded": dict(sorted(result.excluded.items())),
        "patients": patients,
        "appearance": baseline.of_images(
            (looks for other in results.values() for looks in other.appearances),
            sum(len(members) for members in patients.values()),
        ),
        "shards": result.shards,
    }
    directory = names.processing_dir(name)
    (directory / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))
    (directory / "dataset-card.md").write_text(_card(manifest))


def _card(manifest: dict[str, Any]) -> str:
    counts, sides = manifest["counts"], manifest["patients"]
    left_out = ", ".join(f"{code}: {count}" for code, count in manifest["excluded"].items()) or "none"
    return (
        f"# Data set card: {manifest['split']} of snapshot {manifest['snapshot_id']}\n\n"
        f"- Source: de-identified CT images whose studies a radiologist verified; keys are pseudonyms.\n"
        f"- Labels: one finding per study, given to each of its images; {counts['normal']} normal, "
        f"{counts['pneumonia']} pneumonia images of {len(sides[manifest['split']])} patients.\n"
        f"- Preparation: Hounsfield units, lung window centre {pixels.WINDOW_CENTER_HU:g} HU width "
        f"{pixels.WINDOW_WIDTH_HU:g} HU, {manifest['image_size']} x {manifest['image_size']} float32 0..1.\n"
        f"- Split: by patient, stratified by finding, seed {manifest['seed']}; patients "
        f"train {len(sides['train'])}, validation {len(sides['validation'])}, test {len(sides['test'])}, none shared.\n"
        f"- Left out: {left_out}.\n"
        f"- Not for: other modalities, other findings, single-image diagnosis without a reader.\n"
    )


def _report(config: PreprocessConfig, results: dict[str, _SplitResult]) -> None:
    for name, result in results.items():
        counts = " ".join(f"{finding}={result.labels()[finding]}" for finding in names.FINDINGS)
        patients = len({image.patient_key for image in result.kept})
        left_out = " ".join(f"{code}={count}" for code, count in sorted(result.excluded.items())) or "none"
        print(f"[preprocess] {name}: {counts} patients={patients} image_size={config.image_size} excluded: {left_out}")


if __name__ == "__main__":
    with reported():
        main(sys.argv[1:])
