"""A world for SageMaker tests: bucket, roles, a queue that hears the events, small scripts instead of TensorFlow."""

from __future__ import annotations

import io
import json
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

ACCOUNT, REGION = "111122223333", "us-east-1"
IMAGE = f"763104351884.dkr.ecr.{REGION}.amazonaws.com/tensorflow-training:2.19-cpu-py312"
RESOURCES = {"ClusterConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10}}

PREPROCESS = """
import json, os, pathlib, boto3
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
text = "".join(p.read_text() for p in sorted((root / "processing/input/raw").rglob("*.txt")))
(root / "processing/train/numbers.txt").write_text(text.upper())
print("who", boto3.client("sts").get_caller_identity()["Arn"], flush=True)
print("config", sorted(p.name for p in (root / "config").iterdir()), flush=True)
"""
TRAIN = """
import argparse, json, os, pathlib
p = argparse.ArgumentParser(); p.add_argument("--epochs", type=int); p.add_argument("--arch"); a = p.parse_args()
data = (pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]) / "numbers.txt").read_text()
for epoch in range(a.epochs):
    print(f"epoch {epoch} val_accuracy: 0.{80 + epoch}", flush=True)
pathlib.Path(os.environ["SM_MODEL_DIR"], "weights.txt").write_text(f"{a.arch} {data}")
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "history.json").write_text("[]")
"""
EVALUATE = """
import json, os, pathlib, sys, tarfile
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
with tarfile.open(root / "processing/model/model.tar.gz") as t: names = t.getnames()
assert names == ["weights.txt"], names
out = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
(out / "evaluation.json").write_text(json.dumps({"metrics": {"accuracy": {"value": 0.9}}}))
"""


def archive(files: dict[str, str]) -> bytes:
    """A tar.gz of text files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as bundle:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            bundle.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def trust(service: str = "sagemaker.amazonaws.com") -> str:
    """A trust policy for one service."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(*statements: tuple[list[str], list[str]]) -> str:
    """A policy of (actions, resources)."""
    parts = [{"Effect": "Allow", "Action": actions, "Resource": resources} for actions, resources in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": parts})


@dataclass
class World:
    """Names of one test's resources, and helpers that speak boto3."""

    aws: Callable[..., Any]
    tag: str

    def __post_init__(self) -> None:
        self.bucket, self.pipeline, self.group = f"sm-{self.tag}", f"training-{self.tag}", f"group-{self.tag}"
        self.sagemaker, self.s3 = self.aws("sagemaker"), self.aws("s3")
        self.s3.create_bucket(Bucket=self.bucket)
        bucket = [f"arn:aws:s3:::{self.bucket}", f"arn:aws:s3:::{self.bucket}/*"]
        # The rights that the platform gives to its own job role (components, WriteJobLogs): no more.
        logs = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
        groups = [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/*:*"]
        self.job_role = self.role("job", (["s3:GetObject", "s3:PutObject", "s3:ListBucket"], bucket), (logs, groups))
        self.pipeline_role = self.role(
            "pipeline",
            (["sagemaker:*"], [f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:*"]),
            (["iam:PassRole"], [self.job_role]),
            (["s3:GetObject"], bucket),
            (["lambda:InvokeFunction"], ["*"]),
        )

    def role(
        self, name: str, *statements: tuple[list[str], list[str]], service: str = "sagemaker.amazonaws.com"
    ) -> str:
        """Make a role; its ARN."""
        full = f"{name}-{self.tag}"
        arn = self.aws("iam").create_role(RoleName=full, AssumeRolePolicyDocument=trust(service))["Role"]["Arn"]
        if statements:
            self.aws("iam").put_role_policy(RoleName=full, PolicyName="p", PolicyDocument=allow(*statements))
        return arn

    def put(self, key: str, content: str | bytes) -> str:
        """Store an object; its URI."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def get(self, uri: str) -> bytes:
        """Read an object by URI."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def create(self, steps: list[dict[str, Any]], parameters: list[dict[str, Any]] | None = None, **extra: Any) -> str:
        """CreatePipeline; its ARN."""
        document = {"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters or [], "Steps": steps}
        return self.sagemaker.create_pipeline(
            PipelineName=self.pipeline,
            PipelineDefinition=json.dumps(document),
            RoleArn=self.pipeline_role,
            ClientRequestToken=uuid.uuid4().hex,
            **extra,
        )["PipelineArn"]

    def start(self, **parameters: str) -> str:
        """StartPipelineExecution; its ARN."""
        given = [{"Name": name, "Value": value} for name, value in parameters.items()]
        return self.sagemaker.start_pipeline_execution(PipelineName=self.pipeline, PipelineParameters=given)[
            "PipelineExecutionArn"
        ]

    def finish(self, arn: str, seconds: float = 60.0) -> dict[str, Any]:
        """Wait for the end of an execution; its description."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            execution = self.sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)
            if execution["PipelineExecutionStatus"] in ("Succeeded", "Failed", "Stopped"):
                return execution
            time.sleep(0.1)
        pytest.fail(f"{arn} did not end: {self.steps(arn)}")

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        """Steps by name."""
        listed = self.sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
        return {step["StepName"]: step for step in listed}

    def reasons(self, arn: str) -> dict[str, str]:
        """Why steps failed, by name."""
        return {name: step["FailureReason"] for name, step in self.steps(arn).items() if "FailureReason" in step}

    def processing(
        self, name: str, script: str, *, arguments: list[Any] | None = None, role: Any = None, **more: Any
    ) -> dict[str, Any]:
        """A Processing step that runs one script; `inputs` and `outputs` as {name: (uri, local folder)}."""
        code = self.put(f"code/{name}.py", script)
        inputs = {"code": (code, "/opt/ml/processing/input/code"), **more.pop("inputs", {})}
        outputs = more.pop("outputs", {})
        return {
            "Name": name,
            "Type": "Processing",
            "Arguments": {
                "ProcessingResources": RESOURCES,
                "AppSpecification": {
                    "ImageUri": IMAGE,
                    "ContainerEntrypoint": ["python3", f"/opt/ml/processing/input/code/{name}.py"],
                    **({"ContainerArguments": arguments} if arguments else {}),
                },
                "RoleArn": role or self.job_role,
                "ProcessingInputs": [
                    {"InputName": key, "S3Input": {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix"}}
                    for key, (uri, path) in inputs.items()
                ],
                **(
                    {
                        "ProcessingOutputConfig": {
                            "Outputs": [
                                {
                                    "OutputName": key,
                                    "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": "EndOfJob"},
                                }
                                for key, (uri, path) in outputs.items()
                            ]
                        }
                    }
                    if outputs
                    else {}
                ),
                **more.pop("extra", {}),
            },
            **more,
        }


@pytest.fixture
def world(aws: Callable[..., Any]) -> Iterator[World]:
    """Fresh resources for one test."""
    made = World(aws, uuid.uuid4().hex[:8])
    yield made
    for execution in _executions(made):
        if execution["PipelineExecutionStatus"] == "Executing":
            made.sagemaker.stop_pipeline_execution(
                PipelineExecutionArn=execution["PipelineExecutionArn"], ClientRequestToken=uuid.uuid4().hex
            )


def _executions(world: World) -> list[dict[str, Any]]:
    try:
        return world.sagemaker.list_pipeline_executions(PipelineName=world.pipeline)["PipelineExecutionSummaries"]
    except world.sagemaker.exceptions.ResourceNotFound:
        return []


@pytest.fixture
def make_archive() -> Callable[[dict[str, str]], bytes]:
    """`archive` for the tests of this folder."""
    return archive


@pytest.fixture
def event_queue(world: World, aws: Callable[..., Any]) -> Callable[[], list[dict[str, Any]]]:
    """Everything that aws.sagemaker says on the default bus from now on, as a growing list."""
    queue = aws("sqs").create_queue(QueueName=f"events-{world.tag}")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:events-{world.tag}"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
            }
        ],
    }
    aws("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    aws("events").put_rule(Name=f"sm-{world.tag}", EventPattern=json.dumps({"source": ["aws.sagemaker"]}))
    aws("events").put_targets(Rule=f"sm-{world.tag}", Targets=[{"Id": "q", "Arn": arn}])
    heard: list[dict[str, Any]] = []

    def listen() -> list[dict[str, Any]]:
        while messages := aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                heard.append(json.loads(message["Body"]))
                aws("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return heard

    return listen


@pytest.fixture
def scripts() -> dict[str, str]:
    """The three scripts of the small training pipeline."""
    return {"preprocess": PREPROCESS, "train": TRAIN, "evaluate": EVALUATE}


@pytest.fixture
def training_steps(
    world: World, scripts: dict[str, str], make_archive: Callable[[dict[str, str]], bytes]
) -> list[dict[str, Any]]:
    """Preprocess -> Train -> Evaluate -> Gate -> Register | Rejected, as the platform's own pipeline is shaped."""
    raw = world.put("raw/a.txt", "one ")
    world.put("raw/b.txt", "two")
    code = world.put("code/sourcedir.tar.gz", make_archive({"train.py": scripts["train"]}))
    run = {"Std:Join": {"On": "/", "Values": [f"s3://{world.bucket}/runs", {"Get": "Execution.PipelineExecutionId"}]}}
    accuracy = {
        "Std:JsonGet": {
            "PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.Evaluation"},
            "Path": "metrics.accuracy.value",
        }
    }
    model = {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}

    def below(name: str) -> dict[str, Any]:
        return {"Std:Join": {"On": "/", "Values": [run, name]}}

    preprocess = world.processing(
        "Preprocess",
        scripts["preprocess"],
        inputs={"raw": (raw.rsplit("/", 1)[0], "/opt/ml/processing/input/raw")},
        outputs={"train": (below("train"), "/opt/ml/processing/train")},
    )
    train = {
        "Name": "Train",
        "Type": "Training",
        "Arguments": {
            "AlgorithmSpecification": {
                "TrainingInputMode": "File",
                "TrainingImage": IMAGE,
                "MetricDefinitions": [{"Name": "val_accuracy", "Regex": "val_accuracy: ([0-9.]+)"}],
            },
            "HyperParameters": {
                "epochs": {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Epochs"}]}},
                "arch": "tiny",
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": code,
            },
            "InputDataConfig": [
                {
                    "ChannelName": "train",
                    "DataSource": {
                        "S3DataSource": {
                            "S3DataType": "S3Prefix",
                            "S3Uri": {"Get": "Steps.Preprocess.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"},
                        }
                    },
                }
            ],
            "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "RoleArn": world.job_role,
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "OutputDataConfig": {"S3OutputPath": f"s3://{world.bucket}/models"},
        },
    }
    evaluate = world.processing(
        "Evaluate",
        scripts["evaluate"],
        arguments=["--output", "/opt/ml/processing/evaluation"],
        inputs={"model": (model, "/opt/ml/processing/model")},
        outputs={"evaluation": (below("evaluation"), "/opt/ml/processing/evaluation")},
        PropertyFiles=[{"PropertyFileName": "Evaluation", "OutputName": "evaluation", "FilePath": "evaluation.json"}],
    )
    register = {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": world.group,
            "ModelApprovalStatus": "PendingManualApproval",
            "InferenceSpecification": {
                "Containers": [{"Image": IMAGE, "ModelDataUrl": model}],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            "CustomerMetadataProperties": {"execution": {"Get": "Execution.PipelineExecutionId"}},
        },
    }
    rejected = {
        "Name": "AccuracyBelowThreshold",
        "Type": "Fail",
        "Arguments": {
            "ErrorMessage": {"Std:Join": {"On": " ", "Values": ["accuracy below", {"Get": "Parameters.Threshold"}]}}
        },
    }
    gate = {
        "Name": "AccuracyGate",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [
                {
                    "Type": "GreaterThanOrEqualTo",
                    "LeftValue": accuracy,
                    "RightValue": {"Get": "Parameters.Threshold"},
                }
            ],
            "IfSteps": [register],
            "ElseSteps": [rejected],
        },
    }
    return [preprocess, train, evaluate, gate]


@pytest.fixture
def training_parameters() -> list[dict[str, Any]]:
    """Parameters of `training_steps`."""
    return [
        {"Name": "Epochs", "Type": "Integer", "DefaultValue": 3},
        {"Name": "Threshold", "Type": "Float", "DefaultValue": 0.85},
    ]
