"""What an epoch does, on one machine or on several that train as one: seeds, steps, metrics (imports Keras)."""

# pyright: reportMissingImports=false
# (Keras and onnxruntime live in the training environment, not in the project's)

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from training.batches import seed_of
from training.cluster import ALONE, Machines

MOVING = "moving_"
"""How Keras' names of batch normalisation's running statistics begin."""
SEED_STATE = "seed_generator_state"
"""Keras' name of a random layer's state, which the model's weights leave out."""


class SharedModel(keras.Model):
    """A model that several machines train as one: each step applies the gradient of all machines' rows."""

    machines = ALONE

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step over this machine's rows of a batch. # data: images (B, S, S, 1), labels (B, 1), weights (B, 1)"""
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        rows = tf.shape(images)[0]
        with tf.GradientTape() as tape:
            predicted = self(images, training=True)
            loss = self.compute_loss(images, labels, predicted, weights, training=True)
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_weights)
        # Summed before the optimizer sees them: whether float16 has overflowed is then decided alike everywhere.
        self.optimizer.apply(self.machines.mean_gradients(gradients, rows), self.trainable_weights)
        next(one for one in self.metrics if one.name == "loss").update_state(loss, sample_weight=rows)
        return self.compute_metrics(images, labels, predicted, sample_weight=weights)


def shared_model(machines: Machines) -> type[SharedModel]:
    """The class of a model that these machines train together."""
    return type(SharedModel.__name__, (SharedModel,), {"machines": machines})


def begin_phase(model: keras.Model, machines: Machines) -> None:
    """Start from the chief's weights and optimizer: after an interruption the others may have older ones, or none."""
    if machines.count > 1:
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        machines.follow_chief([*model.weights, *model.optimizer.variables])


def run_epoch(
    model: keras.Model, machines: Machines, batches: Any, held_out: Any, class_weight: dict[int, float]
) -> dict[str, float]:
    """Fit the training batches once, look at the validation batches, and return the metrics over all machines."""
    model.fit(batches, class_weight=class_weight, shuffle=False, verbose=0)  # the batches are in their order
    values = {f"train_{name}": value for name, value in _results(model, machines).items()}
    # Batch normalisation counts on each machine by itself; validation and checkpoint need one count.
    machines.follow_chief(one for one in model.non_trainable_weights if one.name.startswith(MOVING))
    model.evaluate(held_out, verbose=0)
    return {**values, **{f"validation_{name}": value for name, value in _results(model, machines).items()}}


def _results(model: keras.Model, machines: Machines) -> dict[str, float]:
    machines.add_up(model.metrics_variables)
    return {name: float(value) for name, value in model.get_metrics_result().items()}


def reseed(model: keras.Model, seed: int, epoch: int, machine: int = 0) -> None:
    """Start dropout's random numbers anew for an epoch, so that a resumed job draws what it would have drawn."""
    states = [variable for variable in model.variables if variable.name == SEED_STATE]
    for index, variable in enumerate(states):
        variable.assign(np.array([seed_of(seed, epoch, index), machine], dtype=variable.dtype))
