"""Training jobs: channels, script mode, checkpoints, model and output archives (CreateTrainingJob)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from local.sagemaker.context import Context
from local.sagemaker.jobs import layout, toolkit, transfer
from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.jobs.logs import LogShipper, MetricReader
from local.sagemaker.jobs.process import Exit, Process
from local.sagemaker.ports import Credentials, ObjectStore
from local.sagemaker.state import Record

KIND = "TrainingJob"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
METRICS = "/aws/sagemaker/TrainingJobs"
_DEFAULT_LIMIT_SECONDS = 86_400
_FAILURE_CHARACTERS = 1024


def create(context: Context, name: str, arguments: Mapping[str, Any]) -> Record:
    """The record of a job that is about to run."""
    now = context.clock.now()
    record = {
        **arguments,
        "TrainingJobName": name,
        "TrainingJobArn": context.scope.arn("training-job", name),
        "TrainingJobStatus": "InProgress",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    context.store.put(KIND, name, record)
    return enter(context, name, "Starting")


def enter(context: Context, name: str, secondary: str, message: str = "") -> Record:
    """Begin the next secondary status, ending the one before."""
    now = context.clock.now()
    with context.store.lock:
        transitions = context.store.require(KIND, name).get("SecondaryStatusTransitions", [])
        if transitions:
            transitions[-1]["EndTime"] = now
        transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message or secondary})
        return context.store.update(
            KIND, name, SecondaryStatus=secondary, SecondaryStatusTransitions=transitions, LastModifiedTime=now
        )


def run(context: Context, name: str, stop: threading.Event) -> Record:
    """Run a created job to its end and return its final record; never raises for what the job does wrong."""
    folder = layout.JobFolder(context, name)
    work = _Run(context, context.store.require(KIND, name), folder, stop)
    try:
        status, secondary, reason = work.outcome()
    except JobFailedError as failure:
        status, secondary, reason = "Failed", "Failed", failure.reason
    finally:
        folder.remove()
    enter(context, name, secondary, reason or "")
    now = context.clock.now()
    started = context.store.require(KIND, name).get("TrainingStartTime", now)
    seconds = max(int(now - started), 1)
    return context.store.update(
        KIND,
        name,
        TrainingJobStatus=status,
        FailureReason=reason,
        TrainingEndTime=now,
        TrainingTimeInSeconds=seconds,
        BillableTimeInSeconds=seconds,
        FinalMetricDataList=work.metrics.final(),
        ModelArtifacts=work.artifacts,
    )


class _Run:
    def __init__(
        self, context: Context, job: Mapping[str, Any], folder: layout.JobFolder, stop: threading.Event
    ) -> None:
        self._context, self._job, self._folder, self._stop = context, job, folder, stop
        self._name: str = job["TrainingJobName"]
        self._algorithm = job.get("AlgorithmSpecification") or {}
        self.metrics = MetricReader(self._algorithm.get("MetricDefinitions") or [])
        self.artifacts: dict[str, str] | None = None

    def outcome(self) -> tuple[str, str, str | None]:
        """(TrainingJobStatus, final SecondaryStatus, FailureReason)."""
        count = (self._job.get("ResourceConfig") or {}).get("InstanceCount", 1)
        if count != 1:
            raise JobFailedError(
                "ClientError",
                f"InstanceCount is {count}: the stand-in has one machine. Set training.trainingInstances to 1 here",
            )
        caller = self._context.cloud.assume(self._job["RoleArn"], "SageMaker")
        store = self._context.cloud.storage(caller)
        training = self._describe()
        toolkit.write_configuration(training)
        enter(self._context, self._name, "Downloading")
        self._context.store.update(KIND, self._name, TrainingStartTime=self._context.clock.now())
        for name, channel in training.channels.items():
            self._channel(name, channel, store)
        checkpoints = self._checkpoints(store)
        enter(self._context, self._name, "Training")
        try:
            ended = self._execute(caller, training, store)
        finally:
            if checkpoints:
                checkpoints.close()
        enter(self._context, self._name, "Uploading")
        self._upload(store, model=ended.status == 0 or ended.cause != "exited")
        if ended.cause != "exited":
            return "Stopped", "MaxRuntimeExceeded" if ended.cause == "timeout" else "Stopped", None
        if ended.status != 0:
            text = self._folder.read_message("failure", _FAILURE_CHARACTERS) or "See job logs for more information"
            raise JobFailedError("AlgorithmError", f"{text}, exit code: {ended.status}")
        return "Completed", "Completed", None

    def _describe(self) -> toolkit.Training:
        return toolkit.Training(
            name=self._name,
            arn=self._job["TrainingJobArn"],
            region=self._context.scope.region,
            root=self._folder.root,
            hyperparameters=self._job.get("HyperParameters") or {},
            channels={item["ChannelName"]: item for item in self._job.get("InputDataConfig") or []},
            instance_type=(self._job.get("ResourceConfig") or {}).get("InstanceType", ""),
        )

    def _channel(self, name: str, channel: Mapping[str, Any], store: ObjectStore) -> None:
        source = channel["DataSource"].get("S3DataSource")
        mode = channel.get("InputMode", self._algorithm.get("TrainingInputMode", "File"))
        if source is None or source.get("S3DataType", "S3Prefix") != "S3Prefix" or mode == "Pipe":
            raise JobFailedError(
                "ClientError", f"Channel {name}: only files from S3DataSource of type S3Prefix are supported"
            )
        compressed = channel.get("CompressionType") == "Gzip"
        transfer.download(store, source["S3Uri"], self._folder.root / "input/data" / name, compressed=compressed)

    def _checkpoints(self, store: ObjectStore) -> transfer.CheckpointSync | None:
        config = self._job.get("CheckpointConfig")
        if not config:
            return None
        folder = self._folder.path(config.get("LocalPath", f"{layout.CONTAINER_ROOT}/checkpoints"))
        folder.mkdir(parents=True, exist_ok=True)
        return transfer.CheckpointSync(store, folder, config["S3Uri"], self._kms_key)

    def _execute(self, caller: Credentials, training: toolkit.Training, store: ObjectStore) -> Exit:
        code = training.root / "code"
        entrypoint = self._algorithm.get("ContainerEntrypoint")
        arguments = self._algorithm.get("ContainerArguments") or []
        if not entrypoint:
            submitted = training.hyperparameters.get(toolkit.SUBMIT_DIRECTORY)
            if submitted:
                transfer.unpack(store, submitted, code, self._folder.home / "tmp")
            with transfer.storage_errors("Script mode"):
                entrypoint, arguments = toolkit.script_command(training), []
        stream = f"{self._name}/algo-1-{int(self._context.clock.now())}"
        shipper = LogShipper(self._context, caller, LOG_GROUP, stream)
        if (code / "requirements.txt").is_file():
            shipper.add("requirements.txt is not installed here: the train interpreter stands for the prepared image")
        try:
            process = Process(
                layout.command(self._context, self._folder, entrypoint, arguments),
                folder=code,
                environment=self._environment(caller, training),
                on_line=lambda line: self._line(line, shipper),
            )
            limit = (self._job.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds", _DEFAULT_LIMIT_SECONDS)
            return process.wait(
                stop=self._stop, limit=limit, grace=self._context.stop_grace, closing=self._context.closing
            )
        finally:
            shipper.close()

    def _environment(self, caller: Credentials, training: toolkit.Training) -> dict[str, str]:
        return layout.environment(
            self._context,
            self._folder,
            caller,
            {**toolkit.environment(training), **(self._job.get("Environment") or {})},
            isolated=bool(self._job.get("EnableNetworkIsolation")),
        )

    def _line(self, line: str, shipper: LogShipper) -> None:
        shipper.add(line)
        found = self.metrics.read(line, self._context.clock.now())
        if found:
            self._context.cloud.put_metrics(
                METRICS,
                [(name, value, "None") for name, value in found],
                {"TrainingJobName": self._name, "Host": "algo-1"},
            )

    def _upload(self, store: ObjectStore, *, model: bool) -> None:
        config = self._job["OutputDataConfig"]
        base = f"{config['S3OutputPath'].rstrip('/')}/{self._name}/output"
        scratch, root = self._folder.home / "tmp", self._folder.root
        plain = config.get("CompressionType", "GZIP") == "NONE"
        if any((root / "output/data").iterdir()):
            if plain:
                transfer.upload(store, root / "output/data", f"{base}/data", self._kms_key)
            else:
                transfer.upload_archive(store, root / "output/data", f"{base}/output.tar.gz", scratch, self._kms_key)
        if not model:
            return
        if plain:
            transfer.upload(store, root / "model", f"{base}/model", self._kms_key)
        else:
            transfer.upload_archive(store, root / "model", f"{base}/model.tar.gz", scratch, self._kms_key)
        self.artifacts = {"S3ModelArtifacts": f"{base}/model/" if plain else f"{base}/model.tar.gz"}

    @property
    def _kms_key(self) -> str | None:
        return self._job["OutputDataConfig"].get("KmsKeyId") or None
