"""The stand-in on an in-memory AWS: S3 as a dictionary, rights as a set of refusals, a clock that does not wait."""

from __future__ import annotations

import io
import json
import sys
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from local.sagemaker.context import Context
from local.sagemaker.errors import AccessDeniedError, ValidationError
from local.sagemaker.names import Scope
from local.sagemaker.ports import Credentials, FunctionReply, LogsError, StorageError, StoredObject
from local.sagemaker.service import SageMaker
from local.sagemaker.state import Store

ROLE = "arn:aws:iam::111122223333:role/pipeline"
JOB_ROLE = "arn:aws:iam::111122223333:role/job"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.19-cpu-py312"
CLUSTER = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}


class FakeClock:
    """Time that moves only when somebody waits."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, stop: threading.Event) -> bool:
        self.waits.append(seconds)
        self.time += seconds
        return stop.is_set()


class FakeStore:
    """S3: objects by 'bucket/key'; `broken` counts how many calls still fail with a server error."""

    def __init__(self, cloud: FakeCloud, caller: Credentials) -> None:
        self._cloud, self._caller = cloud, caller

    def list(self, bucket: str, prefix: str) -> Iterator[StoredObject]:
        self._check("list")
        for name, content in sorted(self._cloud.objects.items()):
            if name.startswith(f"{bucket}/{prefix}"):
                yield StoredObject(name.partition("/")[2], len(content))

    def download(self, bucket: str, key: str, path: Path) -> None:
        path.write_bytes(self.read(bucket, key))

    def upload(self, path: Path, bucket: str, key: str, kms_key: str | None = None) -> None:
        self.write(bucket, key, path.read_bytes(), kms_key)

    def read(self, bucket: str, key: str) -> bytes:
        self._check("read")
        try:
            return self._cloud.objects[f"{bucket}/{key}"]
        except KeyError:
            raise StorageError("NoSuchKey", "The specified key does not exist.") from None

    def write(self, bucket: str, key: str, content: bytes, kms_key: str | None = None) -> None:
        self._check("write")
        self._cloud.objects[f"{bucket}/{key}"] = content
        self._cloud.kms[f"{bucket}/{key}"] = kms_key

    def _check(self, action: str) -> None:
        if self._cloud.broken:
            self._cloud.broken -= 1
            raise StorageError("InternalError", "We encountered an internal error.", temporary=True)
        if (self._caller.principal_arn, f"s3:{action}") in self._cloud.denied:
            raise StorageError("AccessDenied", f"{action} is denied")


class FakeCloud:
    """Cloud (see ports) in memory. `denied` holds (principal, action); functions are callables by ARN."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.kms: dict[str, str | None] = {}
        self.denied: set[tuple[str, str]] = set()
        self.asked: list[tuple[str, str, str]] = []
        self.functions: dict[str, Callable[[Any], Any]] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.logs: dict[tuple[str, str], list[str]] = {}
        self.metrics: list[tuple[str, str, float, dict[str, str]]] = []
        self.logs_refused = False
        self.alarms: dict[str, str] = {}
        self.broken = 0

    def assume(self, role_arn: str, session_name: str) -> Credentials:
        if (role_arn, "sts:AssumeRole") in self.denied:
            raise ValidationError(f"Could not assume role {role_arn}")
        return Credentials(access_key_id=session_name, principal_arn=role_arn, session_token="role-token")

    def authorize(
        self, caller: Credentials, action: str, resource: str, context: Mapping[str, Any] | None = None
    ) -> None:
        self.asked.append((caller.principal_arn, action, resource))
        if (caller.principal_arn, action) in self.denied:
            raise AccessDeniedError(f"{caller.principal_arn} is not authorized to perform {action}")

    def storage(self, caller: Credentials) -> FakeStore:
        return FakeStore(self, caller)

    def invoke_function(self, caller: Credentials, arn: str, payload: Any) -> FunctionReply:
        try:
            return FunctionReply(payload=self.functions[arn](payload))
        except ArithmeticError as error:
            return FunctionReply(payload=None, error=type(error).__name__)

    def put_logs(self, caller: Credentials, group: str, stream: str, lines: Sequence[tuple[int, str]]) -> None:
        if self.logs_refused:
            raise LogsError("no right to write logs")
        self.logs.setdefault((group, stream), []).extend(text for _, text in lines)

    def put_metrics(
        self, namespace: str, values: Iterable[tuple[str, float, str]], dimensions: Mapping[str, str]
    ) -> None:
        self.metrics.extend((namespace, name, value, dict(dimensions)) for name, value, _ in values)

    def alarm_states(self, caller: Credentials, names: Sequence[str]) -> dict[str, str]:
        self.authorize(caller, "cloudwatch:DescribeAlarms", "alarm")
        return {name: self.alarms[name] for name in names if name in self.alarms}

    def emit(self, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]) -> None:
        self.events.append((detail_type, json.loads(json.dumps(detail))))

    def environment(self, caller: Credentials) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": "https://127.0.0.1:1", "AWS_SESSION_TOKEN": caller.session_token}

    def log_text(self, group: str) -> str:
        """All lines of a group."""
        return "\n".join(line for (name, _), lines in self.logs.items() if name == group for line in lines)


