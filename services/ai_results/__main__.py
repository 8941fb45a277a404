"""`python -m services.ai_results --endpoint NAME --out DIR IMAGE...`: ask the model, and write its answers as DICOM.

Writes one structured report of the study and a heat map for each image, named by their own UIDs, for a PACS (C-STORE or
STOW-RS). Needs the AWS rights sagemaker:InvokeEndpoint and sagemaker:DescribeModelPackage; nothing of a patient is
printed. Exit code 2: an image or an answer was refused; nothing is written then.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services.ai_results.answer import Answer, Provenance

EXPLAIN = "explain=true"
"""Custom attribute by which the endpoint answers the heat map instead of the finding (training/inference.py)."""
DICOM = "application/dicom"
REFUSED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m services.ai_results", description="The model's answers for images of one study, as DICOM."
    )
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="CT images of one study")
    parser.add_argument("--endpoint", required=True, help="name of the SageMaker endpoint")
    parser.add_argument("--group", help="model package group (default: as the endpoint is called)")
    parser.add_argument("--study-key", help="pseudonym of the study: the answers count in a trial of two models")
    parser.add_argument("--out", required=True, type=Path, help="folder for the DICOM files")
    asked = parser.parse_args(arguments)
    try:
        contents = [path.read_bytes() for path in asked.images]
        made = judged(contents, Asked(asked.endpoint, asked.study_key), asked.group or asked.endpoint)
    except (ValidationError, ValueError) as refusal:
        print(f"refused: {type(refusal).__name__}: {_said(refusal)}", file=sys.stderr)
        return REFUSED
    asked.out.mkdir(parents=True, exist_ok=True)
    for dataset in made:
        path = asked.out / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path)
        print(path)
    return 0


def _said(refusal: ValueError) -> str:
    """Of a validation error the places, never the values."""
    if isinstance(refusal, ValidationError):
        return ", ".join(".".join(map(str, mistake["loc"])) for mistake in refusal.errors(include_input=False))
    return str(refusal)


@dataclass
class Asked:
    """The endpoint as asked about one study: all images go to the model that answered the first, in a trial too."""

    endpoint: str
    study_key: str | None = None
    variant: str | None = None

    def ask(self, runtime: Any, content: bytes, attributes: str | None = None) -> Any:
        """One image's answer."""
        said = {"CustomAttributes": attributes, "TargetVariant": self.variant, "InferenceId": self.study_key}
        answer = runtime.invoke_endpoint(
            EndpointName=self.endpoint,
            ContentType=DICOM,
            Accept="application/json",
            Body=content,
            **{name: value for name, value in said.items() if value},
        )
        self.variant = answer["InvokedProductionVariant"]
        return json.loads(answer["Body"].read())


def judged(contents: Sequence[bytes], asked: Asked, group: str) -> list[Any]:
    """The report of the images, and their heat maps."""
    import boto3  # pyright: ignore[reportMissingTypeStubs]
    import numpy as np
    import pydicom

    from services.ai_results.capture import capture
    from services.ai_results.report import report

    aws: Any = boto3
    library: Any = pydicom
    runtime = aws.client("sagemaker-runtime")
    images = [library.dcmread(io.BytesIO(content)) for content in contents]
    answers = [Answer.model_validate(asked.ask(runtime, content)) for content in contents]
    provenance = origin(aws.client("sagemaker"), group, answers[0].model_version)
    made: list[Any] = [report(images, answers, provenance)]
    for image, content in zip(images, contents, strict=True):
        (heat,) = asked.ask(runtime, content, EXPLAIN)["explanations"]
        prepared, warmth = np.asarray(heat["image"], np.float64), np.asarray(heat["heat"], np.float64)
        made.append(capture(image, prepared, warmth, provenance))
    return made


def origin(sagemaker: Any, group: str, version: str) -> Provenance:
    """Where a registered version comes from, as the pipeline wrote it into the registry."""
    request = {"ModelPackageGroupName": group, "SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 100}
    listed = sagemaker.list_model_packages(**request)["ModelPackageSummaryList"]
    arn = next((one["ModelPackageArn"] for one in listed if str(one["ModelPackageVersion"]) == version), None)
    if arn is None:
        raise ValueError(f"the group has no version {version} among its newest hundred")
    said = sagemaker.describe_model_package(ModelPackageName=arn)["CustomerMetadataProperties"]
    return Provenance(
        model_package_arn=arn,
        model_version=version,
        snapshot_id=said.get("snapshot_id", ""),
        code_commit=said.get("code_commit", ""),
    )


if __name__ == "__main__":
    sys.exit(main())
