"""What the platform's EventBridge rules match, and what a target is told: pure documents, pinned by contract tests.

Sources and detail types are the platform's public language; the functions' event models must say the same words.
"""

from __future__ import annotations

import json
from typing import Any, Final

Pattern = dict[str, Any]

API_SOURCE: Final = "imaging.api"
EVALUATION_SOURCE: Final = "imaging.model-evaluation"
REGISTRY_SOURCE: Final = "imaging.model-registry"
MONITORING_SOURCE: Final = "imaging.monitoring"

DRIFT_METRIC: Final = "drift:"
"""How the metrics of the drift check's violations begin (lambdas/model_evaluation/drift.py, contract test)."""
UPLOAD_PREFIX: Final = "upload/"


def dicom_uploaded(bucket: str) -> Pattern:
    """An object below `upload/` of the training-data bucket is complete.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    return {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": UPLOAD_PREFIX}]}},
    }


def import_finished(datastore_id: str) -> Pattern:
    """A HealthImaging import job of our data store ended, well or badly.

    https://docs.aws.amazon.com/healthimaging/latest/devguide/monitoring-eventbridge.html
    """
    return {
        "source": ["aws.medical-imaging"],
        "detail-type": ["Import Job Completed", "Import Job Failed"],
        "detail": {"datastoreId": [datastore_id]},
    }


def security_finding(min_severity: float) -> Pattern:
    """A finding of GuardDuty, new or renewed, from a severity on (7 and above is high).

    https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html
    """
    return {
        "source": ["aws.guardduty"],
        "detail-type": ["GuardDuty Finding"],
        "detail": {"severity": [{"numeric": [">=", min_severity]}]},
    }


def image_verified() -> Pattern:
    """A radiologist stored a label version."""
    return {"source": [API_SOURCE], "detail-type": ["ImageVerified"]}


def model_evaluation_passed() -> Pattern:
    """The independent evaluation agrees with the training run and meets the threshold."""
    return {"source": [EVALUATION_SOURCE], "detail-type": ["ModelEvaluationPassed"]}


def trial_decided() -> Pattern:
    """The sequential test of a trial has decided about the challenger."""
    return {"source": [EVALUATION_SOURCE], "detail-type": ["TrialDecided"]}


def metric_violation() -> Pattern:
    """Any part of the platform found a figure outside its bounds."""
    return {"source": [{"prefix": "imaging."}], "detail-type": ["MetricViolation"]}


def drift_found() -> Pattern:
    """The drift check found that the model in service meets other images, or answers otherwise, than when judged."""
    return {
        "source": [EVALUATION_SOURCE],
        "detail-type": ["MetricViolation"],
        "detail": {"data": {"metric": [{"prefix": DRIFT_METRIC}]}},
    }


def pipeline_execution(pipeline_arn: str, *statuses: str) -> Pattern:
    """An execution of our training pipeline changed to one of the statuses (SageMaker's spelling: "Succeeded", ...).

    https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
    """
    return {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Building Pipeline Execution Status Change"],
        "detail": {"pipelineArn": [pipeline_arn], "currentPipelineExecutionStatus": list(statuses)},
    }


def endpoint_settled(endpoint: str) -> Pattern:
    """An update of our endpoint ended, well or badly; SageMaker writes statuses in capitals in its events.

    https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
    """
    return {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Endpoint State Change"],
        "detail": {"EndpointName": [endpoint], "EndpointStatus": ["FAILED", "IN_SERVICE", "UPDATE_ROLLBACK_FAILED"]},
    }


# The state machine gets references only; `etag` makes the object's identity, so a second upload is a second object.
UPLOAD_PATHS: Final = {
    "bucket": "$.detail.bucket.name",
    "key": "$.detail.object.key",
    "etag": "$.detail.object.etag",
    "size": "$.detail.object.size",
}
UPLOAD_TEMPLATE: Final = '{"objects":[{"bucket":"<bucket>","key":"<key>","etag":"<etag>","size":<size>}]}'


def as_json(pattern: Pattern) -> str:
    """A pattern as compact text with sorted keys."""
    return json.dumps(pattern, sort_keys=True, separators=(",", ":"))