class Api:
    """Calls actions the way the wire does."""

    def __init__(self, context: Context, cloud: FakeCloud, clock: FakeClock) -> None:
        self.context, self.cloud, self.clock = context, cloud, clock
        self.service = SageMaker(context, lambda headers, _query: headers.get("key", ""))

    def send(self, action: str, **request: Any) -> tuple[int, dict[str, Any]]:
        """(status, answer)."""
        headers = {"x-amz-target": f"SageMaker.{action}"}
        status, _, body = self.service.answer("POST", "/", headers, json.dumps(request).encode(), {})
        return status, json.loads(body)

    def __call__(self, action: str, **request: Any) -> dict[str, Any]:
        """The answer of an action that must succeed."""
        status, answer = self.send(action, **request)
        assert status == 200, answer
        return answer

    def refusal(self, action: str, **request: Any) -> tuple[str, str]:
        """(code, message) of an action that must fail."""
        status, answer = self.send(action, **request)
        assert status == 400, answer
        return answer["__type"], answer["message"]

    def create(self, *steps: dict[str, Any], parameters: Sequence[Any] = (), name: str = "p", **more: Any) -> None:
        """CreatePipeline."""
        text = json.dumps({"Version": "2020-12-01", "Parameters": list(parameters), "Steps": list(steps)})
        self("CreatePipeline", PipelineName=name, PipelineDefinition=text, RoleArn=ROLE, **more)

    def start(self, name: str = "p", **parameters: str) -> str:
        """StartPipelineExecution without waiting; the execution's ARN."""
        given = [{"Name": key, "Value": value} for key, value in parameters.items()]
        return self("StartPipelineExecution", PipelineName=name, PipelineParameters=given)["PipelineExecutionArn"]

    def run(self, *steps: dict[str, Any], **more: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Create, start, wait: the execution and its steps by name."""
        self.create(*steps, **more)
        return self.end(self.start())

    def end(self, arn: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Wait for an execution: its description and its steps by name."""
        self.service.executor.join(arn, 30)
        steps = self("ListPipelineExecutionSteps", PipelineExecutionArn=arn)["PipelineExecutionSteps"]
        return self("DescribePipelineExecution", PipelineExecutionArn=arn), {s["StepName"]: s for s in steps}


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make_context(tmp_path: Path, cloud: FakeCloud, clock: FakeClock) -> Callable[[], Context]:
    """A context on the same folder every time: the second one is the process after a restart."""

    def make() -> Context:
        return Context(
            scope=Scope("us-east-1", "111122223333"),
            store=Store(tmp_path / "records"),
            cloud=cloud,
            clock=clock,
            folder=tmp_path,
            train_python=sys.executable,
            stop_grace=5.0,
        )

    return make


@pytest.fixture
def context(make_context: Callable[[], Context]) -> Iterator[Context]:
    made = make_context()
    yield made
    made.closing.set()


@pytest.fixture
def api(context: Context, cloud: FakeCloud, clock: FakeClock) -> Api:
    return Api(context, cloud, clock)


@pytest.fixture
def restarted(
    context: Context, make_context: Callable[[], Context], cloud: FakeCloud, clock: FakeClock
) -> Callable[[], Api]:
    """Ends the first process as SIGKILL would (nobody writes any more) and starts the next on the same records."""

    def restart() -> Api:
        context.store.close()
        after = Api(make_context(), cloud, clock)
        after.service.resume()
        return after

    return restart


@pytest.fixture
def processing(cloud: FakeCloud) -> Callable[..., dict[str, Any]]:
    """A Processing step that runs one script; `inputs`, `outputs` as {name: (uri, local path)}."""

    def make(name: str, script: str, **more: Any) -> dict[str, Any]:
        cloud.objects[f"b/code/{name}.py"] = script.encode()
        inputs = {"code": (f"s3://b/code/{name}.py", "/opt/ml/processing/input/code"), **more.pop("inputs", {})}
        outputs = more.pop("outputs", {})
        arguments: dict[str, Any] = {
            "ProcessingResources": {"ClusterConfig": dict(CLUSTER)},
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", f"/opt/ml/processing/input/code/{name}.py"],
            },
            "RoleArn": JOB_ROLE,
            "ProcessingInputs": [
                {"InputName": key, "S3Input": {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix"}}
                for key, (uri, path) in inputs.items()
            ],
            **more.pop("arguments", {}),
        }
        if outputs:
            arguments["ProcessingOutputConfig"] = {
                "Outputs": [
                    {"OutputName": key, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": "EndOfJob"}}
                    for key, (uri, path) in outputs.items()
                ]
            }
        return {"Name": name, "Type": "Processing", "Arguments": arguments, **more}

    return make


@pytest.fixture
def training(cloud: FakeCloud) -> Callable[..., dict[str, Any]]:
    """A Training step in script mode; `files` go into sourcedir.tar.gz."""

    def make(name: str, files: dict[str, str], **more: Any) -> dict[str, Any]:
        cloud.objects[f"b/code/{name}.tar.gz"] = archive(files)
        arguments: dict[str, Any] = {
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "HyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": f"s3://b/code/{name}.tar.gz",
                **more.pop("hyperparameters", {}),
            },
            "RoleArn": JOB_ROLE,
            "ResourceConfig": dict(CLUSTER),
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "OutputDataConfig": {"S3OutputPath": "s3://b/models"},
            **more.pop("arguments", {}),
        }
        return {"Name": name, "Type": "Training", "Arguments": arguments, **more}

    return make


def archive(files: dict[str, str]) -> bytes:
    """A tar.gz of text files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            bundle.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture
def make_archive() -> Callable[[dict[str, str]], bytes]:
    return archive
