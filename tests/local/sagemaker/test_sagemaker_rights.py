"""Rights: who may call, which roles may be passed, what jobs may touch; and what survives a kill."""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from typing import Any

import botocore.exceptions
import pytest

ACCOUNT = "111122223333"


@pytest.fixture
def as_user(world: Any) -> Any:
    """`as_user(statements...)`: a SageMaker client of a user with just these rights."""

    def make(*statements: tuple[list[str], list[str]]) -> Any:
        iam, name = world.aws("iam"), f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        parts = [{"Effect": "Allow", "Action": a, "Resource": r} for a, r in statements]
        iam.put_user_policy(
            UserName=name,
            PolicyName="p",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": parts}),
        )
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return world.aws("sagemaker", access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])

    return make


def fail_step(message: str = "no") -> dict[str, Any]:
    """The smallest step."""
    return {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": message}}


def definition(*steps: dict[str, Any]) -> str:
    """A definition as text."""
    return json.dumps({"Version": "2020-12-01", "Steps": list(steps)})


def test_a_right_on_another_pipeline_is_no_right(world: Any, as_user: Any) -> None:
    world.create([fail_step()])
    other = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:pipeline/other"
    user = as_user((["sagemaker:StartPipelineExecution"], [other]))
    with pytest.raises(botocore.exceptions.ClientError, match="not authorized to perform") as refused:
        user.start_pipeline_execution(PipelineName=world.pipeline)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    assert world.pipeline in str(refused.value)


def test_a_role_is_passed_only_with_the_right_to_pass_it(world: Any, as_user: Any) -> None:
    user = as_user((["sagemaker:CreatePipeline"], ["*"]))
    with pytest.raises(botocore.exceptions.ClientError, match="iam:PassRole"):
        user.create_pipeline(
            PipelineName=world.pipeline,
            PipelineDefinition=definition(fail_step()),
            RoleArn=world.pipeline_role,
            ClientRequestToken=uuid.uuid4().hex,
        )


def test_an_action_that_is_not_served_is_refused_by_name(world: Any) -> None:
    with pytest.raises(
        botocore.exceptions.ClientError, match="does not serve the action 'ListNotebookInstances'"
    ) as no:
        world.sagemaker.list_notebook_instances()
    assert no.value.response["Error"]["Code"] == "UnknownOperationException"


def test_a_bad_definition_is_refused_when_it_is_created(world: Any) -> None:
    bad = {**fail_step(), "Type": "Tuning"}
    with pytest.raises(botocore.exceptions.ClientError, match="Step 'Stop': type 'Tuning' is not supported") as refused:
        world.create([bad])
    assert refused.value.response["Error"]["Code"] == "ValidationException"


def test_a_job_cannot_read_what_its_role_may_not(world: Any) -> None:
    poor = world.role("poor", (["logs:*"], ["*"]))
    world.aws("iam").put_role_policy(
        RoleName=f"pipeline-{world.tag}",
        PolicyName="pass",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "iam:PassRole", "Resource": poor}],
            }
        ),
    )
    world.create([world.processing("Read", "print('never')", role=poor)])
    arn = world.start()
    assert world.finish(arn)["PipelineExecutionStatus"] == "Failed"
    assert "AccessDenied" in world.reasons(arn)["Read"]


def test_a_script_has_the_rights_of_its_role_and_no_others(world: Any) -> None:
    script = f"""
import boto3, botocore.exceptions
s3 = boto3.client("s3")
s3.put_object(Bucket="{world.bucket}", Key="by-script", Body=b"x")
try:
    boto3.client("dynamodb").list_tables()
except botocore.exceptions.ClientError as error:
    assert error.response["Error"]["Code"] == "AccessDeniedException", error
else:
    raise SystemExit("the job could list tables")
"""
    world.create([world.processing("Script", script)])
    arn = world.start()
    assert world.finish(arn)["PipelineExecutionStatus"] == "Succeeded", world.reasons(arn)
    assert world.get(f"s3://{world.bucket}/by-script") == b"x"


def test_a_role_that_does_not_trust_sagemaker_cannot_be_used(world: Any) -> None:
    foreign = world.role("foreign", service="lambda.amazonaws.com")
    world.aws("iam").put_role_policy(
        RoleName=f"pipeline-{world.tag}",
        PolicyName="pass",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "iam:PassRole", "Resource": foreign}],
            }
        ),
    )
    world.create([world.processing("Step", "print('never')", role=foreign)])
    arn = world.start()
    world.finish(arn)
    assert "Could not assume role" in world.reasons(arn)["Step"]


