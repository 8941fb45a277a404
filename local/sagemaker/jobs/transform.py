"""Batch transform: every object under a prefix is asked of a model, the answers lie in S3 (CreateTransformJob)."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Mapping
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.endpoints.manager import MODEL
from local.sagemaker.endpoints.server import ModelServer
from local.sagemaker.errors import ValidationError
from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.jobs.transfer import storage_errors
from local.sagemaker.ports import split_uri
from local.sagemaker.state import Record, StoreClosed

KIND = "TransformJob"
LOG_GROUP = "/aws/sagemaker/TransformJobs"
SERVED = {"BatchStrategy": "SingleRecord", "SplitType": "None", "CompressionType": "None", "AssembleWith": "None"}
"""What each member must be: one object is one request, and one answer."""


def create(context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
    """CreateTransformJob: answers at once, the job runs in the background."""
    name, given = request["TransformJobName"], request["TransformInput"]
    _only_served({**request, **given, **request["TransformOutput"]})
    if given["DataSource"]["S3DataSource"]["S3DataType"] != "S3Prefix":
        raise ValidationError("The embedded SageMaker transforms what lies under an S3Prefix")
    if context.store.get(MODEL, request["ModelName"]) is None:
        raise ValidationError(f'Could not find model "{request["ModelName"]}".')
    arn = context.scope.arn("transform-job", name)
    with context.store.lock:
        if context.store.get(KIND, name):
            raise ValidationError(f"Job name must be unique within an AWS account and region: {arn}")
        record = {**request, "TransformJobArn": arn, "TransformJobStatus": "InProgress"}
        context.store.put(KIND, name, {**record, "CreationTime": context.clock.now()})
    threading.Thread(target=_run, args=(context, name), daemon=True).start()
    return {"TransformJobArn": arn}


def describe(context: Context, request: Mapping[str, Any]) -> Record:
    """DescribeTransformJob."""
    record = context.store.get(KIND, request["TransformJobName"])
    if record is None:
        raise ValidationError("Requested resource not found.")
    return record


def _only_served(members: Mapping[str, Any]) -> None:
    for member, served in SERVED.items():
        if members.get(member, served) != served:
            raise ValidationError(f"The embedded SageMaker serves {member} {served} only")


def _run(context: Context, name: str) -> None:
    try:
        changes: dict[str, Any] = {"TransformStartTime": context.clock.now(), "TransformJobStatus": "Completed"}
        try:
            transform(context, context.store.require(KIND, name))
        except JobFailedError as failure:
            changes |= {"TransformJobStatus": "Failed", "FailureReason": failure.reason}
        context.store.update(KIND, name, **changes, TransformEndTime=context.clock.now())
    except StoreClosed:
        return  # the process is ending


def transform(context: Context, job: Mapping[str, Any]) -> None:
    """Ask about each object, with the model's role; one that is refused fails the job, as with the service."""
    model = context.store.require(MODEL, job["ModelName"])
    source, output = job["TransformInput"], job["TransformOutput"]
    bucket, prefix = split_uri(source["DataSource"]["S3DataSource"]["S3Uri"])
    headers = {
        "Content-Type": source.get("ContentType", "application/octet-stream"),
        "Accept": output.get("Accept", "*/*"),
    }
    server = ModelServer(context, job["TransformJobName"], "transform", model, log_group=LOG_GROUP)
    try:
        server.start()
        if server.caller is None:
            raise JobFailedError("InternalServerError", "the model server has no session of its role")
        store = context.cloud.storage(server.caller)
        with storage_errors(f"Transforming s3://{bucket}/{prefix}"):
            found = [one.key for one in store.list(bucket, prefix) if one.size]
            if not found:
                raise JobFailedError("ClientError", f"No S3 objects found under s3://{bucket}/{prefix}")
            to, folder = split_uri(output["S3OutputPath"])
            for key in found:
                answer = _asked(server, store.read(bucket, key), headers)
                relative = key.removeprefix(prefix).lstrip("/") or key.rpartition("/")[2]
                store.write(to, f"{folder.strip('/')}/{relative}.out", answer, output.get("KmsKeyId"))
    finally:
        server.close()


def _asked(server: ModelServer, body: bytes, headers: Mapping[str, str]) -> bytes:
    try:
        reply = server.request("POST", "/invocations", body, headers)
    except OSError as error:
        raise JobFailedError("AlgorithmError", f"the model server does not answer: {type(error).__name__}") from error
    if reply.status != http.client.OK:
        raise JobFailedError("AlgorithmError", f"the model server answered {reply.status}; see {LOG_GROUP}")
    return reply.body
