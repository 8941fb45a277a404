"""Which arithmetic trains by setting and GPUs, and how far the exported model may be from it."""

from __future__ import annotations

import numpy as np
import pytest

from training.failure import TrainingError
from training.precision import LARGEST_DIFFERENCE, Capability, Precision, difference, policy_of

VOLTA, TURING, PASCAL = (7, 0), (7, 5), (6, 1)


@pytest.mark.parametrize(
    ("asked", "capabilities", "policy"),
    [
        ("auto", [], "float32"),
        ("auto", [VOLTA], "mixed_float16"),
        ("auto", [TURING, TURING], "mixed_float16"),
        ("auto", [PASCAL], "float32"),
        ("auto", [TURING, PASCAL], "float32"),
        ("auto", [None], "float32"),
        ("float32", [TURING], "float32"),
        ("mixed_float16", [], "mixed_float16"),
    ],
)
def test_auto_is_mixed_only_where_every_gpu_has_tensor_cores(asked: str, capabilities: list[Capability], policy: str):
    assert policy_of(asked, capabilities) == policy
    assert Precision(asked=asked, policy=policy).mixed is (policy == "mixed_float16")


def test_the_largest_difference_of_two_models_is_told():
    assert difference(np.array([0.2, 0.9], np.float32), np.array([0.21, 0.9])) == pytest.approx(0.01, abs=1e-6)


@pytest.mark.parametrize("other", [0.5 + 2 * LARGEST_DIFFERENCE, float("nan")])
def test_a_model_that_answers_otherwise_in_float32_is_not_exported(other: float):
    with pytest.raises(TrainingError, match="train with precision float32"):
        difference(np.array([0.1, 0.5]), np.array([0.1, other]))