def test_a_lambda_step_calls_the_function_and_hands_on_its_outputs(world: Any) -> None:
    code = "def handler(event, context):\n    return {'doubled': event['number'] * 2}\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("f.py", code)
    role = world.role("function", (["logs:*"], ["*"]), service="lambda.amazonaws.com")
    function = world.aws("lambda").create_function(
        FunctionName=f"f-{world.tag}",
        Runtime="python3.11",
        Handler="f.handler",
        Role=role,
        Code={"ZipFile": buffer.getvalue()},
    )["FunctionArn"]
    double = {
        "Name": "Double",
        "Type": "Lambda",
        "FunctionArn": function,
        "Arguments": {"number": {"Get": "Parameters.Number"}},
        "OutputParameters": [{"OutputName": "doubled", "OutputType": "Integer"}],
    }
    tell = fail_step()
    tell["Arguments"] = {
        "ErrorMessage": {
            "Std:Join": {"On": "", "Values": ["got ", {"Get": "Steps.Double.OutputParameters['doubled']"}]}
        }
    }
    world.create([double, tell], [{"Name": "Number", "Type": "Integer"}])
    ended = world.finish(world.start(Number="21"))
    assert ended["FailureReason"] == "got 42"


@pytest.fixture
def running(own_launcher: Any, make_client: Any, eventually: Any) -> tuple[Any, str]:
    """A launcher of this test's own with an execution whose job has started: (its SageMaker, the execution's ARN)."""
    environment = own_launcher.start()
    sagemaker, iam, s3 = (make_client(environment, name) for name in ("sagemaker", "iam", "s3"))
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    rights = {"Effect": "Allow", "Action": ["s3:*", "sagemaker:*", "iam:PassRole", "logs:*"], "Resource": "*"}
    iam.put_role_policy(
        RoleName="r", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [rights]})
    )
    s3.create_bucket(Bucket="kill-test")
    s3.put_object(Bucket="kill-test", Key="wait.py", Body=b"import time; time.sleep(300)")
    source = {
        "S3Uri": "s3://kill-test/wait.py",
        "LocalPath": "/opt/ml/processing/code",
        "S3DataType": "S3Prefix",
    }
    cluster = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    step = {
        "Name": "Wait",
        "Type": "Processing",
        "Arguments": {
            "ProcessingResources": {"ClusterConfig": cluster},
            "AppSpecification": {
                "ImageUri": "i",
                "ContainerEntrypoint": ["python3", "/opt/ml/processing/code/wait.py"],
            },
            "RoleArn": role,
            "ProcessingInputs": [{"InputName": "code", "S3Input": source}],
        },
    }
    sagemaker.create_model_package_group(ModelPackageGroupName="g")
    sagemaker.create_pipeline(
        PipelineName="p", PipelineDefinition=definition(step), RoleArn=role, ClientRequestToken="c" * 32
    )
    arn = sagemaker.start_pipeline_execution(PipelineName="p", ClientRequestToken="s" * 32)["PipelineExecutionArn"]

    def started() -> bool:
        jobs = sagemaker.list_processing_jobs()["ProcessingJobSummaries"]
        names = [job["ProcessingJobName"] for job in jobs]
        return any("ProcessingStartTime" in sagemaker.describe_processing_job(ProcessingJobName=n) for n in names)

    eventually(started, what="the job's start")
    time.sleep(3)  # IAM's own snapshot is taken every two seconds
    return sagemaker, arn


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_an_ended_process_leaves_no_running_execution_and_loses_no_record(
    own_launcher: Any, make_client: Any, running: tuple[Any, str], end: str
) -> None:
    _, arn = running
    getattr(own_launcher, end)()  # `stop` fails by itself when the job holds the process up for a minute

    after = make_client(own_launcher.start(), "sagemaker")
    execution = after.describe_pipeline_execution(PipelineExecutionArn=arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert "process ended while this was running" in execution["FailureReason"]
    assert after.describe_model_package_group(ModelPackageGroupName="g")["ModelPackageGroupStatus"] == "Completed"
    again = after.start_pipeline_execution(PipelineName="p", ClientRequestToken="n" * 32)["PipelineExecutionArn"]
    assert after.describe_pipeline_execution(PipelineExecutionArn=again)["PipelineExecutionStatus"] == "Executing"
    after.stop_pipeline_execution(PipelineExecutionArn=again, ClientRequestToken="x" * 32)
