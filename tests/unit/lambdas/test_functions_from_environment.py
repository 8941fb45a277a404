"""Every function's service can be made from its environment alone, and asks AWS for nothing while it is made."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import numpy as np
import pytest

from lambda_shared import settings
from lambda_shared.errors import ConfigurationError, InvalidEventError
from model_evaluation.judge import BATCH_IMAGES, OnnxJudge

BUILDERS = {
    "breach_response": ("breach_response.handler", ["response"]),
    "image_ingestion": ("image_ingestion.wiring", ["quarantining", "ingestion", "imports", "consumer"]),
    "model_evaluation": ("model_evaluation.handler", ["evaluation"]),
    "model_registry": ("model_registry.handler", ["registry"]),
    "monitoring": ("monitoring.handler", ["monitoring", "reconciler"]),
    "pipeline_trigger": ("pipeline_trigger.handler", ["trigger"]),
}
SAMPLES = {str: "value", int: "3", float: "0.5", bool: "true"}
OWN_FORM = {"DEPLOYMENT_CONFIG": "{}", "SCALING": "{}"}


def built(name: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the function's builders make of an environment that holds its settings and nothing else."""
    module_name, builders = BUILDERS[name]
    module = importlib.import_module(module_name)
    found: list[Any] = []
    for builder in builders:
        made: Any = getattr(module, builder)
        for other in builders:
            getattr(module, other).cache_clear()
        if hasattr(module, "settings"):
            module.settings.cache_clear()
        found.append(made())
        assert made() is found[-1], "once per process"
        made.cache_clear()
    if hasattr(module, "settings"):
        module.settings.cache_clear()
    return found


def environment(name: str) -> dict[str, str]:
    kind: Any = importlib.import_module(f"{name}.settings").Settings
    hints = get_type_hints(kind)
    return {key: OWN_FORM.get(key) or SAMPLES[hints[key.lower()]] for key in settings.keys(kind)}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_function_is_made_of_its_settings_without_any_call(
    cloud: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from botocore.client import BaseClient

    def call(*_: Any, **__: Any) -> None:
        pytest.fail("a call to AWS while the service is made")

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    for key, value in environment(name).items():
        monkeypatch.setenv(key, value)
    assert len(built(name, monkeypatch)) == len(BUILDERS[name][1])


@pytest.mark.parametrize("name", BUILDERS)
def test_a_function_without_its_settings_names_every_one_that_is_missing(
    cloud: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for key in environment(name):
        monkeypatch.delenv(key, raising=False)
    with pytest.raises(ConfigurationError) as refused:
        built(name, monkeypatch)
    kind: Any = importlib.import_module(f"{name}.settings").Settings
    needed = [
        field.name.upper() for field in kind.__dataclass_fields__.values() if field.default is field.default_factory
    ]
    assert needed
    assert all(f"{key} is not set" in str(refused.value) for key in needed)


# the other runtime that judges a model --------------------------------------------------------------------------------
@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """onnxruntime, which only the function's layer holds: `answer` is the model."""
    seen: dict[str, Any] = {"shapes": [], "answer": lambda images: images.mean(axis=(1, 2, 3))}

    class InferenceSession:
        def __init__(self, path: str, providers: list[str]) -> None:
            seen.update(path=path, providers=providers)

        def get_inputs(self) -> list[Any]:
            return [SimpleNamespace(name="image")]

        def run(self, outputs: None, feed: dict[str, Any]) -> list[Any]:
            seen["shapes"].append(feed["image"].shape)
            return [seen["answer"](feed["image"])]

    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=InferenceSession))
    return seen


def images(count: int, dtype: Any = np.float32) -> Any:
    return np.stack([np.full((4, 4), number / 100, dtype) for number in range(count)])


def test_a_model_is_asked_for_few_images_at_a_time_and_answers_in_their_order(runtime: dict[str, Any]) -> None:
    shards = iter([images(BATCH_IMAGES + 3, np.float64), images(2)[..., None]])
    scores = OnnxJudge().scores(Path("model.onnx"), shards)
    expected = [number / 100 for number in [*range(BATCH_IMAGES + 3), 0, 1]]
    assert np.allclose(scores, expected)
    assert runtime["shapes"] == [(BATCH_IMAGES, 4, 4, 1), (3, 4, 4, 1), (2, 4, 4, 1)]
    assert (runtime["path"], runtime["providers"]) == ("model.onnx", ["CPUExecutionProvider"])


def test_an_empty_test_set_has_no_scores(runtime: dict[str, Any]) -> None:
    assert OnnxJudge().scores(Path("m"), iter([])).shape == (0,)


WRONG: dict[str, Callable[[Any], Any]] = {
    "two numbers an image": lambda found: np.zeros((len(found), 2)),
    "no number": lambda found: np.full(len(found), np.nan),
    "above one": lambda found: np.full(len(found), 1.5),
    "below nought": lambda found: np.full(len(found), -0.1),
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
def test_a_model_that_answers_no_probabilities_is_refused(runtime: dict[str, Any], answer: Any) -> None:
    runtime["answer"] = answer
    with pytest.raises(InvalidEventError) as refused:
        OnnxJudge().scores(Path("m"), iter([images(3)]))
    assert refused.value.code == "MODEL_OUTPUT"


def test_the_key_of_the_pseudonyms_must_be_one_and_is_never_quoted(cloud: None) -> None:
    from image_ingestion.library import DicomLibrary

    with pytest.raises(ConfigurationError) as refused:
        DicomLibrary(lambda: "hush hush", keep_patient_characteristics=False).deidentify(b"")
    assert refused.value.code == "PSEUDONYM_KEY"
    assert "hush" not in str(refused.value)
