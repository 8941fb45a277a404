"""What ModelEvaluation needs from outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lambda_shared.labels import Label

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class ModelPackage:
    """A version in the model registry, and where the pipeline said its test set and report are."""

    arn: str
    version: int
    model_uri: str
    test_set_uri: str
    evaluation_uri: str
    snapshot_id: str
    code_sha256: str


class Registry(Protocol):
    """SageMaker's pipelines and model registry."""

    def package_of(self, execution_arn: str) -> ModelPackage | None:
        """The package that an execution registered; None when it registered none."""
        ...

    def in_service(self) -> ModelPackage | None:
        """The newest approved package, which is the one in service; None where nothing is approved yet."""
        ...

    def billable_seconds(self, execution_arn: str) -> float:
        """Machine seconds that the execution's training jobs are billed for, over all their machines."""
        ...


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Two versions on the endpoint.

    Attributes:
        share: of the requests that the challenger answers, 0 < share < 1.
        since: when the endpoint was changed last: from then on the share holds.
    """

    champion: int
    challenger: int
    share: float
    since: datetime


class Endpoint(Protocol):
    """The endpoint as it is served now."""

    def trial(self) -> Trial | None:
        """The trial that is under way; None where there is none, or the endpoint is changing."""
        ...


class VerifiedLabels(Protocol):
    """The readers' ground truth."""

    def verified_since(self, created_after: str) -> Iterator[Label]:
        """Verified labels created after a time, oldest first."""
        ...


class CaptureStore(Protocol):
    """What the endpoint captured."""

    def lines(self, hour: datetime) -> Iterator[str]:
        """The captured lines of one hour, of all variants."""
        ...


class Artifacts(Protocol):
    """Files of the research zone and of the model bucket."""

    def read(self, uri: str) -> bytes:
        """A small file's bytes."""
        ...

    def download(self, uri: str, path: Path) -> None:
        """Write a file to a local path."""
        ...


class Judge(Protocol):
    """Runs a model."""

    def scores(self, model: Path, batches: Iterator[Any]) -> Any:
        """Probabilities for batches of images # (n, S, S) float32 0..1 -> (N,) float32."""
        ...


class MetricsTable(Protocol):
    """The table metrics."""

    def write(self, model_version: str, evaluation_timestamp: str, values: dict[str, Any]) -> None:
        """Write one evaluation; floats are stored as Decimal."""
        ...
