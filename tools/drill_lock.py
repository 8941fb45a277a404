"""A lock on a model's test set, put into a running stack's pipeline and taken out again: for the model drill.

On AWS a lock is a change of the plan in the code and of `training.lockedTestSet` in the stack's file, which come with a
deployment. The drill makes the same archive with the same code, but of a plan with one lock more, and writes into the
pipeline's definition what the setting would: the archive's address and `--locked-test-set` for the two steps that ask.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from training import gate, package, testset
from training.names import ARCHIVE_NAME, BOOTSTRAP_NAME

LOCK: Final = "drill"
_STEPS = frozenset({"Preprocess", "Evaluate"})


@contextmanager
def locked_test_set(cloud: Any, pipeline: str, model_package: str) -> Iterator[dict[str, Any]]:
    """The pipeline judges every model on that model's test set; afterwards it is as it was. Yields the lock.

    `cloud` gives boto3 clients by `client(service)`, `pipeline` is a name, `model_package` an ARN.
    """
    sagemaker, s3 = cloud.client("sagemaker"), cloud.client("s3")
    metadata = sagemaker.describe_model_package(ModelPackageName=model_package)["CustomerMetadataProperties"]
    before = sagemaker.describe_pipeline(PipelineName=pipeline)
    with tempfile.TemporaryDirectory() as folder:
        lock = _lock(s3, metadata["test_set_uri"], Path(folder) / "test")
        plan = {**gate.load_plan(), "locked_test_sets": {LOCK: lock}}
        built = package.build(Path(folder) / "code", json.dumps(plan).encode())
        old = metadata["code_sha256"]
        _upload(s3, _code_bucket(before["PipelineDefinition"], old), old, built)
    definition = with_lock(json.loads(before["PipelineDefinition"]), old, built.sha256)
    known = {"PipelineName": pipeline, "RoleArn": before["RoleArn"]}
    sagemaker.update_pipeline(**known, PipelineDefinition=json.dumps(definition))
    try:
        yield lock
    finally:
        sagemaker.update_pipeline(**known, PipelineDefinition=before["PipelineDefinition"])


def with_lock(definition: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """A pipeline's definition with the code of another digest, and the lock named to the steps that keep it."""
    changed: dict[str, Any] = json.loads(json.dumps(definition).replace(old, new))
    asked = [step for step in changed["Steps"] if step["Name"] in _STEPS]
    if len(asked) != len(_STEPS):
        raise ValueError(f"the pipeline lacks one of the steps {', '.join(sorted(_STEPS))}")
    for step in asked:
        step["Arguments"]["AppSpecification"]["ContainerArguments"] += ["--locked-test-set", LOCK]
    return changed


def _lock(s3: Any, uri: str, folder: Path) -> dict[str, Any]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    folder.mkdir()
    for found in s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/")["Contents"]:
        s3.download_file(bucket, found["Key"], str(folder / found["Key"].rpartition("/")[2]))
    return testset.lock_of(folder)


def _code_bucket(definition: str, digest: str) -> str:
    return definition.partition(f"/code/{digest}/")[0].rpartition("s3://")[2]


def _upload(s3: Any, bucket: str, old: str, built: package.SourcePackage) -> None:
    key = s3.head_object(Bucket=bucket, Key=f"code/{old}/{ARCHIVE_NAME}")["SSEKMSKeyId"]
    for name, path in ((ARCHIVE_NAME, built.path), (BOOTSTRAP_NAME, built.bootstrap)):
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
        s3.put_object(Bucket=bucket, Key=f"code/{built.sha256}/{name}", Body=path.read_bytes(), **encrypted)
