"""The whole way of a training pipeline through the embedded AWS, as boto3 sees it."""

from __future__ import annotations

import io
import tarfile
from typing import Any

EXECUTION = "SageMaker Model Building Pipeline Execution Status Change"
STEP = "SageMaker Model Building Pipeline Execution Step Status Change"


def test_a_good_model_is_trained_and_registered(
    world: Any, training_steps: Any, training_parameters: Any, event_queue: Any, eventually: Any
) -> None:
    pipeline = world.create(training_steps, training_parameters)
    arn = world.start(Epochs="5")

    assert world.finish(arn)["PipelineExecutionStatus"] == "Succeeded", world.reasons(arn)

    steps = world.steps(arn)
    assert {name: step["StepStatus"] for name, step in steps.items()} == dict.fromkeys(
        ["Preprocess", "Train", "Evaluate", "AccuracyGate", "Register"], "Succeeded"
    )
    assert steps["AccuracyGate"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    job = world.sagemaker.describe_training_job(
        TrainingJobName=steps["Train"]["Metadata"]["TrainingJob"]["Arn"].split("/")[1]
    )
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed"
    assert [(m["MetricName"], round(m["Value"], 2)) for m in job["FinalMetricDataList"]] == [("val_accuracy", 0.84)]
    with tarfile.open(fileobj=io.BytesIO(world.get(job["ModelArtifacts"]["S3ModelArtifacts"]))) as model:
        assert model.extractfile("weights.txt").read() == b"tiny ONE TWO"  # type: ignore[union-attr]

    package = world.sagemaker.describe_model_package(
        ModelPackageName=steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    )
    assert package["ModelPackageVersion"] == 1
    assert package["CustomerMetadataProperties"] == {"execution": arn.rsplit("/", 1)[1]}

    events = _wait_for(eventually, event_queue, arn, "Succeeded")
    executions = [e["detail"] for e in events if e["detail-type"] == EXECUTION]
    assert [e["currentPipelineExecutionStatus"] for e in executions] == ["Executing", "Succeeded"]
    assert all(e["pipelineArn"] == pipeline and e["pipelineExecutionArn"] == arn for e in executions)
    assert "executionEndTime" in executions[-1]
    trained = [e["detail"] for e in events if e["detail-type"] == STEP and e["detail"]["stepName"] == "Train"]
    assert [e["currentStepStatus"] for e in trained] == ["Executing", "Executing", "Succeeded"]
    assert trained[-1]["metadata"]["trainingJob"]["arn"] == job["TrainingJobArn"]
    assert [
        e["detail"]["ModelApprovalStatus"] for e in events if e["detail-type"].endswith("Package State Change")
    ] == ["PendingManualApproval"]

    logs = world.aws("logs")
    name = steps["Preprocess"]["Metadata"]["ProcessingJob"]["Arn"].split("/")[1]
    stream = logs.describe_log_streams(logGroupName="/aws/sagemaker/ProcessingJobs", logStreamNamePrefix=name)
    stream_name = stream["logStreams"][0]["logStreamName"]
    assert stream_name.startswith(f"{name}/algo-1-")
    written = logs.get_log_events(logGroupName="/aws/sagemaker/ProcessingJobs", logStreamName=stream_name)["events"]
    text = "\n".join(event["message"] for event in written)
    assert f"assumed-role/job-{world.tag}/SageMaker" in text
    assert "processingjobconfig.json" in text


def test_a_poor_model_ends_in_the_fail_step_with_its_message(
    world: Any, training_steps: Any, training_parameters: Any
) -> None:
    world.create(training_steps, training_parameters)
    arn = world.start(Threshold="0.95")
    ended = world.finish(arn)
    assert (ended["PipelineExecutionStatus"], ended["FailureReason"]) == ("Failed", "accuracy below 0.95")
    steps = world.steps(arn)
    assert "Register" not in steps
    assert steps["AccuracyBelowThreshold"]["Metadata"] == {"Fail": {"ErrorMessage": "accuracy below 0.95"}}


def _wait_for(eventually: Any, event_queue: Any, arn: str, status: str) -> list[dict[str, Any]]:
    def ended() -> list[dict[str, Any]] | None:
        mine = [event for event in event_queue() if _mine(event, arn)]
        done = any(event["detail"].get("currentPipelineExecutionStatus") == status for event in mine)
        return mine if done else None

    return eventually(ended, what=f"the event {status}")


def _mine(event: dict[str, Any], arn: str) -> bool:
    detail = event["detail"]
    identifier = arn.rsplit("/", 1)[1]
    return detail.get("pipelineExecutionArn") == arn or detail.get("CustomerMetadataProperties") == {
        "execution": identifier
    }
