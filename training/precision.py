"""Which arithmetic trains: float32, or mixed float16 where tensor cores make it worth it; serving gets float32 always.

Under the policy mixed_float16 (Micikevicius et al., ICLR 2018) layers compute in float16 and keep float32 weights,
with a dynamic loss scale that the checkpoints carry. What is exported is the same network in float32 over the same
weights: serving machines need no float16, and SavedModel, ONNX and the second opinion answer alike.
"""

# pyright: reportMissingImports=false
# (Keras and TensorFlow live in the training environment, not in the project's)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.failure import TrainingError

TENSOR_CORES = (7, 0)
"""Compute capability from which NVIDIA GPUs have them (Volta)."""
LARGEST_DIFFERENCE = 0.05
"""Probability by which float16 rounding may move an answer on validation images. More means that the best epoch was
chosen by figures that the exported model does not have."""

Capability = tuple[int, int] | None


@dataclass(frozen=True, kw_only=True)
class Precision:
    """The arithmetic of one run, as the artifact's metadata tells it.

    Attributes:
        asked: the setting, one of training.names.PRECISIONS.
        policy: Keras' dtype policy that trains, float32 or mixed_float16.
        gpus: names of the GPUs, empty on a CPU.
    """

    asked: str
    policy: str
    gpus: tuple[str, ...] = ()

    @property
    def mixed(self) -> bool:
        """Does training compute in another arithmetic than the exported model?"""
        return self.policy != "float32"


def policy_of(asked: str, capabilities: Sequence[Capability]) -> str:
    """The policy by setting and GPUs: `auto` is mixed where there is a GPU and every one has tensor cores.

    Args:
        asked: one of training.names.PRECISIONS; float32 and mixed_float16 are taken at their word, on a CPU too.
        capabilities: compute capability of each GPU, None where it is not told (no NVIDIA GPU).
    """
    if asked != "auto":
        return asked
    able = [found is not None and tuple(found) >= TENSOR_CORES for found in capabilities]
    return "mixed_float16" if able and all(able) else "float32"


def choose(asked: str) -> Precision:
    """Look at the GPUs of this machine and set Keras' policy, before any layer is made."""
    import keras
    import tensorflow as tf

    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    policy = policy_of(asked, [one.get("compute_capability") for one in details])
    keras.config.set_dtype_policy(policy)
    return Precision(asked=asked, policy=policy, gpus=tuple(one.get("device_name", "unknown") for one in details))


def difference(trained: np.ndarray, exported: np.ndarray) -> float:
    """Largest difference of two models' probabilities on the same images. # (N,), (N,)

    Raises:
        TrainingError: it is above LARGEST_DIFFERENCE, or not a number.
    """
    largest = float(np.abs(trained.astype(np.float64) - exported.astype(np.float64)).max())
    if not largest <= LARGEST_DIFFERENCE:
        raise TrainingError(
            f"in float32 the model answers by up to {largest:.3g} otherwise than in the mixed precision that trained "
            f"it (limit {LARGEST_DIFFERENCE:g}): train with precision float32"
        )
    return largest
