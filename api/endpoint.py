"""The model in service and what it said, over boto3."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from api.ports import Judgement, Prediction
from lambda_shared import trials
from lambda_shared.errors import NotFoundError, PlatformError, aws_code, aws_errors

PARTITIONS = "prediction#"
"""What partitions of the metrics table with predictions begin with: the function's role may write no others."""
ABSENT = frozenset({"ValidationError", "ValidationException", "ResourceNotFound", "ResourceNotFoundException"})


class SageMakerEndpoint:
    """`ModelEndpoint` over SageMaker; it is sent de-identified objects of the research zone only.

    Of two versions on trial the champion is asked, and no study is named: what a reader is told then is no evidence.
    """

    def __init__(self, clients: dict[str, Any], bucket: str, endpoint_name: str) -> None:
        """Over the clients s3, sagemaker and sagemaker-runtime."""
        self._s3 = clients["s3"]
        self._sagemaker = clients["sagemaker"]
        self._runtime = clients["sagemaker-runtime"]
        self._bucket = bucket
        self._endpoint = endpoint_name

    def version(self) -> int | None:
        """The version in service, or on its way into it; None where nothing is deployed."""
        try:
            with aws_errors("DescribeEndpoint"):
                found = self._sagemaker.describe_endpoint(EndpointName=self._endpoint)
        except Exception as error:
            if aws_code(error) in ABSENT:
                return None
            raise
        served = trials.versions_of(str(found["EndpointConfigName"]))
        return served[0] if served and found["EndpointStatus"] != "Failed" else None

    def judge(self, processed_key: str) -> Judgement | None:
        """What the model says of one image; None when it cannot judge it. Raises NotFoundError, PlatformError."""
        with aws_errors("GetObject"):
            content = self._s3.get_object(Bucket=self._bucket, Key=processed_key)["Body"].read()
        try:
            with aws_errors("InvokeEndpoint"):
                answer = self._runtime.invoke_endpoint(
                    EndpointName=self._endpoint,
                    TargetVariant=trials.CHAMPION,
                    ContentType="application/dicom",
                    Accept="application/json",
                    Body=content,
                )
        except Exception as error:
            if aws_code(error) == "ModelError":  # the container refused the image (training/pixels.py)
                return None
            if aws_code(error) in ABSENT:
                raise NotFoundError("NO_MODEL_IN_SERVICE", "no model is deployed") from None
            raise
        return _judgement(json.loads(answer["Body"].read()))


def _judgement(said: dict[str, Any]) -> Judgement:
    try:
        found = Judgement(
            probability=float(said["probability"]),
            threshold=float(said["threshold"]),
            model_version=int(said["model_version"]),
        )
    except (KeyError, TypeError, ValueError):
        raise PlatformError("MODEL_OUTPUT", "the model's answer has another form") from None
    if not (0 <= found.probability <= 1 and 0 <= found.threshold <= 1):
        raise PlatformError("MODEL_OUTPUT", "the model answers numbers that are no probabilities")
    return found


class DynamoPredictions:
    """`PredictionsTable` in the metrics table: a partition a study, in the order of model versions."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def get(self, study_key: str, model_version: int) -> Prediction | None:
        """What a version said of the study, read consistently."""
        with aws_errors("Query"):
            page = self._table.query(
                KeyConditionExpression="model_version = :partition AND evaluation_timestamp = :version",
                ExpressionAttributeValues={":partition": PARTITIONS + study_key, ":version": f"{model_version:06d}"},
                ConsistentRead=True,
            )
        return next((_prediction(item) for item in page["Items"]), None)

    def keep(self, prediction: Prediction) -> bool:
        """Keep what a version said; False when it is known already: an answer that was shown is never written over."""
        item = {**vars(prediction), "number": prediction.model_version}
        item |= {name: Decimal(str(item[name])) for name in ("probability", "threshold")}
        item |= {
            "model_version": PARTITIONS + prediction.study_key,
            "evaluation_timestamp": f"{prediction.model_version:06d}",
        }
        try:
            with aws_errors("PutItem"):
                self._table.put_item(Item=item, ConditionExpression="attribute_not_exists(model_version)")
        except Exception as error:
            if aws_code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True


def _prediction(item: dict[str, Any]) -> Prediction:
    return Prediction(
        study_key=str(item["study_key"]),
        model_version=int(item["number"]),
        finding=item["finding"],
        probability=float(item["probability"]),
        threshold=float(item["threshold"]),
        images_judged=int(item["images_judged"]),
        images_usable=int(item["images_usable"]),
        predicted_at=str(item["predicted_at"]),
    )
