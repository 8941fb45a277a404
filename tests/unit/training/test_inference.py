"""The endpoint's handler: DICOM and JSON in, a finding out, in the contract of the TensorFlow Serving container."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from training import export, names, pixels

_SPEC = importlib.util.spec_from_file_location("inference_slices", Path(__file__).with_name("test_pixels.py"))
assert _SPEC is not None and _SPEC.loader is not None
slices: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(slices)

SIZE = 64


@pytest.fixture
def handler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """inference.py loaded from an artifact's code/, as the container loads it."""
    monkeypatch.delenv("MODEL_VERSION", raising=False)
    export._copy_handler(tmp_path / "code")
    metadata = {"config": {"image_size": SIZE}, "threshold": 0.5, "classes": ["normal", "pneumonia"]}
    (tmp_path / "metadata.json").write_text(json.dumps(metadata))
    spec = importlib.util.spec_from_file_location("served_inference", tmp_path / "code/inference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_answer_says_what_the_image_looks_like_and_nothing_of_the_person(handler: ModuleType):
    slice_ = slices.ct_slice(slices.chest(128), PatientName="DOE^JANE", PatientID="4711", Manufacturer="JANE DOE 4711")
    context = SimpleNamespace(request_content_type="application/dicom")
    handler.input_handler(io.BytesIO(slices.as_bytes(slice_)), context)
    found = answer(handler, [[0.75]])
    assert found["appearance"]["size"] == "128x128"
    assert 0 <= found["appearance"]["intensity_p50"] <= 1
    assert found["appearance"]["manufacturer"] == "other", "a maker that the model has not met may be anything"
    assert not {word for word in ("DOE", "JANE", "4711") if word in json.dumps(found)}


def test_the_next_request_does_not_inherit_an_appearance(handler: ModuleType):
    ask(handler, slices.as_bytes(slices.ct_slice(slices.chest(128))), "application/dicom")
    assert "appearance" in answer(handler, [[0.75]])
    assert "appearance" not in answer(handler, [[0.75]])


def ask(handler: ModuleType, content: bytes, content_type: str | None) -> np.ndarray:
    """What the model is asked about, read as its signature for bytes reads it. # (N, S, S, 1)"""
    context = SimpleNamespace(request_content_type=content_type)
    asked = json.loads(handler.input_handler(io.BytesIO(content), context))
    assert asked["signature_name"] == names.RAW_SIGNATURE
    images = [np.frombuffer(base64.b64decode(one["b64"]), "<f4") for one in asked["instances"]]
    return np.array(images).reshape(-1, SIZE, SIZE, 1)


def test_a_dicom_image_becomes_the_pixels_that_training_saw(handler: ModuleType):
    content = slices.as_bytes(slices.ct_slice(slices.chest(128)))
    sent = ask(handler, content, "application/dicom")
    assert sent.shape == (1, SIZE, SIZE, 1)
    assert np.array_equal(sent[0, ..., 0], pixels.from_dicom(content, SIZE)), "no digit is lost on the way"


@pytest.mark.parametrize(
    "shape",
    [lambda image: image, lambda image: [image, image], lambda image: {"instances": [image]}],
    ids=["one image", "list", "instances"],
)
def test_json_arrays_are_taken_in_every_documented_form(handler: ModuleType, shape: Callable[[Any], Any]):
    image = np.full((SIZE, SIZE), 0.5).tolist()
    sent = ask(handler, json.dumps(shape(image)).encode(), "application/json; charset=utf-8")
    assert sent.shape[1:] == (SIZE, SIZE, 1)
    assert np.all(sent == 0.5)


def test_json_numbers_arrive_as_numpy_reads_them(handler: ModuleType):
    images = np.random.default_rng(4).random((3, SIZE, SIZE))
    for shape in ((3, SIZE, SIZE), (3, SIZE, SIZE, 1)):
        sent = ask(handler, json.dumps({"instances": images.reshape(shape).tolist()}).encode(), "application/json")
        assert np.array_equal(sent[..., 0], images.astype(np.float32))


def as_npy(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()


@pytest.mark.parametrize("shape", [(SIZE, SIZE), (3, SIZE, SIZE), (3, SIZE, SIZE, 1)])
@pytest.mark.parametrize("dtype", ["<f4", "<f2", ">f8"])
def test_an_array_in_numpys_format_is_taken_in_every_documented_form(
    handler: ModuleType, shape: tuple[int, ...], dtype: str
):
    images = np.random.default_rng(3).random(shape).astype(dtype)
    sent = ask(handler, as_npy(images), "application/x-npy")
    assert np.array_equal(sent, images.astype(np.float32).reshape(-1, SIZE, SIZE, 1))


def test_an_array_of_another_size_is_brought_to_the_models(handler: ModuleType):
    assert ask(handler, as_npy(np.full((2, 100, 100), 0.25)), "application/x-npy") == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("content", "content_type", "sentence"),
    [
        (b"{}", "text/csv", "text/csv"),
        (b"[]", None, "unnamed"),
        (json.dumps([[0.1, 0.2]]).encode(), "application/json", "square"),
        (json.dumps([[-900.0, 0.0], [0.0, 0.0]]).encode(), "application/json", "between 0 and 1"),
        (json.dumps([[[1e300]]]).encode(), "application/json", "between 0 and 1"),
        (json.dumps([[[0.1], [0.2]], [[0.3]]]).encode(), "application/json", "inhomogeneous"),
        (json.dumps([[["0.1"]], [["a"]]]).encode(), "application/json", "could not convert"),
        (b"{", "application/json", ".+"),
        (as_npy(np.full((4, 4), np.nan)), "application/x-npy", "between 0 and 1"),
        (as_npy(np.zeros((0, 4, 4))), "application/x-npy", "square"),
        (as_npy(np.zeros((4, 4), complex)), "application/x-npy", "real numbers"),
        (as_npy(np.array([[{}]], object)), "application/x-npy", "no array in NumPy's format"),
        (as_npy(np.zeros((4, 4)))[:-8], "application/x-npy", "no array in NumPy's format"),
        (b"", "application/x-npy", "no array in NumPy's format"),
    ],
    ids=[
        "csv",
        "no type",
        "not square",
        "hounsfield",
        "too large a number",
        "ragged JSON",
        "words",
        "half JSON",
        "npy of NaN",
        "npy of nothing",
        "npy of complex numbers",
        "npy of a pickle",
        "half an npy",
        "empty npy",
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_sentence(
    handler: ModuleType, content: bytes, content_type: str | None, sentence: str
):
    with pytest.raises(ValueError, match=sentence):
        ask(handler, content, content_type)


def test_an_mr_image_is_refused_with_its_code(handler: ModuleType):
    content = slices.as_bytes(slices.ct_slice(slices.chest(128), Modality="MR"))
    with pytest.raises(ValueError, match="CT") as caught:
        ask(handler, content, "application/dicom")
    assert caught.value.code == "wrong-modality"  # pyright: ignore[reportAttributeAccessIssue]


def answer(handler: ModuleType, predictions: list[list[float]], status: int = 200) -> Any:
    response = SimpleNamespace(status_code=status, content=json.dumps({"predictions": predictions}).encode())
    body, content_type = handler.output_handler(response, SimpleNamespace(model_version=None))
    assert content_type == "application/json"
    return json.loads(body)


def test_one_image_answers_one_finding(handler: ModuleType):
    assert answer(handler, [[0.75]]) == {"probability": 0.75, "finding": "pneumonia", "threshold": 0.5}


def test_several_images_answer_a_list(handler: ModuleType):
    found = answer(handler, [[0.49], [0.5]])["predictions"]
    assert [entry["finding"] for entry in found] == ["normal", "pneumonia"]


def test_the_registered_version_is_told_where_the_endpoint_knows_it(
    handler: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MODEL_VERSION", "12")
    assert answer(handler, [[0.1]])["model_version"] == "12"


def test_an_explanation_is_the_image_and_its_heat_map_by_the_other_signature(handler: ModuleType):
    context = SimpleNamespace(request_content_type="application/dicom", custom_attributes="tfs-method=x, explain=true")
    content = slices.as_bytes(slices.ct_slice(slices.chest(128)))
    asked = json.loads(handler.input_handler(io.BytesIO(content), context))
    assert asked["signature_name"] == "explain"
    response = SimpleNamespace(status_code=200, content=json.dumps({"predictions": [[[0.0, 1.0], [0.5, 0.25]]]}))
    body, _ = handler.output_handler(response, context)
    (found,) = json.loads(body)["explanations"]
    assert found["heat"] == [[0.0, 1.0], [0.5, 0.25]]
    assert np.array(found["image"]) == pytest.approx(pixels.from_dicom(content, SIZE), abs=1e-3)


def test_a_failing_model_server_is_an_error(handler: ModuleType):
    with pytest.raises(ValueError, match="503"):
        answer(handler, [], status=503)


def test_the_artifact_asks_for_pydicom_in_the_tested_version(tmp_path: Path):
    export._copy_handler(tmp_path)
    assert "pydicom==3.0.2" in (tmp_path / "requirements.txt").read_text()
