"""How a script tells SageMaker why it failed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from training.names import base_dir

REASON_LIMIT = 1024
"""Characters of the reason that DescribeTrainingJob and DescribeProcessingJob show."""


class TrainingError(RuntimeError):
    """A refusal with a sentence for the person who reads the failed job; never carries identifiers."""


class PatientLeakError(TrainingError):
    """A patient is on both sides of a split: the measured accuracy would be worth nothing."""


class DatasetError(TrainingError):
    """The data cannot be trained on: no usable images, one class only, a broken shard."""


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Write the failure of the block where SageMaker looks for it, then let it pass.

    Training jobs: /opt/ml/output/failure; processing jobs: /opt/ml/output/message. Only our own errors' sentences are
    written: another exception's text could hold anything, so its type alone is named.
    """
    try:
        yield
    except Exception as error:
        own = isinstance(error, TrainingError)
        sentence = f"{type(error).__name__}: {error}" if own else f"{type(error).__name__} (see the job's log)"
        target = base_dir() / "output"
        target.mkdir(parents=True, exist_ok=True)
        for name in ("failure", "message"):
            (target / name).write_text(sentence[:REASON_LIMIT])
        raise
