"""The main job end to end, both ways of the gate, and what must hold of the stack around it.

Numbered so that the chain runs on a fresh stack first and the crash comes last.
"""

import json

import pytest

from local.demo.run import Demo
from local.stack import LocalStack

pytestmark = [pytest.mark.local, pytest.mark.engine]
PATIENTS = 100
"""A fifth is held out: of twenty patients the gate forgives three, of the ten of a smaller cohort one, and every stack
draws its own."""


@pytest.fixture(scope="module")
def demo(stack: LocalStack) -> Demo:
    made = Demo(stack, patients=PATIENTS, slices=1, seed=7)
    made.run()
    return made


@pytest.fixture(scope="module")
def good(demo: Demo) -> dict:
    return dict(demo.facts)


def test_every_upload_ends_in_one_final_state(good: dict) -> None:
    assert sum(good["ingestion"]["status"].values()) == good["uploaded"]["files"]
    assert set(good["ingestion"]["status"]) == {"IMPORTED", "QUARANTINED"}


def test_hostile_files_end_in_quarantine_with_a_reason_file(good: dict, cloud, out: dict) -> None:
    hostile = {i["file"]: i["reason"] for i in good["ingestion"]["quarantined"] if i["file"].startswith("hostile/")}
    assert len(hostile) >= 6
    assert all(hostile.values())
    listed = cloud.client("s3").list_objects_v2(Bucket=out["training_data_bucket"], Prefix="quarantine/")["Contents"]
    keys = {entry["Key"] for entry in listed}
    objects = {key for key in keys if not key.endswith(".reason.json")}
    assert objects, "the refused object itself is kept"
    assert {f"{key}.reason.json" for key in objects} <= keys


def test_the_whole_cohort_reached_the_research_zone(good: dict) -> None:
    assert good["ingestion"]["deidentified"] >= PATIENTS


def test_health_imaging_serves_htj2k_smaller_than_raw(good: dict) -> None:
    assert good["frame"]["rows"] == good["frame"]["columns"] == 512
    assert good["frame"]["ratio"] > 1.5


def test_the_pipeline_passed_its_gate_on_held_out_patients(good: dict) -> None:
    decision = good["evaluation"]["report"]["gate"]["sentence"]
    assert good["pipeline"]["status"] == "Succeeded", f"{decision} {good.get('refused', '')}"
    assert good["evaluation"]["report"]["metrics"]["accuracy"]["value"] >= 0.85
    assert {s["name"] for s in good["pipeline"]["steps"]} >= {"Preprocess", "Train", "Evaluate", "AccuracyGate"}
    assert "roc.png" in good["evaluation"]["pictures"]


def test_the_model_was_judged_again_approved_and_deployed(good: dict) -> None:
    told = good["evaluation"]["report"]["metrics"]["accuracy"]["value"]
    assert good["independent"]["accuracy"] == pytest.approx(told, abs=0.02), "two engines, one model"
    assert good["model"]["version"] >= 1
    assert 0 <= good["inference"]["answer"]["probability"] <= 1


def test_a_reader_hears_the_model_after_their_own_read_and_who_has_not_read_does_not(
    good: dict, stack, cloud, out
) -> None:
    from local.demo.clients import Api, sign_in
    from local.demo.people import demo_people

    said = good["prediction"]
    assert said["model_version"] == good["model"]["version"]
    assert 1 <= said["images_judged"] <= said["images_usable"]
    token = sign_in(cloud, out["user_pool_client_id"], demo_people(stack)["second-reader"])
    second = Api(out["api_url"], token, cloud.env["AWS_CA_BUNDLE"])
    refused = second.raw.get(f"/studies/{said['study_key']}/prediction")
    assert (refused.status_code, refused.json()["code"]) == (403, "READ_FIRST")


def test_no_identifier_left_the_phi_zone(good: dict, cloud, out: dict) -> None:
    """Names and ids of the cohort, looked for in every byte of the research zone, the logs and the events."""
    from local.demo.run import SAMPLE

    labels = json.loads((SAMPLE / "cohort" / "labels.json").read_text())
    planted = {s["patient_id"].encode() for s in labels["studies"]} | {
        s["study_uid"].encode() for s in labels["studies"]
    }
    s3, logs = cloud.client("s3"), cloud.client("logs")
    for bucket in (out["preprocessed_bucket"], out["model_artifacts_bucket"]):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                content = entry["Key"].encode() + s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                assert not [p for p in planted if p in content], f"an identifier in {entry['Key']}"
    for group in logs.describe_log_groups()["logGroups"]:
        for stream in logs.describe_log_streams(logGroupName=group["logGroupName"])["logStreams"]:
            events = logs.get_log_events(
                logGroupName=group["logGroupName"], logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
            text = "\n".join(e["message"] for e in events).encode()
            assert not [p for p in planted if p in text], f"an identifier in {group['logGroupName']}"


def test_bringing_the_stack_up_again_changes_nothing(good: dict, stack: LocalStack) -> None:
    assert stack.up().done == 0
    code, run = stack.pulumi(["preview", "--expect-no-changes"], check=False)
    assert code == 0, run.text[-2000:]


def test_spoiled_labels_fail_the_gate_and_a_human_is_told(demo: Demo, cloud, out: dict) -> None:
    packages = cloud.client("sagemaker").list_model_packages(ModelPackageGroupName=out["model_package_group"])
    before = len(packages["ModelPackageSummaryList"])
    demo.spoil()
    assert demo.facts["pipeline"]["status"] == "Failed"
    assert "accuracy" in demo.facts["refused"].lower()
    assert demo.facts["alerts"], "nobody was told"
    packages = cloud.client("sagemaker").list_model_packages(ModelPackageGroupName=out["model_package_group"])
    assert len(packages["ModelPackageSummaryList"]) == before, "a model that failed its gate was registered"
