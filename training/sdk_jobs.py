"""What the pipeline's steps have in common: images, inputs, outputs, network, retries (SageMaker SDK 3)."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
# (the SDK's annotations leave out pipeline variables and attrs constructors; the tests check what it produces)

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from training import names
from training.pipeline_config import PipelineConfig, PipelineConfigError

if TYPE_CHECKING:
    from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString

_OPTED_OUT = {"SchemaVersion": "1.0", "SageMaker": {"PythonSDK": {"Modules": {"TelemetryOptOut": True}}}}
_CONTAINER = "/opt/ml/processing"
TRAINING_VERSION = "2.21"
INFERENCE_VERSION = "2.20"  # newest TensorFlow Serving image; it reads what 2.21 exports


@dataclass(frozen=True)
class Parameters:
    """The pipeline's parameters, in the order in which the definition lists them."""

    snapshot_uri: ParameterString
    snapshot_id: ParameterString
    accuracy_threshold: ParameterFloat
    code_commit: ParameterString
    approval_status: ParameterString
    epochs: ParameterString
    batch_size: ParameterString
    learning_rate: ParameterString
    champion_model_uri: ParameterString

    @classmethod
    def of(cls, config: PipelineConfig) -> Parameters:
        """Parameters with this stack's defaults; the snapshot has none and must be given at start."""
        from sagemaker.core.workflow.parameters import ParameterFloat, ParameterString

        return cls(
            snapshot_uri=ParameterString(name="SnapshotUri"),
            snapshot_id=ParameterString(name="SnapshotId"),
            accuracy_threshold=ParameterFloat(name="AccuracyThreshold", default_value=config.accuracy_threshold),
            code_commit=ParameterString(name="CodeCommit", default_value=config.commit),
            approval_status=ParameterString(name="ApprovalStatus", default_value=config.approval_status),
            # Strings, because HyperParameters is a string map and the service takes no Integer there.
            epochs=ParameterString(name="Epochs", default_value=str(config.epochs)),
            batch_size=ParameterString(name="BatchSize", default_value=str(config.batch_size)),
            learning_rate=ParameterString(name="LearningRate", default_value=repr(config.learning_rate)),
            champion_model_uri=ParameterString(name="ChampionModelUri", default_value=names.NO_CHAMPION),
        )

    def in_order(self) -> list[Any]:
        """All of them, as Pipeline(parameters=...) takes them."""
        return list(vars(self).values())


class JobParts:
    """Makes the parts of which the steps are put together, for one config and one offline session."""

    def __init__(self, config: PipelineConfig) -> None:
        import boto3
        from sagemaker.core.workflow.pipeline_context import PipelineSession

        self.config = config
        self.parameters = Parameters.of(config)
        # Placeholder credentials: nothing is called, and the deploying person's own must not be looked up.
        boto_session = boto3.Session(
            region_name=config.region,
            aws_access_key_id="unused",
            aws_secret_access_key="unused",  # noqa: S106
        )
        self.session = PipelineSession(
            boto_session=boto_session, default_bucket=config.model_artifacts_bucket, sagemaker_config=_OPTED_OUT
        )
        # default_bucket() would list (and create) buckets even though the name was given.
        self.session._default_bucket = config.model_artifacts_bucket

    def image(self, scope: str, configured: str | None, instance_type: str) -> str:
        from sagemaker.core import image_uris

        if configured is not None:
            return configured
        training = scope == "training"
        try:
            return image_uris.retrieve(
                "tensorflow",
                self.config.region,
                version=TRAINING_VERSION if training else INFERENCE_VERSION,
                py_version="py312" if training else None,
                instance_type=instance_type,
                image_scope=scope,
            )
        except (ValueError, KeyError) as error:
            raise PipelineConfigError(
                f"no TensorFlow {scope} image is known for region {self.config.region}: set {scope}_image ({error})"
            ) from error

    def run_uri(self, bucket: str, prefix: str, *rest: str) -> Any:
        from sagemaker.core.workflow.execution_variables import ExecutionVariables
        from sagemaker.core.workflow.functions import Join

        values = [f"s3://{bucket}/{prefix}", ExecutionVariables.PIPELINE_EXECUTION_ID, *rest]
        return Join(on="/", values=values)

    def processing_input(self, name: str, uri: Any, directory: str) -> Any:
        from sagemaker.core.shapes import ProcessingInput, ProcessingS3Input

        source = ProcessingS3Input(
            s3_uri=uri,
            local_path=f"{_CONTAINER}/{directory}",
            s3_data_type="S3Prefix",
            s3_input_mode="File",
            s3_data_distribution_type="FullyReplicated",
            s3_compression_type="None",
        )
        return ProcessingInput(input_name=name, s3_input=source)

    def processing_output(self, name: str) -> Any:
        from sagemaker.core.shapes import ProcessingOutput, ProcessingS3Output

        target = ProcessingS3Output(
            s3_uri=self.run_uri(self.config.preprocessed_bucket, "runs", name),
            local_path=f"{_CONTAINER}/{name}",
            s3_upload_mode="EndOfJob",
        )
        return ProcessingOutput(output_name=name, s3_output=target)

    def output_uri(self, step: Any, name: str) -> Any:
        return step.properties.ProcessingOutputConfig.Outputs[name].S3Output.S3Uri

    def environment(self) -> dict[str, str]:
        index = self.config.package_index_url
        return {"PYTHONUNBUFFERED": "1", **({"PIP_INDEX_URL": index} if index else {})}

    def processor(self, module: str, image: str | None) -> Any:
        from sagemaker.core.network import NetworkConfig
        from sagemaker.core.processing import Processor

        config = self.config
        network = NetworkConfig(
            enable_network_isolation=False,  # the scripts read S3 with the job's role through the VPC endpoint
            security_group_ids=list(config.security_group_ids) or None,
            subnets=list(config.subnet_ids) or None,
            encrypt_inter_container_traffic=config.encrypt_inter_container_traffic,
        )
        return Processor(
            role=config.role_arn,
            image_uri=self.image("training", image, config.processing_instance_type),
            entrypoint=["python3", f"{_CONTAINER}/input/code/{names.BOOTSTRAP_NAME}", module],
            instance_count=1,
            instance_type=config.processing_instance_type,
            volume_size_in_gb=config.processing_volume_gb,
            volume_kms_key=config.volume_key_for(config.processing_instance_type),
            output_kms_key=config.output_kms_key,
            max_runtime_in_seconds=config.max_runtime_seconds,
            sagemaker_session=self.session,
            env=self.environment(),
            network_config=network,
        )

    def retries(self) -> list[Any]:
        from sagemaker.mlops.workflow import retry

        attempts = self.config.retry_attempts
        service = [retry.StepExceptionTypeEnum.SERVICE_FAULT, retry.StepExceptionTypeEnum.THROTTLING]
        job = [retry.SageMakerJobExceptionTypeEnum.CAPACITY_ERROR, retry.SageMakerJobExceptionTypeEnum.INTERNAL_ERROR]
        return [
            retry.StepRetryPolicy(service, interval_seconds=10, backoff_rate=2.0, max_attempts=attempts),
            retry.SageMakerJobStepRetryPolicy(job, interval_seconds=60, backoff_rate=2.0, max_attempts=attempts),
        ]

    def caching(self) -> dict[str, Any]:
        from sagemaker.mlops.workflow.steps import CacheConfig

        expire = self.config.cache_expire_after
        return {"cache_config": CacheConfig(enable_caching=True, expire_after=expire)} if expire else {}
