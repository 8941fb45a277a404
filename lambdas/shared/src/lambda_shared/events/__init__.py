"""The platform's own events: models, JSON Schemas and the publisher."""

from lambda_shared.events.models import (
    DETAIL_TYPES,
    Envelope,
    ImageVerified,
    MetricViolation,
    ModelDeployed,
    ModelEvaluationPassed,
    TrialDecided,
)
from lambda_shared.events.publisher import EventPublisher, Publisher, deterministic_event_id

__all__ = [
    "DETAIL_TYPES",
    "Envelope",
    "EventPublisher",
    "ImageVerified",
    "MetricViolation",
    "ModelDeployed",
    "ModelEvaluationPassed",
    "Publisher",
    "TrialDecided",
    "deterministic_event_id",
]
