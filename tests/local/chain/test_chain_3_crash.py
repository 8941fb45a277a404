"""Nothing is lost: the embedded AWS is killed in the middle of an ingestion and started again."""

import json
from collections import Counter
from pathlib import Path

import pytest

from local.cloud import Cloud
from local.console import wait_for
from local.demo.clients import Api, make_person, sign_in
from local.demo.run import make_sample
from local.demo.upload import upload_all
from local.demo.watch import FINAL, tracking_items
from local.stack import LocalStack

pytestmark = [pytest.mark.local, pytest.mark.engine]
FILES = 40


def test_every_file_ends_in_exactly_one_final_state_after_a_crash(stack: LocalStack, out: dict) -> None:
    env = stack.aws.start()
    cloud = Cloud(env)
    person = make_person(cloud, out["user_pool_id"], "radiologist", "crash@demo.invalid")
    api = Api(out["api_url"], sign_in(cloud, out["user_pool_client_id"], person), env["AWS_CA_BUNDLE"])
    files = _some_files()
    uploads = upload_all(api, files, env["AWS_CA_BUNDLE"], lambda done: None)
    keys = {f"upload/{u.upload_id}.dcm" for u in uploads}
    wait_for(
        "The first file in a final state",
        lambda: _states(cloud, out, keys).keys() & FINAL or None,
        seconds=120,
        every=0.2,
    )
    in_the_middle = _states(cloud, out, keys)
    assert sum(in_the_middle[s] for s in FINAL) < len(keys), "the kill has to come in the middle"

    stack.aws.stop(kill=True)
    cloud = Cloud(stack.aws.start())

    def settled() -> bool | None:
        _reconcile(cloud, out)
        states = _states(cloud, out, keys)
        return True if sum(states[s] for s in FINAL) == len(keys) else None

    wait_for("Every file in a final state", settled, seconds=300, every=5)
    items = tracking_items(cloud, out["tracking_table"], keys)
    assert Counter(i["upload_key"] for i in items) == dict.fromkeys(keys, 1), "one item a file, no more and no less"
    assert {i["status"] for i in items} <= FINAL
    s3 = cloud.client("s3")
    for item in items:
        s3.head_object(
            Bucket=out["training_data_bucket"], Key=item["upload_key"]
        )  # what was acknowledged is still there


def _some_files() -> list[Path]:
    files = make_sample(12, 3, 7)
    hostile = [f for f in files if f.parent.name == "hostile"]
    return hostile[:6] + [f for f in files if "cohort" in f.parts][: FILES - 6]


def _states(cloud: Cloud, out: dict, keys: set[str]) -> Counter:
    return Counter(i["status"] for i in tracking_items(cloud, out["tracking_table"], keys))


def _reconcile(cloud: Cloud, out: dict) -> dict:
    answer = cloud.client("lambda").invoke(
        FunctionName=out["monitoring_function"],
        Payload=json.dumps({"operation": "reconcile", "grace_seconds": 0}).encode(),
    )
    payload = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, payload
    return payload
