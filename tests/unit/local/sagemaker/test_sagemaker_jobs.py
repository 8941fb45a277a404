"""The container contract, with real processes: folders, environment, script mode, failures, checkpoints, logs."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.sagemaker.jobs import layout, supervise, toolkit, transfer
from local.sagemaker.jobs import processing as processing_jobs
from local.sagemaker.jobs import training as training_jobs
from local.sagemaker.jobs.failure import JobFailedError
from local.sagemaker.jobs.logs import MetricReader

DUMP = (
    "import json, os, sys; print('DUMP', json.dumps({'env': dict(os.environ), 'argv': sys.argv, 'cwd': os.getcwd()}))"
)


@pytest.fixture
def run_training(context: Any, training: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Run one training job to its end; its record."""

    def run(files: dict[str, str], stop: threading.Event | None = None, **more: Any) -> dict[str, Any]:
        arguments = training("Train", files, **more)["Arguments"]
        name = f"job-{len(context.store.all(training_jobs.KIND))}"
        training_jobs.create(context, name, arguments)
        return training_jobs.run(context, name, stop or threading.Event())

    return run


@pytest.fixture
def run_processing(context: Any, processing: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Run one processing job to its end; its record."""

    def run(script: str, **more: Any) -> dict[str, Any]:
        arguments = processing("Step", script, **more)["Arguments"]
        name = f"job-{len(context.store.all(processing_jobs.KIND))}"
        processing_jobs.create(context, name, arguments)
        return processing_jobs.run(context, name, threading.Event())

    return run


def dumped(cloud: Any, group: str) -> dict[str, Any]:
    """What the DUMP script printed."""
    line = next(line for line in cloud.log_text(group).splitlines() if line.startswith("DUMP "))
    return json.loads(line.removeprefix("DUMP "))


def test_a_job_of_several_machines_is_refused_before_it_begins(run_training: Any) -> None:
    record = run_training({"train.py": DUMP}, arguments={"ResourceConfig": {"InstanceCount": 2}})
    assert record["TrainingJobStatus"] == "Failed"
    assert record["FailureReason"] == (
        "ClientError: InstanceCount is 2: the stand-in has one machine. Set training.trainingInstances to 1 here"
    )


def test_script_mode_runs_with_sorted_arguments_and_the_toolkit_environment(
    run_training: Any, cloud: Any, context: Any
) -> None:
    cloud.objects["b/data/x.txt"] = b"1"
    channel = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/data"}}
    record = run_training(
        {"train.py": DUMP},
        hyperparameters={"learning-rate": "0.1", "epochs": "3", "b": "true", "o": '{"x": 1}', "arch": "tiny"},
        arguments={"InputDataConfig": [{"ChannelName": "train", "DataSource": channel}], "Environment": {"OWN": "1"}},
    )
    assert record["TrainingJobStatus"] == "Completed", record
    seen = dumped(cloud, training_jobs.LOG_GROUP)
    assert seen["argv"] == [
        "train.py", "--arch", "tiny", "-b", "True", "--epochs", "3", "--learning-rate", "0.1", "-o", "x=1",
    ]  # fmt: skip
    environment, root = seen["env"], seen["env"]["SAGEMAKER_BASE_DIR"]
    assert environment["SM_CHANNEL_TRAIN"] == f"{root}/input/data/train"
    assert environment["SM_HP_LEARNING-RATE"] == "0.1"
    assert json.loads(environment["SM_HPS"])["epochs"] == 3
    assert json.loads(environment["SM_CHANNELS"]) == ["train"]
    assert environment["SM_MODEL_DIR"] == f"{root}/model"
    assert environment["SM_USER_ENTRY_POINT"] == "train.py"
    assert environment["SM_CURRENT_INSTANCE_TYPE"] == "ml.m5.xlarge"
    assert environment["OWN"] == "1"
    assert seen["cwd"] == f"{root}/code"
    assert not (context.folder / "jobs" / "job-0").exists()


def test_a_job_sees_nothing_of_the_launcher(run_training: Any, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAUNCHER_SECRET", "hidden")
    monkeypatch.setenv("AWS_PROFILE", "hidden")
    monkeypatch.setenv("PYTHONPATH", "/hidden")
    run_training({"train.py": DUMP})
    environment = dumped(cloud, training_jobs.LOG_GROUP)["env"]
    assert not any("hidden" in value for value in environment.values())
    assert environment["AWS_SESSION_TOKEN"] == "role-token"
    assert environment["HTTPS_PROXY"] == "http://127.0.0.1:9"


def test_an_isolated_job_has_no_keys(run_training: Any, cloud: Any) -> None:
    run_training({"train.py": DUMP}, arguments={"EnableNetworkIsolation": True})
    environment = dumped(cloud, training_jobs.LOG_GROUP)["env"]
    assert not {"AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"} & set(environment)


def test_configuration_files_have_the_toolkits_form(tmp_path: Path) -> None:
    described = toolkit.Training(
        name="j",
        arn="arn",
        region="us-east-1",
        root=tmp_path,
        hyperparameters={"epochs": "3", "sagemaker_program": "train.py"},
        channels={"train": {"ContentType": "text/csv"}},
        instance_type="ml.g5.xlarge",
    )
    toolkit.write_configuration(described)
    config = tmp_path / "input/config"
    assert json.loads((config / "hyperparameters.json").read_text())["epochs"] == "3"
    resources = json.loads((config / "resourceconfig.json").read_text())
    assert (resources["hosts"], resources["current_instance_type"]) == (["algo-1"], "ml.g5.xlarge")
    assert json.loads((config / "inputdataconfig.json").read_text())["train"] == {
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
        "ContentType": "text/csv",
    }


def test_model_and_output_are_archived_without_a_top_folder(run_training: Any, cloud: Any) -> None:
    script = """
import os, pathlib
pathlib.Path(os.environ["SM_MODEL_DIR"], "1").mkdir()
pathlib.Path(os.environ["SM_MODEL_DIR"], "1", "saved_model.pb").write_text("m")
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "history.json").write_text("[]")
"""
    key = "arn:aws:kms:us-east-1:111122223333:key/k"
    config = {"OutputDataConfig": {"S3OutputPath": "s3://b/models/", "KmsKeyId": key}}
    record = run_training({"train.py": script}, arguments=config)
    assert record["ModelArtifacts"] == {"S3ModelArtifacts": "s3://b/models/job-0/output/model.tar.gz"}
    assert cloud.kms["b/models/job-0/output/model.tar.gz"] == key
    with tarfile.open(fileobj=io.BytesIO(cloud.objects["b/models/job-0/output/model.tar.gz"])) as model:
        assert model.getnames() == ["1", "1/saved_model.pb"]
    with tarfile.open(fileobj=io.BytesIO(cloud.objects["b/models/job-0/output/output.tar.gz"])) as output:
        assert output.getnames() == ["history.json"]


def test_metrics_are_read_from_the_output_and_sent(run_training: Any, cloud: Any) -> None:
    definitions = [{"Name": "loss", "Regex": "loss=([0-9.]+)"}, {"Name": "never", "Regex": "never=(.*)"}]
    algorithm = {"TrainingImage": "i", "TrainingInputMode": "File", "MetricDefinitions": definitions}
    script = "print('loss=0.5'); print('loss=0.25 never=seen')"
    record = run_training({"train.py": script}, arguments={"AlgorithmSpecification": algorithm})
    assert [(m["MetricName"], m["Value"]) for m in record["FinalMetricDataList"]] == [("loss", 0.25)]
    sent = [(name, value) for _, name, value, dimensions in cloud.metrics if dimensions["TrainingJobName"] == "job-0"]
    assert sent == [("loss", 0.5), ("loss", 0.25)]


def test_a_number_that_is_none_is_dropped() -> None:
    reader = MetricReader([{"Name": "loss", "Regex": r"loss=(\S+)"}])
    assert reader.read("loss=high", 1.0) == []
    assert reader.read("loss=1e-3", 2.0) == [("loss", 0.001)]


def test_the_failure_file_becomes_the_failure_reason(run_training: Any) -> None:
    script = """
