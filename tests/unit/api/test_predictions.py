# ruff: noqa: N803 - fakes have the service's argument names
"""What the model says of a study: hidden until the reader's own read is locked, asked once a version, then recorded."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from api.endpoint import DynamoPredictions, SageMakerEndpoint
from api.ports import Judgement, Prediction
from api.predictions import ASKING_SECONDS, JUDGED_IMAGES, sample
from api.reading import Rules
from lambda_shared.errors import NotFoundError, PlatformError, TransientError

STUDY = "a" * 32
PATH = f"/studies/{STUDY}/prediction"
LABELS = f"/studies/{STUDY}/labels"
READ = {"finding": "normal", "certainty": "definite"}


@pytest.mark.parametrize("readers", [1, 2])
class TestReadFirst:
    @pytest.fixture
    def rules(self, readers: int) -> Rules:
        return Rules(readers=readers)

    def test_it_is_refused_and_recorded_and_the_model_not_even_asked(self, call: Any, world: Any) -> None:
        code, problem, headers = call("GET", PATH)
        assert (code, problem["code"]) == (403, "READ_FIRST")
        assert headers["content-type"] == "application/problem+json"
        assert (world.denied, world.audited) == ([("person-1", "getPrediction", [STUDY])], [])
        assert world.judged == []

    def test_it_is_told_after_ones_own_read_and_the_telling_is_recorded(self, call: Any, world: Any) -> None:
        call("POST", LABELS, READ)
        code, said, _ = call("GET", PATH)
        assert (code, said["finding"], said["probability"], said["model_version"]) == (200, "pneumonia", 0.9, 3)
        assert (said["images_judged"], said["images_usable"]) == (2, 2), "what is in quarantine is not judged"
        assert world.audited[-1] == ("person-1", "getPrediction", [STUDY])
        assert call("GET", PATH, subject="person-2")[1]["code"] == "READ_FIRST", "another's read is not one's own"

    def test_an_administrator_hears_it_and_a_stranger_does_not(self, call: Any, world: Any) -> None:
        assert call("GET", PATH, groups="[admin]", subject="boss")[0] == 200
        assert call("GET", PATH, subject="stranger")[1]["code"] == "NOT_ASSIGNED"
        assert call("GET", f"/studies/{'9' * 32}/prediction")[0] == 404


class TestNextRound:
    @pytest.fixture
    def rules(self) -> Rules:
        return Rules(readers=2)

    def test_who_has_heard_it_does_not_hear_it_while_a_new_round_waits_for_their_read(
        self, call: Any, world: Any
    ) -> None:
        call("POST", LABELS, READ)
        call("POST", LABELS, READ, subject="person-2")
        assert call("GET", PATH)[0] == 200
        call("POST", LABELS, READ, subject="person-7")
        assert call("GET", PATH)[1]["code"] == "READ_FIRST"
        world.forward(120)
        call("POST", LABELS, READ)
        assert call("GET", PATH)[0] == 200


def test_the_model_is_asked_once_a_version_and_only_about_deidentified_images(call: Any, world: Any) -> None:
    call("POST", LABELS, READ)
    first = call("GET", PATH)[1]
    world.forward(60)
    assert call("GET", PATH)[1] == first
    assert world.judged == ["deidentified/0.dcm", "deidentified/1.dcm"]
    world.in_service = 4
    call("GET", PATH)
    assert len(world.judged) == 4, "a new version is asked again"


def test_a_slow_model_is_not_waited_for_and_what_was_cut_short_is_not_kept(call: Any, world: Any, ports: Any) -> None:
    call("POST", LABELS, READ)

    said: Judgement | None = Judgement(probability=0.9, threshold=0.5, model_version=3)

    def judge(_: str) -> Judgement | None:
        world.forward(ASKING_SECONDS + 1)
        return said

    ports.endpoint.judge, quick = judge, ports.endpoint.judge
    code, answer, _ = call("GET", PATH)
    assert (code, answer["images_judged"], answer["images_usable"]) == (200, 1, 2)
    said = None
    assert call("GET", PATH)[1]["code"] == "MODEL_SLOW", "no word on the study"
    assert world.predictions == {}
    ports.endpoint.judge = quick
    assert call("GET", PATH)[1]["images_judged"] == 2, "asked again, and now kept"
    assert len(world.predictions) == 1


def test_what_the_model_cannot_judge_is_left_out_and_none_at_all_is_said(call: Any, world: Any) -> None:
    call("POST", LABELS, READ)
    world.judgements = {"deidentified/0.dcm": None, "deidentified/1.dcm": None}
    code, problem, _ = call("GET", PATH)
    assert (code, problem["code"]) == (409, "NOTHING_JUDGED")
    world.judgements["deidentified/1.dcm"] = Judgement(probability=0.2, threshold=0.5, model_version=3)
    said = call("GET", PATH)[1]
    assert (said["finding"], said["images_judged"], said["images_usable"]) == ("normal", 1, 2)


def test_without_a_model_there_is_nothing_and_a_change_between_two_images_is_asked_again(call: Any, world: Any) -> None:
    call("POST", LABELS, READ)
    world.in_service = None
    assert call("GET", PATH)[:2][1]["code"] == "NO_MODEL_IN_SERVICE"
    world.in_service = 3
    world.judgements = {"deidentified/0.dcm": Judgement(probability=0.2, threshold=0.5, model_version=4)}
    code, problem, headers = call("GET", PATH)
    assert (code, problem["code"], headers["retry-after"]) == (503, "MODEL_CHANGING", "2")
    assert world.predictions == {}
    assert "getPrediction" not in {action for _, action, _ in world.audited}, "nothing was told"


def test_of_two_who_ask_at_once_both_get_what_was_kept(call: Any, world: Any, ports: Any) -> None:
    call("POST", LABELS, READ)
    call("GET", PATH)
    world.predictions[STUDY, 3] = replace(world.predictions[STUDY, 3], probability=0.8)
    answers = iter([None, world.predictions[STUDY, 3]])  # the other's answer comes while ours is being made
    ports.predictions.get = lambda *_: next(answers)
    assert call("GET", PATH)[1]["probability"] == 0.8


def test_a_sample_is_always_the_same_and_bounded(world: Any) -> None:
    (one, *_) = world.images[STUDY]
    many = [replace(one, image_key=f"{number:032x}", object_id=str(number)) for number in range(400)]
    chosen, usable = sample([*reversed(many), *many[:3], replace(one, image_key="f" * 32, modality="SR")])
    assert (len(chosen), usable) == (JUDGED_IMAGES, 400)
    assert [image.image_key for image in chosen] == [image.image_key for image in many[:JUDGED_IMAGES]]


class Service:
    """S3, SageMaker and its runtime at once."""

    def __init__(self, **changed: Any) -> None:
        self.said: Any = {"probability": 0.7, "threshold": 0.5, "finding": "pneumonia", "model_version": "12"}
        self.said |= changed.pop("said", {})
        self.described = {"EndpointConfigName": "group-v12-0a1b2c3d", "EndpointStatus": "InService", **changed}
        self.error = ""
        self.sent: dict[str, Any] = {}

    def _fail(self) -> None:
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "x"}}, "Any")

    def describe_endpoint(self, EndpointName: str) -> Any:
        self._fail()
        return self.described

    def get_object(self, Bucket: str, Key: str) -> Any:
        return {"Body": io.BytesIO(f"{Bucket}/{Key}".encode())}

    def invoke_endpoint(self, **request: Any) -> Any:
        self._fail()
        self.sent = request
        return {"Body": io.BytesIO(json.dumps(self.said).encode())}


def endpoint(service: Service) -> SageMakerEndpoint:
    return SageMakerEndpoint(dict.fromkeys(("s3", "sagemaker", "sagemaker-runtime"), service), "research", "group")


def test_the_version_in_service_is_read_from_the_name_that_the_registry_gives() -> None:
    from model_registry.adapters import EndpointPlan

    plan = EndpointPlan(
        endpoint_name="stack-pneumonia",
        role_arn="r",
        instance_type="i",
        data_capture_uri="u",
        data_capture_percent=1,
        kms_key_arn="k",
    )
    assert endpoint(Service(EndpointConfigName=plan.config_name(12))).version() == 12
    assert endpoint(Service(EndpointConfigName=plan.trial_name(12, 13))).version() == 12, "the champion's"
    assert endpoint(Service(EndpointStatus="Failed")).version() is None
    absent = Service()
    absent.error = "ValidationException"
    assert endpoint(absent).version() is None
    absent.error = "ThrottlingException"
    with pytest.raises(TransientError):
        endpoint(absent).version()


def test_the_endpoint_is_sent_the_object_of_the_research_zone() -> None:
    service = Service()
    assert endpoint(service).judge("deidentified/1") == Judgement(probability=0.7, threshold=0.5, model_version=12)
    assert (service.sent["Body"], service.sent["EndpointName"]) == (b"research/deidentified/1", "group")
    assert (service.sent["ContentType"], service.sent["TargetVariant"]) == ("application/dicom", "primary")
    assert "InferenceId" not in service.sent, "an answer that a reader hears is no evidence of a trial"


def test_a_refused_image_is_none_and_an_answer_of_another_form_is_no_answer() -> None:
    service = Service()
    service.error = "ModelError"
    assert endpoint(service).judge("x") is None
    service.error = "ValidationError"
    with pytest.raises(NotFoundError):
        endpoint(service).judge("x")
    for said in ({"probability": 1.5}, {"probability": None}, {"model_version": None}):
        with pytest.raises(PlatformError, match="MODEL_OUTPUT"):
            endpoint(Service(said=said)).judge("x")


class Table:
    """A DynamoDB table with the metrics' keys."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Any] = {}

    def query(self, **request: Any) -> Any:
        values = request["ExpressionAttributeValues"]
        found = self.items.get((values[":partition"], values[":version"]))
        return {"Items": [found] if found else []}

    def put_item(self, Item: Any, ConditionExpression: str) -> None:
        key = (Item["model_version"], Item["evaluation_timestamp"])
        if key in self.items:
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException", "Message": "x"}}, "PutItem")
        self.items[key] = Item


def test_a_prediction_is_kept_under_study_and_version_and_never_written_over() -> None:
    table = Table()
    kept = DynamoPredictions(table)
    made = Prediction(
        study_key=STUDY,
        model_version=12,
        finding="normal",
        probability=0.25,
        threshold=0.5,
        images_judged=8,
        images_usable=400,
        predicted_at="2026",
    )
    assert kept.keep(made)
    assert list(table.items) == [(f"prediction#{STUDY}", "000012")]
    assert not kept.keep(replace(made, probability=0.9))
    assert kept.get(STUDY, 12) == made
    assert kept.get(STUDY, 13) is None
