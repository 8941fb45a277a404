"""Is the registered model as good as its pipeline says, and good enough?"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambda_shared.clock import Clock, iso
from lambda_shared.errors import InvalidEventError
from lambda_shared.events.models import EventData, MetricViolation, ModelEvaluationPassed
from lambda_shared.events.publisher import Publisher, deterministic_event_id
from lambda_shared.logs import describe, logger
from lambda_shared.metrics import Meter, MetricName
from model_evaluation.archive import extract_model
from model_evaluation.figures import disagreement, figures
from model_evaluation.ports import Artifacts, Judge, MetricsTable, ModelPackage, Registry
from model_evaluation.testset import TestSet

METRICS: Final[Mapping[str, MetricName]] = {
    "accuracy": "ModelAccuracy",
    "precision": "ModelPrecision",
    "recall": "ModelRecall",
    "f1": "ModelF1",
    "roc_auc": "ModelRocAuc",
}
"""Figure -> metric of the dashboards."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Own figures, the largest disagreement with the pipeline's report, and how many images were judged.

    Attributes:
        champion_accuracy: of the model in service, on those of the new test patients that it never saw, as the
            pipeline reports it; None where the two models cannot be compared.
    """

    figures: dict[str, float]
    worst_figure: str
    disagreement: float
    images: int
    champion_accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """ModelEvaluation over its ports."""

    registry: Registry
    artifacts: Artifacts
    judge: Judge
    table: MetricsTable
    publisher: Publisher
    meter: Meter
    clock: Clock
    accuracy_threshold: float
    max_disagreement: float

    def succeeded(self, execution_arn: str) -> dict[str, Any]:
        """A pipeline execution succeeded: judge the model that it registered, and say so to the platform."""
        package = self.registry.package_of(execution_arn)
        if package is None:
            return {"decision": "nothing-registered"}
        verdict = self.judge_package(package)
        agrees = verdict.disagreement <= self.max_disagreement
        accuracy = verdict.figures["accuracy"]
        passed = agrees and accuracy >= self.accuracy_threshold
        decision = "passed" if passed else ("disagreement" if not agrees else "below-threshold")
        self._record(package, verdict, execution_arn, decision)
        for name, value in verdict.figures.items():
            if not math.isnan(value):
                self.meter.count(METRICS[name], value, "None")
        self.meter.count("EvaluationDisagreement", verdict.disagreement, "None")
        if verdict.champion_accuracy is not None:
            self.meter.count("ChampionAccuracy", verdict.champion_accuracy, "None")
        event = self._event(package, verdict, execution_arn, decision)
        self.publisher.publish(event, deterministic_event_id(type(event).__name__, package.arn, execution_arn))
        self._measure_cost(execution_arn)
        return {"decision": decision, "model_version": package.version, "accuracy": accuracy}

    def _measure_cost(self, execution_arn: str) -> None:
        """What the training is billed for; a figure for people, so its failure changes no decision."""
        try:
            self.meter.count("TrainingBillableSeconds", self.registry.billable_seconds(execution_arn), "Seconds")
        except Exception as error:
            logger().error("what the training is billed for is not known", extra=describe(error))

    def judge_package(self, package: ModelPackage) -> Verdict:
        """Run the model on its frozen test set and compare with the pipeline's report."""
        report = json.loads(self.artifacts.read(package.evaluation_uri))
        test_set = TestSet(self.artifacts, package.test_set_uri)
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "model.tar.gz"
            self.artifacts.download(package.model_uri, archive)
            model = extract_model(archive, Path(folder) / "model.onnx")
            archive.unlink()
            scores = self.judge.scores(model, test_set.batches())
        if not test_set.labels:
            raise InvalidEventError("TEST_SET", "the test set has no images")
        import numpy as np

        own = figures(np.asarray(test_set.labels), scores, float(report.get("threshold", 0.5)))
        worst, largest = disagreement(own, report["metrics"])
        against: dict[str, Any] = report.get("champion") or {}
        return Verdict(
            figures=own,
            worst_figure=worst,
            disagreement=largest,
            images=len(test_set.labels),
            champion_accuracy=float(against["champion_accuracy"]) if against.get("comparable") else None,
        )

    def _record(self, package: ModelPackage, verdict: Verdict, execution_arn: str, decision: str) -> None:
        values: dict[str, Any] = {
            **{name: value for name, value in verdict.figures.items() if not math.isnan(value)},
            "disagreement": verdict.disagreement,
            "worst_figure": verdict.worst_figure,
            "test_images": verdict.images,
            "threshold": self.accuracy_threshold,
            "decision": decision,
            "model_package_arn": package.arn,
            "execution_arn": execution_arn,
            "snapshot_id": package.snapshot_id,
            "code_sha256": package.code_sha256,
            "evaluator": "onnxruntime",
        }
        self.table.write(str(package.version), iso(self.clock.now()), values)

    def _event(self, package: ModelPackage, verdict: Verdict, execution_arn: str, decision: str) -> EventData:
        accuracy = verdict.figures["accuracy"]
        if decision == "passed":
            return ModelEvaluationPassed(
                model_package_arn=package.arn,
                model_version=package.version,
                accuracy=accuracy,
                threshold=self.accuracy_threshold,
                execution_arn=execution_arn,
            )
        if decision == "disagreement":
            return MetricViolation(
                subject=package.arn,
                metric=f"disagreement:{verdict.worst_figure}",
                value=verdict.disagreement,
                threshold=self.max_disagreement,
                detail="The independent evaluation and the pipeline's report differ; the model was not passed on.",
            )
        return MetricViolation(
            subject=package.arn,
            metric="accuracy",
            value=accuracy,
            threshold=self.accuracy_threshold,
            detail="The independent evaluation is below the threshold; the model was not passed on.",
        )