import os, pathlib, sys
pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "output/failure").write_text("too few studies" + "x" * 2000)
sys.exit(2)
"""
    record = run_training({"train.py": script})
    assert record["TrainingJobStatus"] == record["SecondaryStatus"] == "Failed"
    assert record["FailureReason"].startswith("AlgorithmError: too few studies")
    assert record["FailureReason"].endswith("exit code: 2")
    assert len(record["FailureReason"]) < 1100
    assert [t["Status"] for t in record["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Failed",
    ]
    assert "ModelArtifacts" not in record


def test_checkpoints_are_restored_before_and_copied_after(run_training: Any, cloud: Any) -> None:
    cloud.objects["b/checkpoints/run/state.txt"] = b"epoch 2"
    script = """
import os, pathlib
folder = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
assert (folder / "state.txt").read_text() == "epoch 2"
(folder / "sub").mkdir()
(folder / "sub" / "next.txt").write_text("epoch 3")
"""
    record = run_training({"train.py": script}, arguments={"CheckpointConfig": {"S3Uri": "s3://b/checkpoints/run"}})
    assert record["TrainingJobStatus"] == "Completed", record
    assert cloud.objects["b/checkpoints/run/sub/next.txt"] == b"epoch 3"


def test_a_job_over_its_time_is_stopped_and_keeps_its_model(run_training: Any, cloud: Any) -> None:
    script = """
import os, pathlib, signal, sys, time
def leave(*_):
    pathlib.Path(os.environ["SM_MODEL_DIR"], "w").write_text("so far")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
