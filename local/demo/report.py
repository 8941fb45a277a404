"""The page at the end: what happened, with pictures, from the platform's own records."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import imagecodecs
from jinja2 import Environment, FileSystemLoader, select_autoescape

from imaging.render import to_png
from local.cloud import Cloud

_TEMPLATES = Path(__file__).with_name("templates")


def findings_by_file(labels: dict[str, Any]) -> dict[str, str]:
    """Path of a cohort file (relative to the sample) -> its finding, from the cohort's labels.json."""
    found: dict[str, str] = {}
    for study in labels["studies"]:
        for name in study["files"]:
            found[(Path("cohort") / name).as_posix()] = study["finding"]
    return found


def image_set_metadata(cloud: Cloud, **where: str) -> Any:
    """The archive's own document of an image set (`datastoreId`, `imageSetId`)."""
    answer = cloud.client("medical-imaging").get_image_set_metadata(**where)
    return json.loads(gzip.decompress(answer["imageSetMetadataBlob"].read()))


def frame_of(cloud: Cloud, item: dict[str, Any]) -> dict[str, Any]:
    """First frame of an image set: fetched as HTJ2K from HealthImaging, decoded, as a picture with its figures."""
    client = cloud.client("medical-imaging")
    where = {"datastoreId": item["datastore_id"], "imageSetId": item["image_set_id"]}
    metadata = image_set_metadata(cloud, **where)
    series = next(iter(metadata["Study"]["Series"].values()))
    instance = next(iter(series["Instances"].values()))
    frame_id = instance["ImageFrames"][0]["ID"]
    answer = client.get_image_frame(**where, imageFrameInformation={"imageFrameId": frame_id})
    coded = answer["imageFrameBlob"].read()
    pixels = imagecodecs.htj2k_decode(coded)
    rows, columns = pixels.shape[:2]
    hounsfield = pixels.astype("float32") * float(instance["DICOM"].get("RescaleSlope", 1)) + float(
        instance["DICOM"].get("RescaleIntercept", 0)
    )
    return {
        "rows": rows,
        "columns": columns,
        "bytes": len(coded),
        "ratio": pixels.nbytes / len(coded),
        "content_type": answer.get("contentType", ""),
        "image_set": item["image_set_id"],
        "png": _embedded(to_png(hounsfield)),
    }


def pipeline_of(cloud: Cloud, execution: str, description: dict[str, Any]) -> dict[str, Any]:
    """Steps of an execution with their state and seconds."""
    listed = cloud.client("sagemaker").list_pipeline_execution_steps(
        PipelineExecutionArn=execution, SortOrder="Ascending"
    )
    steps = [
        {
            "name": s["StepName"],
            "status": s["StepStatus"],
            "seconds": (s["EndTime"] - s["StartTime"]).total_seconds() if s.get("EndTime") else None,
            "reason": s.get("FailureReason", ""),
        }
        for s in listed["PipelineExecutionSteps"]
    ]
    return {
        "execution": execution.rsplit("/", 1)[1],
        "status": description["PipelineExecutionStatus"],
        "reason": description.get("FailureReason", ""),
        "steps": steps,
    }


def evaluation_of(cloud: Cloud, bucket: str, execution: str) -> dict[str, Any]:
    """evaluation.json of a run, and its pictures; empty when the run ended before its evaluation."""
    s3, prefix = cloud.client("s3"), f"runs/{execution.rsplit('/', 1)[1]}/evaluation/"
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    found: dict[str, Any] = {"pictures": {}}
    for entry in listed:
        name = entry["Key"].removeprefix(prefix)
        if name == "evaluation.json":
            found["report"] = json.loads(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
        elif name.endswith(".png"):
            found["pictures"][name] = _embedded(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
    return found


def package_of(cloud: Cloud, execution: str) -> str:
    """ARN of the model package that an execution registered."""
    steps = cloud.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=execution)
    return next(
        s["Metadata"]["RegisterModel"]["Arn"]
        for s in steps["PipelineExecutionSteps"]
        if s.get("Metadata", {}).get("RegisterModel")
    )


def newest(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """The last independent evaluation, with plain numbers."""
    last = max((m for m in metrics if "evaluator" in m), key=lambda m: m["evaluation_timestamp"])
    return {k: float(v) if hasattr(v, "as_tuple") else v for k, v in last.items()}


def alerts(cloud: Cloud, outputs: dict[str, Any]) -> list[str]:
    """What humans were told so far: the messages in the local inbox that subscribes to the alerts topic."""
    sqs, found = cloud.client("sqs"), []
    while True:
        got = sqs.receive_message(QueueUrl=outputs["alerts_inbox_url"], MaxNumberOfMessages=10, WaitTimeSeconds=1)
        if not got.get("Messages"):
            return found
        for message in got["Messages"]:
            found.append(message["Body"])
            sqs.delete_message(QueueUrl=outputs["alerts_inbox_url"], ReceiptHandle=message["ReceiptHandle"])


def rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """The table of what happened, in words."""
    ingestion, told = facts["ingestion"], []
    told.append(("uploaded", "{files} files, {megabytes} MB".format(**facts["uploaded"])))
    told.append(("final states", ", ".join(f"{n} {s}" for s, n in sorted(ingestion["status"].items()))))
    told.append(("de-identified", f"{ingestion['deidentified']}, {len(ingestion['refused'])} kept out"))
    told.append(("verified", ", ".join(f"{n} {f}" for f, n in facts["verified"].items())))
    told.append(("pipeline", f"{facts['pipeline']['status']} {facts['pipeline']['reason']}".strip()))
    if found := facts["evaluation"].get("report"):
        names = ("accuracy", "precision", "recall", "roc_auc")
        values = {n: v for n in names if (v := found["metrics"].get(n, {}).get("value")) is not None}
        told.append(("held-out patients", ", ".join(f"{n} {v:.3f}" for n, v in values.items())))
    if "model" in facts:
        told.append(("model", f"version {facts['model']['version']} approved and deployed"))
        told.append(("independent check", f"accuracy {facts['independent'].get('accuracy', 0):.3f} by onnxruntime"))
    if "inference" in facts:
        told.append(("inference", json.dumps(facts["inference"]["answer"])))
    if "refused" in facts:
        told.append(("gate", str(facts["refused"])))
    told.append(("time", f"{sum(facts['seconds'].values()):.0f} s"))
    return told


def write(folder: Path, facts: dict[str, Any]) -> Path:
    """Write index.html and facts.json; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "index.html"
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=select_autoescape())
    page.write_text(environment.get_template("report.html.j2").render(facts=facts, rows=rows(facts)))
    (folder / "facts.json").write_text(json.dumps(facts, indent=1, default=str))
    return page


def _embedded(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
