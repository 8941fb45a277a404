"""Machines that train one model together: which one this is, and the sums they make over the network.

Keras 3 fits no model under tf.distribute.MultiWorkerMirroredStrategy (docs/adr/0005), so each machine fits the same
model by plain Keras on its own rows of every batch, and adds up with the others what must be common: gradients at each
step, metrics at an epoch's end. The strategy is made for what works of it: it connects the machines, and ends all of
them when one is lost. The sums are TensorFlow's collective all-reduce, a ring over gRPC, or NCCL among GPUs.
"""

# pyright: reportMissingImports=false
# (TensorFlow lives in the training environment, not in the project's)

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.failure import TrainingError

PORT = 2222
"""Where each machine listens for the others; SageMaker's host names lead to one machine each."""
_GROUP = 1000
"""Key of our collective operations' group; the strategy counts its own from 1."""


@dataclass(frozen=True)
class Machines:
    """This machine among all that train; the first is the chief, which writes whatever is written.

    Attributes:
        index: place of this machine, from 0.
        count: how many train together.
        connection: the strategy that keeps the connection, and the counter that numbers the sums.
    """

    index: int = 0
    count: int = 1
    connection: tuple[Any, Any] | None = None

    @property
    def chief(self) -> bool:
        """Does this machine write checkpoints, metric lines and the model?"""
        return self.index == 0

    def sum(self, values: Any) -> Any:
        """The sum over all machines, the same bits on each; every machine must call it, in the same order. # (N,)"""
        import tensorflow as tf

        if self.connection is None:
            return values
        return tf.raw_ops.CollectiveReduceV2(
            input=values,
            group_size=self.count,
            group_key=_GROUP,
            instance_key=self.connection[1].assign_add(1),
            ordering_token=[],
            merge_op="Add",
            final_op="Id",
        )

    def mean_gradients(self, gradients: Sequence[Any], rows: Any) -> list[Any]:
        """Gradients of the mean loss over all machines' rows, from those over our own; one sum for all of them."""
        import tensorflow as tf

        weight = tf.cast(rows, tf.float32)
        flat = [tf.reshape(gradient * weight, [-1]) for gradient in gradients]
        total = self.sum(tf.concat([weight[None], *flat], axis=0))
        parts = tf.split(total[1:] / total[0], [gradient.shape.num_elements() for gradient in gradients])
        return [tf.reshape(part, gradient.shape) for part, gradient in zip(parts, gradients, strict=True)]

    def add_up(self, variables: Iterable[Any]) -> None:
        """Give each variable the sum of all machines' values."""
        if self.count > 1:
            for variable in variables:
                self._exchange(variable, np.asarray(variable))

    def follow_chief(self, variables: Iterable[Any]) -> None:
        """Give each variable the chief's value."""
        if self.count > 1:
            for variable in variables:
                value = np.asarray(variable)
                self._exchange(variable, value if self.chief else np.zeros_like(value))

    def told_by_chief(self, text: str) -> str:
        """What the chief says here, whatever this machine says."""
        if self.count == 1:
            return text
        own = np.frombuffer(text.encode(), np.uint8) if self.chief else np.zeros(0, np.uint8)
        length = int(np.asarray(self._total(np.array([len(own)])))[0])
        padded = np.pad(own, (0, length - len(own)))
        return np.asarray(self._total(padded)).astype(np.uint8).tobytes().decode()

    def wait(self) -> None:
        """Until every machine is here."""
        if self.count > 1:
            self._total(np.ones(1))

    def _exchange(self, variable: Any, own: np.ndarray) -> None:
        variable.assign(np.asarray(self._total(own.ravel())).reshape(own.shape).astype(own.dtype))

    def _total(self, own: np.ndarray) -> Any:
        import tensorflow as tf

        return self.sum(tf.constant(own.astype(np.float64)))  # exact for counters, bytes and float32


ALONE = Machines()


def cluster_of(environment: Mapping[str, str]) -> dict[str, Any] | None:
    """TensorFlow's description of the cluster, None for one machine.

    TF_CONFIG where somebody has said it already, else from the names that SageMaker gives to a job's machines:
    https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
    """
    if environment.get("TF_CONFIG"):
        said = json.loads(environment["TF_CONFIG"])
        return said if len(said.get("cluster", {}).get("worker", [])) > 1 else None
    hosts = sorted(json.loads(environment.get("SM_HOSTS") or "[]"))
    if len(hosts) < 2:
        return None
    workers = [f"{host}:{PORT}" for host in hosts]
    task = {"type": "worker", "index": hosts.index(environment["SM_CURRENT_HOST"])}
    return {"cluster": {"worker": workers}, "task": task}


def join(cluster: Mapping[str, Any] | None) -> Machines:
    """Connect to the other machines, before TensorFlow does anything else; ALONE without a cluster.

    Raises:
        TrainingError: a machine with several GPUs.
    """
    if cluster is None:
        return ALONE
    import tensorflow as tf

    if len(tf.config.list_physical_devices("GPU")) > 1:
        raise TrainingError(
            "several machines train together with one GPU each: take machines of one GPU, or a single machine "
            "(training.trainingInstances 1), which uses all of its GPUs"
        )
    os.environ["TF_CONFIG"] = json.dumps(cluster)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    index, count = int(cluster["task"]["index"]), len(cluster["cluster"]["worker"])
    print(f"[train] machine {index + 1} of {count}", flush=True)
    return Machines(index, count, (strategy, tf.Variable(tf.constant(0, tf.int32), trainable=False)))
