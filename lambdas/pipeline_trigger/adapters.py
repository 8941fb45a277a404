"""The ports over boto3."""

from __future__ import annotations

from typing import Any

from lambda_shared.errors import ConflictError, aws_code, aws_errors
from lambda_shared.models import newest_approved
from lambda_shared.tracking import condition_failed
from pipeline_trigger.ports import TrainingRun

LOCK_KEY = "#lock"  # sorts before every time, so that it never looks like the newest run
LONG_AGO = "0000"  # an expiry that every clock has passed
NO_CHAMPION = "none"  # what the pipeline's parameter says where no model was approved yet
RUNNING = frozenset({"Executing", "Stopping"})


class DynamoTrainingRuns:
    """`TrainingRuns` over a DynamoDB table resource."""

    def __init__(self, table: Any, pipeline_name: str) -> None:
        self._table = table
        self._pipeline = pipeline_name

    def lock(self, owner: str, now: str, expires_at: str) -> bool:
        """Take the lock of the pipeline unless somebody holds it and it has not expired."""
        item = {"pipeline_name": self._pipeline, "created_at": LOCK_KEY, "owner": owner, "expires_at": expires_at}
        try:
            with aws_errors("PutItem"):
                self._table.put_item(
                    Item=item,
                    ConditionExpression="attribute_not_exists(pipeline_name) OR expires_at < :now",
                    ExpressionAttributeValues={":now": now},
                )
        except Exception as error:
            if condition_failed(error):
                return False
            raise
        return True

    def unlock(self, owner: str) -> None:
        """Give the lock back; nothing happens if somebody else has taken over."""
        try:
            with aws_errors("UpdateItem"):
                self._table.update_item(
                    Key={"pipeline_name": self._pipeline, "created_at": LOCK_KEY},
                    UpdateExpression="SET expires_at = :past",
                    ConditionExpression="#owner = :owner",
                    ExpressionAttributeNames={"#owner": "owner"},
                    ExpressionAttributeValues={":owner": owner, ":past": LONG_AGO},
                )
        except Exception as error:
            if not condition_failed(error):
                raise

    def last_started(self) -> TrainingRun | None:
        """The newest run whose execution was started."""
        request: dict[str, Any] = {
            "KeyConditionExpression": "pipeline_name = :name AND created_at > :lock",
            "ExpressionAttributeValues": {":name": self._pipeline, ":lock": LOCK_KEY},
            "ScanIndexForward": False,
            "ConsistentRead": True,
        }
        while True:
            with aws_errors("Query"):
                page = self._table.query(**request)
            for item in page["Items"]:
                if item.get("status") == "STARTED":
                    return _run(item)
            if not page.get("LastEvaluatedKey"):
                return None
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def record(self, run: TrainingRun) -> None:
        """Write or overwrite the run with that created_at."""
        item = {name: value for name, value in vars(run).items() if value != ""}
        with aws_errors("PutItem"):
            self._table.put_item(Item={"pipeline_name": self._pipeline, **item})


def _run(item: dict[str, Any]) -> TrainingRun:
    return TrainingRun(
        created_at=item["created_at"],
        snapshot_id=item["snapshot_id"],
        snapshot_uri=item["snapshot_uri"],
        label_watermark=item.get("label_watermark", ""),
        study_count=int(item["study_count"]),
        status=item["status"],
        execution_arn=item.get("execution_arn", ""),
    )


class S3SnapshotStore:
    """`SnapshotStore` below snapshots/ of the research bucket."""

    def __init__(self, s3_client: Any, bucket: str) -> None:
        self._s3 = s3_client
        self._bucket = bucket

    def write(self, snapshot_id: str, body: bytes) -> str:
        """Write a snapshot; answers its URI."""
        key = f"snapshots/{snapshot_id}.json"
        with aws_errors("PutObject"):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="application/json")
        return f"s3://{self._bucket}/{key}"


class SageMakerPipeline:
    """`TrainingPipeline` over SageMaker Pipelines."""

    def __init__(self, sagemaker_client: Any, pipeline_name: str, model_group: str) -> None:
        self._sagemaker = sagemaker_client
        self._pipeline = pipeline_name
        self._group = model_group

    def running(self) -> bool:
        """Whether an execution is running or being stopped."""
        request: dict[str, Any] = {"PipelineName": self._pipeline, "SortBy": "CreationTime", "SortOrder": "Descending"}
        while True:
            with aws_errors("ListPipelineExecutions"):
                page = self._sagemaker.list_pipeline_executions(**request)
            if any(item["PipelineExecutionStatus"] in RUNNING for item in page["PipelineExecutionSummaries"]):
                return True
            if not page.get("NextToken"):
                return False
            request["NextToken"] = page["NextToken"]

    def start(self, snapshot_id: str, snapshot_uri: str) -> str:
        """Start an execution, once per snapshot id; answers its ARN.

        The snapshot id is the ClientRequestToken (32 characters at least): SageMaker answers a repeated request with
        the execution that the first one started.
        """
        try:
            with aws_errors("StartPipelineExecution"):
                answer = self._sagemaker.start_pipeline_execution(
                    PipelineName=self._pipeline,
                    PipelineExecutionDisplayName=f"snapshot-{snapshot_id[:12]}",
                    PipelineParameters=[
                        {"Name": "SnapshotUri", "Value": snapshot_uri},
                        {"Name": "SnapshotId", "Value": snapshot_id},
                        {"Name": "ChampionModelUri", "Value": self._champion()},
                    ],
                    ClientRequestToken=snapshot_id,
                )
        except Exception as error:
            if aws_code(error) in {"ValidationException", "ConflictException", "ResourceNotFound"}:
                raise ConflictError(aws_code(error), "SageMaker refused to start the pipeline") from None
            raise
        return str(answer["PipelineExecutionArn"])

    def _champion(self) -> str:
        """Artifact of the model that was approved last: the new one is judged against it on the same patients."""
        arn = newest_approved(self._sagemaker, self._group)
        if arn is None:
            return NO_CHAMPION
        with aws_errors("DescribeModelPackage"):
            package = self._sagemaker.describe_model_package(ModelPackageName=arn)
        return str(package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"])
