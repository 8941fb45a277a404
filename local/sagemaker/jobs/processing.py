"""Processing jobs: inputs from S3, the container's command, outputs to S3 (AWS API reference, CreateProcessingJob)."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.jobs import layout, transfer
from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.jobs.logs import LogShipper
from local.sagemaker.jobs.process import Exit, Process
from local.sagemaker.ports import Credentials
from local.sagemaker.state import Record

KIND = "ProcessingJob"
LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
_DEFAULT_LIMIT_SECONDS = 86_400


def create(context: Context, name: str, arguments: Mapping[str, Any]) -> Record:
    """The record of a job that is about to run."""
    now = context.clock.now()
    record = {
        **arguments,
        "ProcessingJobName": name,
        "ProcessingJobArn": context.scope.arn("processing-job", name),
        "ProcessingJobStatus": "InProgress",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    return context.store.put(KIND, name, record)


def run(context: Context, name: str, stop: threading.Event) -> Record:
    """Run a created job to its end and return its final record; never raises for what the job does wrong."""
    job = context.store.require(KIND, name)
    folder = layout.JobFolder(context, name)
    changes: dict[str, Any]
    try:
        changes = _Run(context, job, folder, stop).outcome()
    except JobFailedError as failure:
        changes = {"ProcessingJobStatus": "Failed", "FailureReason": failure.reason}
    finally:
        message = folder.read_message("message")
        folder.remove()
    now = context.clock.now()
    times = {"ProcessingEndTime": now, "LastModifiedTime": now}
    return context.store.update(KIND, name, **changes, **times, ExitMessage=message or None)


class _Run:
    def __init__(
        self, context: Context, job: Mapping[str, Any], folder: layout.JobFolder, stop: threading.Event
    ) -> None:
        self._context, self._job, self._folder, self._stop = context, job, folder, stop
        self._name: str = job["ProcessingJobName"]

    def outcome(self) -> dict[str, Any]:
        caller = self._context.cloud.assume(self._job["RoleArn"], "SageMaker")
        store = self._context.cloud.storage(caller)
        for item in self._job.get("ProcessingInputs") or []:
            self._input(item, store)
        outputs = (self._job.get("ProcessingOutputConfig") or {}).get("Outputs") or []
        for item in outputs:
            self._folder.path(item["S3Output"]["LocalPath"]).mkdir(parents=True, exist_ok=True)
        self._write_config()
        self._context.store.update(KIND, self._name, ProcessingStartTime=self._context.clock.now())
        ended = self._execute(caller)
        if ended.cause == "stopped":
            return {"ProcessingJobStatus": "Stopped"}
        if ended.cause == "timeout":
            return {"ProcessingJobStatus": "Stopped", "FailureReason": "ClientError: MaxRuntimeInSeconds exceeded"}
        if ended.status != 0:
            message = self._folder.read_message("message") or "See job logs for more information"
            raise JobFailedError("AlgorithmError", f"{message}, exit code: {ended.status}")
        key = (self._job.get("ProcessingOutputConfig") or {}).get("KmsKeyId")
        for item in outputs:
            output = item["S3Output"]
            transfer.upload(store, self._folder.path(output["LocalPath"]), output["S3Uri"], key)
        return {"ProcessingJobStatus": "Completed"}

    def _input(self, item: Mapping[str, Any], store: Any) -> None:
        source = item.get("S3Input")
        if source is None or source.get("S3DataType", "S3Prefix") != "S3Prefix":
            raise JobFailedError(
                "ClientError", f"Input {item.get('InputName')}: only S3Input of type S3Prefix is supported"
            )
        compressed = source.get("S3CompressionType") == "Gzip"
        transfer.download(store, source["S3Uri"], self._folder.path(source["LocalPath"]), compressed=compressed)

    def _write_config(self) -> None:
        config = self._folder.root / "config"
        config.mkdir(parents=True)
        (config / "processingjobconfig.json").write_text(json.dumps(dict(self._job)))
        (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]}))

    def _execute(self, caller: Credentials) -> Exit:
        image = self._job["AppSpecification"]
        entrypoint = image.get("ContainerEntrypoint")
        if not entrypoint:
            raise JobFailedError("ClientError", "ContainerEntrypoint is needed: no image is run whose own could serve")
        command = layout.command(self._context, self._folder, entrypoint, image.get("ContainerArguments") or [])
        isolated = bool((self._job.get("NetworkConfig") or {}).get("EnableNetworkIsolation"))
        environment = layout.environment(
            self._context,
            self._folder,
            caller,
            {
                "PROCESSING_JOB_NAME": self._name,
                "PROCESSING_JOB_ARN": self._job["ProcessingJobArn"],
                **(self._job.get("Environment") or {}),
            },
            isolated=isolated,
        )
        limit = (self._job.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds", _DEFAULT_LIMIT_SECONDS)
        stream = f"{self._name}/algo-1-{int(self._context.clock.now())}"
        shipper = LogShipper(self._context, caller, LOG_GROUP, stream)
        try:
            process = Process(command, folder=self._folder.root, environment=environment, on_line=shipper.add)
            return process.wait(
                stop=self._stop, limit=limit, grace=self._context.stop_grace, closing=self._context.closing
            )
        finally:
            shipper.close()
