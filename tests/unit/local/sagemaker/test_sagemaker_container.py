"""The model server's contract, with a few lines in TensorFlow's place."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import local.sagemaker

CONTAINER = Path(local.sagemaker.__file__).parent / "container"


class Tensor(list[Any]):
    """What a signature answers."""

    def numpy(self) -> Tensor:
        return self

    def tolist(self) -> list[Any]:
        return list(self)


class Signature:
    """Doubles `x`; with a second input `y` also adds it."""

    def __init__(self, *names: str) -> None:
        self.structured_input_signature = (
            (),
            {name: SimpleNamespace(dtype=SimpleNamespace(as_numpy_dtype=np.float64)) for name in names},
        )

    def __call__(self, x: Any, y: Any = None) -> dict[str, Any]:
        double = Tensor([2 * value for value in x])
        return {"double": double} if y is None else {"double": double, "sum": Tensor(map(sum, zip(x, y, strict=True)))}


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The container's module, imported as the server script imports it."""
    signatures = {"serving_default": Signature("x"), "two": Signature("x", "y")}
    fake = ModuleType("tensorflow")
    fake.saved_model = SimpleNamespace(load=lambda _path: SimpleNamespace(signatures=signatures))  # type: ignore[attr-defined]
    fake.constant = lambda value, dtype=None: value.tolist()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorflow", fake)
    monkeypatch.syspath_prepend(str(CONTAINER))
    yield importlib.import_module("local_serving_model")
    for name in ("local_serving_model", "inference"):
        sys.modules.pop(name, None)


@pytest.fixture
def application(serving: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """An application over bundles (folders with saved_model.pb) and an inference script."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def make(*bundles: str, script: str | None = None, **environment: str) -> Any:
        for bundle in bundles:
            (tmp_path / bundle).mkdir(parents=True)
            (tmp_path / bundle / "saved_model.pb").touch()
        if script is not None:
            (tmp_path / "code").mkdir()
            (tmp_path / "code" / "inference.py").write_text(script)
        return serving.Application(tmp_path, 8501, environment)

    return make


def answer(reply: Any) -> Any:
    """Decoded body."""
    return json.loads(reply.body)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param({"instances": [1, 2]}, {"predictions": [2, 4]}, id="rows"),
        pytest.param({"inputs": [1, 2]}, {"outputs": [2, 4]}, id="columns"),
        pytest.param({"instances": [{"x": 1}]}, {"predictions": [2]}, id="named-rows"),
        pytest.param(
            {"signature_name": "two", "instances": [{"x": 1, "y": 5}]},
            {"predictions": [{"double": 2, "sum": 6}]},
            id="two-inputs",
        ),
        pytest.param(
            {"signature_name": "two", "inputs": {"x": [1], "y": [5]}},
            {"outputs": {"double": [2], "sum": [6]}},
            id="two-columns",
        ),
    ],
)
def test_predictions_have_the_form_of_the_serving_api(application: Any, request_: Any, expected: Any) -> None:
    reply = application("1").predict("/v1/models/model/versions/1:predict", json.dumps(request_).encode())
    assert answer(reply) == expected


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/v1/models/model:predict", b"{", 400, id="no-json"),
        pytest.param("/v1/models/model:predict", b'{"instances": [1], "inputs": [1]}', 400, id="both-forms"),
        pytest.param("/v1/models/model:predict", b'{"instances": [{"z": 1}]}', 400, id="unknown-input"),
        pytest.param(
            "/v1/models/model:predict", b'{"signature_name": "no", "instances": [1]}', 404, id="unknown-signature"
        ),
        pytest.param("/v1/models/other:predict", b'{"instances": [1]}', 404, id="unknown-model"),
        pytest.param("/v1/models/model:classify", b'{"instances": [1]}', 404, id="unknown-method"),
    ],
)
def test_wrong_requests_are_the_callers_fault(
    application: Any, serving: ModuleType, path: str, body: bytes, status: int
) -> None:
    with pytest.raises(serving.RequestError) as refused:
        application("1").predict(path, body)
    assert refused.value.status == status


def test_the_newest_version_of_the_named_model_answers(application: Any) -> None:
    made = application("a/1", "a/2", "b/1", SAGEMAKER_TFS_DEFAULT_MODEL_NAME="a")
    state = answer(made.state("/v1/models/a"))["model_version_status"]
    assert {entry["version"] for entry in state} == {"1", "2"}
    context = made._context({"X-Amzn-SageMaker-Custom-Attributes": ""}, 0)
    assert (context.model_name, context.model_version) == ("a", "2")
    other = made._context({"X-Amzn-SageMaker-Custom-Attributes": "tfs-model-name=b, tfs-method=predict"}, 0)
    assert other.rest_uri == "http://127.0.0.1:8501/v1/models/b:predict"


def test_both_handlers_stand_around_the_prediction(application: Any) -> None:
    script = """
import json
def input_handler(data, context): return json.dumps({"instances": json.loads(data.read())})
def output_handler(response, context):
    return json.dumps({"status": response.status_code, "got": response.json()}), context.accept_header
"""
    made = application("1", script=script)
    reply = made.invoke(b"[3]", {"Content-Type": "application/json", "Accept": "application/x-own"})
    assert (answer(reply), reply.content_type) == ({"status": 200, "got": {"predictions": [6]}}, "application/x-own")
    refused = answer(made.invoke(b'[{"z": 1}]', {}))
    assert refused["status"] == 400


def test_without_a_script_csv_and_json_lines_become_rows(application: Any) -> None:
    made = application("1")
    lines = made.invoke(b"1\n2\n", {"Content-Type": "application/jsonlines"})
    assert answer(lines) == {"predictions": [2, 4]}
    table = made.invoke(b"1,2\n", {"Content-Type": "text/csv"})
    assert answer(table) == {"predictions": [[1.0, 2.0, 1.0, 2.0]]}


@pytest.mark.parametrize(
    ("bundles", "script", "text"),
    [
        pytest.param((), None, "no SavedModel bundles found!", id="no-model"),
        pytest.param(("1",), "x = 1", "Handlers are not implemented correctly", id="no-handler"),
    ],
)
def test_a_model_that_cannot_serve_ends_the_server(
    application: Any, bundles: tuple[str, ...], script: str | None, text: str
) -> None:
    with pytest.raises(SystemExit, match=text):
        application(*bundles, script=script)
