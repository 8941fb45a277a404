"""A model asked about all images of one study at once (SageMaker batch transform); answers lie beside the images."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import boto3

from operations.models import RefusedError, Registry
from operations.stack import account, prefix

ENDED = ("Completed", "Failed", "Stopped")
INSTANCE = "ml.m5.large"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a transform reads, writes and asks.

    Attributes:
        images: of the study that may be asked about.
        source, answers: s3:// folders; under `answers` lies one `IMAGE.dcm.out` for each image, in JSON.
    """

    job: str
    model: str
    package: str
    version: int
    images: int
    role: str
    source: str
    answers: str
    key: str

    @classmethod
    def of(cls, stack: str, study_key: str, version: int | None) -> Plan:
        """For a study's pseudonym and a version, or the newest approved one. Raises RefusedError."""
        begin, owner, region = prefix(stack), account(), boto3.Session().region_name
        found = next((one for one in Registry.of(stack).versions() if _wanted(one, version)), None)
        if found is None:
            raise RefusedError(f"version {version} is not approved" if version else "no version is approved")
        folders = _folders(begin, study_key)
        bucket, number = f"{begin}-preprocessed-{owner}", found["version"]
        (folder, images), *others = folders.items() or [("", 0)]
        if not images or others:
            raise RefusedError("the study has no de-identified image" if not images else "the study is of two patients")
        return cls(
            job=f"transform-{study_key[:20]}-v{number}-{int(time.time())}",
            model=f"{begin}-pneumonia"[:45] + f"-v{number}-transform",
            package=found["arn"],
            version=number,
            images=images,
            role=f"arn:aws:iam::{owner}:role/{begin}-transform-jobs",
            source=f"s3://{bucket}/{folder}/",
            answers=f"s3://{bucket}/{folder.replace('deidentified/', 'answers/', 1)}/v{number}",
            key=f"arn:aws:kms:{region}:{owner}:alias/{begin}-models",
        )


def _wanted(found: dict[str, Any], version: int | None) -> bool:
    return found["approval"] == "Approved" and version in (None, found["version"])


def _folders(begin: str, study_key: str) -> dict[str, int]:
    """Folders of the study's de-identified images, and how many lie in each."""
    pages = (
        boto3.client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=f"{begin}-image-tracking",
            IndexName="by-study",
            KeyConditionExpression="study_key = :study",
            ExpressionAttributeValues={":study": {"S": study_key}},
        )
    )
    keys = {
        item["processed_key"]["S"]
        for page in pages
        for item in page["Items"]
        if item.get("deid_status", {}).get("S") == "DEIDENTIFIED" and item.get("processed_key")
    }
    counts: dict[str, int] = {}
    for key in keys:
        folder = key.rpartition("/")[0]
        counts[folder] = counts.get(folder, 0) + 1
    return counts


def run(plan: Plan, say: Callable[[str], None], pause: float) -> None:
    """Make the model if it is new, run the job to its end. Raises RefusedError with the job's reason."""
    sagemaker = boto3.client("sagemaker")
    if not _exists(sagemaker, plan.model):
        environment = {"MODEL_VERSION": str(plan.version)}
        sagemaker.create_model(
            ModelName=plan.model,
            ExecutionRoleArn=plan.role,
            Containers=[{"ModelPackageName": plan.package, "Environment": environment}],
        )
    sagemaker.create_transform_job(
        TransformJobName=plan.job,
        ModelName=plan.model,
        BatchStrategy="SingleRecord",
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": plan.source}},
            "ContentType": "application/dicom",
        },
        TransformOutput={"S3OutputPath": plan.answers, "Accept": "application/json"},
        TransformResources={"InstanceType": INSTANCE, "InstanceCount": 1, "VolumeKmsKeyId": plan.key},
    )
    while (found := sagemaker.describe_transform_job(TransformJobName=plan.job))["TransformJobStatus"] not in ENDED:
        say(found["TransformJobStatus"].lower())
        time.sleep(pause)
    if found["TransformJobStatus"] != "Completed":
        raise RefusedError(f"the job ended {found['TransformJobStatus'].lower()}: {found.get('FailureReason', '')}")


def _exists(sagemaker: Any, model: str) -> bool:
    pages = sagemaker.get_paginator("list_models").paginate(NameContains=model)
    return any(one["ModelName"] == model for page in pages for one in page["Models"])


def summary(plan: Plan) -> dict[str, Any]:
    """The answers of the images, and the study's by their mean, as the evaluation judges studies."""
    found = list(_answers(plan.answers))
    scores = [float(one["probability"]) for one in found]
    mean = fmean(scores)
    return {
        "version": plan.version,
        "images": len(found),
        "probability": round(mean, 6),
        "finding": "pneumonia" if mean >= float(found[0]["threshold"]) else "normal",
        "answers": plan.answers,
        "job": plan.job,
    }


def _answers(uri: str) -> Iterator[dict[str, Any]]:
    s3 = boto3.client("s3")
    bucket, _, folder = uri.removeprefix("s3://").partition("/")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/"):
        for one in page.get("Contents", []):
            yield json.loads(s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read())