time.sleep(60)
"""
    record = run_training({"train.py": script}, arguments={"StoppingCondition": {"MaxRuntimeInSeconds": 1}})
    assert (record["TrainingJobStatus"], record["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "b/models/job-0/output/model.tar.gz" in cloud.objects


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        pytest.param(
            {"hyperparameters": {"sagemaker_program": "nope.py"}}, "'nope.py' is not a Python file", id="program"
        ),
        pytest.param(
            {"hyperparameters": {"sagemaker_submit_directory": "s3://b/nope.tar.gz"}}, "NoSuchKey", id="sourcedir"
        ),
        pytest.param(
            {"hyperparameters": {"sagemaker_submit_directory": "file:///x"}}, "is not an S3 URI", id="no-s3-uri"
        ),
        pytest.param(
            {
                "arguments": {
                    "InputDataConfig": [
                        {
                            "ChannelName": "c",
                            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/empty"}},
                        }
                    ]
                }
            },
            "No S3 objects found under s3://b/empty",
            id="empty-channel",
        ),
    ],
)
def test_a_bad_request_is_a_client_error(run_training: Any, more: dict[str, Any], reason: str) -> None:
    record = run_training({"train.py": ""}, **more)
    assert record["FailureReason"].startswith("ClientError: ")
    assert reason in record["FailureReason"]


def test_a_processing_job_gets_its_files_and_gives_its_outputs(run_processing: Any, cloud: Any) -> None:
    cloud.objects |= {"b/in/a.txt": b"A", "b/in/sub/b.txt": b"B", "b/in-other/c.txt": b"C", "b/one.json": b"{}"}
    script = """
import json, os, pathlib, sys
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
files = sorted(p.relative_to(root / "processing/in").as_posix() for p in (root / "processing/in").rglob("*.txt"))
config = json.loads((root / "config/processingjobconfig.json").read_text())
result = {"files": files, "one": (root / "processing/one/one.json").exists(), "job": config["ProcessingJobName"],
          "argument": sys.argv[1], "environment": os.environ["PLACE"]}
(root / "processing/out/deep").mkdir()
(root / "processing/out/deep/result.json").write_text(json.dumps(result))
"""
    image = {
        "ImageUri": "i",
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/Step.py"],
        "ContainerArguments": ["--to=/opt/ml/processing/out"],
    }
    record = run_processing(
        script,
        inputs={
            "in": ("s3://b/in", "/opt/ml/processing/in"),
            "one": ("s3://b/one.json", "/opt/ml/processing/one"),
        },
        outputs={"out": ("s3://b/out/", "/opt/ml/processing/out")},
        arguments={"AppSpecification": image, "Environment": {"PLACE": "/opt/ml/model", "URI": "s3://b/opt/ml/x"}},
    )
    assert record["ProcessingJobStatus"] == "Completed", record
    result = json.loads(cloud.objects["b/out/deep/result.json"])
    assert result["files"] == ["a.txt", "sub/b.txt"]
    assert result["one"] is True
    assert result["job"] == "job-0"
    assert result["argument"].startswith("--to=/") and result["argument"].endswith("/ml/processing/out")
    assert result["environment"].endswith("jobs/job-0/ml/model")


def test_outputs_are_uploaded_only_on_success(run_processing: Any, cloud: Any) -> None:
    script = """
import os, pathlib, sys
root = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
(root / "processing/out/x").write_text("x")
(root / "output/message").write_text("no pneumonia cases")
sys.exit(1)
"""
    record = run_processing(script, outputs={"out": ("s3://b/out", "/opt/ml/processing/out")})
    assert record["FailureReason"] == "AlgorithmError: no pneumonia cases, exit code: 1"
    assert record["ExitMessage"] == "no pneumonia cases"
    assert "b/out/x" not in cloud.objects


def test_a_refusal_of_logs_does_not_fail_the_job(run_processing: Any, cloud: Any) -> None:
    cloud.logs_refused = True
    assert run_processing("print('x')")["ProcessingJobStatus"] == "Completed"


@pytest.mark.parametrize("path", ["/etc", "/opt/mlx", "/opt/ml/../../etc"])
def test_a_local_path_elsewhere_is_refused(context: Any, path: str) -> None:
    folder = layout.JobFolder(context, "j")
    with pytest.raises(JobFailedError, match="is not under /opt/ml"):
        folder.path(path)


def test_an_archive_that_leaves_its_folder_is_refused(
    context: Any, cloud: Any, make_archive: Any, tmp_path: Path
) -> None:
    cloud.objects["b/evil.tar.gz"] = make_archive({"../evil.py": "x"})
    store = cloud.storage(cloud.assume("role", "s"))
    with pytest.raises(JobFailedError, match="not a usable tar archive"):
        transfer.unpack(store, "s3://b/evil.tar.gz", tmp_path / "code", tmp_path / "scratch")
    assert not (tmp_path / "evil.py").exists()


def test_children_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    """The supervisor ends its group when its lifeline, the parent's end of the pipe, is gone."""
    mark = tmp_path / "pid"
    script = f"import os, pathlib, time; pathlib.Path({str(mark)!r}).write_text(str(os.getpid())); time.sleep(60)"
    command = [sys.executable, "-I", str(Path(supervise.__file__)), sys.executable, "-c", script]
    parent = f"""
import subprocess, sys, time
child = subprocess.Popen({command!r}, stdin=subprocess.PIPE)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", parent])
    end = time.monotonic() + 20
    while not (mark.exists() and mark.read_text()) and time.monotonic() < end:
        time.sleep(0.02)
    job = int(mark.read_text())
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while _alive(job) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _alive(job)


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the second where it ends between opening and reading
        return False
