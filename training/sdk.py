"""The steps of the pipeline in terms of SageMaker SDK 3: imported only by `definition.build` (3 s import).

Conditions under which the SDK makes no AWS call at definition time: a region before import, no role validation, the
telemetry opt-out in the session's own config, a preset default bucket, code and inputs as S3 URIs, and script mode by
hyperparameters instead of `source_code` (which uploads driver files).
"""

# pyright: reportArgumentType=false, reportCallIssue=false, reportAttributeAccessIssue=false
# (the SDK's annotations leave out pipeline variables and attrs constructors; the tests check what it produces)

from __future__ import annotations

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

from training import names
from training.pipeline_config import PipelineConfig
from training.sdk_jobs import JobParts


@contextlib.contextmanager
def quiet_sdk_environment(region: str) -> Iterator[None]:
    """Process environment under which the SDK neither validates roles nor looks for a region or credentials."""
    wanted = {
        "AWS_DEFAULT_REGION": region,
        "SAGEMAKER_VALIDATE_ROLE": "false",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = {name: os.environ.get(name) for name in wanted}
    logging_before = logging.root.manager.disable
    os.environ.update(wanted)
    logging.disable(logging.WARNING)  # the SDK tells of every default it takes; `pulumi up` is no place for that
    try:
        with warnings.catch_warnings(), _config_validated_once():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging_before)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _config_validated_once() -> Iterator[None]:
    """The SDK checks its defaults, and their schema against the meta-schema, for each of some forty values it looks up.

    The defaults are a constant of ours, so the first check is all that is to be known; the others took a third of the
    time of every preview.
    """
    from sagemaker.core.config.config_manager import SageMakerConfig

    real, known = SageMakerConfig.validate_sagemaker_config, list[Any]()

    def validate(config: Any = None) -> None:
        if config not in known:
            real(config)
            known.append(config)

    SageMakerConfig.validate_sagemaker_config = staticmethod(validate)
    try:
        yield
    finally:
        SageMakerConfig.validate_sagemaker_config = staticmethod(real)


def build_with_sdk(config: PipelineConfig) -> dict[str, Any]:
    """The definition as the SDK serialises it, before `definition` takes away what it adds."""
    from sagemaker.core.workflow.pipeline_definition_config import PipelineDefinitionConfig
    from sagemaker.mlops.workflow.pipeline import Pipeline

    builder = _Builder(config)
    pipeline = Pipeline(
        name=config.pipeline_name,
        parameters=builder.parameters.in_order(),
        steps=builder.steps(),
        sagemaker_session=builder.parts.session,
        pipeline_experiment_config=None,  # experiments are not used: no permission to create them is asked for
        pipeline_definition_config=PipelineDefinitionConfig(use_custom_job_prefix=False),
    )
    return json.loads(pipeline.definition())


class _Builder:
    """Builds the steps once; each method returns one step."""

    def __init__(self, config: PipelineConfig) -> None:
        self.config = config
        self.parts = JobParts(config)
        self.parameters = self.parts.parameters

    def steps(self) -> list[Any]:
        preprocess = self._preprocess()
        train = self._train(preprocess)
        evaluate, evaluation_file = self._evaluate(preprocess, train)
        return [preprocess, train, evaluate, self._gate(preprocess, train, evaluate, evaluation_file)]

    def _preprocess(self) -> Any:
        from sagemaker.mlops.workflow.steps import ProcessingStep

        config = self.config
        arguments = ["--image-size", str(config.image_size), "--test-fraction", str(config.test_fraction)]
        arguments += ["--validation-fraction", str(config.validation_fraction), "--seed", str(config.seed)]
        arguments += self._lock()
        run = self.parts.processor("training.preprocess", config.processing_image).run(
            inputs=[
                self.parts.processing_input("code", f"{config.code_uri.rstrip('/')}/", "input/code"),
                self.parts.processing_input("snapshot", self.parameters.snapshot_uri, "input/snapshot"),
            ],
            outputs=[self.parts.processing_output(split) for split in names.SPLITS],
            arguments=arguments,
        )
        return ProcessingStep("Preprocess", step_args=run, retry_policies=self.parts.retries(), **self.parts.caching())

    def _hyperparameters(self) -> dict[str, Any]:
        config, parameters = self.config, self.parameters
        return {
            "augmentation": config.augmentation,
            "backbone": config.backbone,
            "batch-size": parameters.batch_size,
            "epochs": parameters.epochs,
            "image-size": str(config.image_size),
            "learning-rate": parameters.learning_rate,
            "patience": str(config.patience),
            "precision": config.precision,
            "seed": str(config.seed),
            "sagemaker_container_log_level": "20",
            "sagemaker_program": names.TRAIN_PROGRAM,
            "sagemaker_region": config.region,
            "sagemaker_submit_directory": f"{config.code_uri.rstrip('/')}/{names.ARCHIVE_NAME}",
        }

    def _train(self, preprocess: Any) -> Any:
        from sagemaker.core.training.configs import InputData
        from sagemaker.mlops.workflow.steps import TrainingStep

        channels = [
            InputData(channel_name=split, data_source=self.parts.output_uri(preprocess, split))
            for split in ("train", "validation")
        ]
        if self.config.weights_uri is not None:
            channels.append(InputData(channel_name=names.WEIGHTS_CHANNEL, data_source=self.config.weights_uri))
        run = self._trainer().train(input_data_config=channels)
        return TrainingStep("Train", step_args=run, retry_policies=self.parts.retries(), **self.parts.caching())

    def _trainer(self) -> Any:
        from sagemaker.core.shapes import CheckpointConfig, MetricDefinition, OutputDataConfig, StoppingCondition
        from sagemaker.core.training.configs import Compute, Networking
        from sagemaker.train import ModelTrainer

        config = self.config
        stopping: dict[str, int] = {"max_runtime_in_seconds": config.max_runtime_seconds}
        if config.spot:
            stopping["max_wait_time_in_seconds"] = config.max_wait_seconds
        optional: dict[str, Any] = {"subnets": list(config.subnet_ids)} if config.subnet_ids else {}
        if config.security_group_ids:
            optional["security_group_ids"] = list(config.security_group_ids)
        key = config.volume_key_for(config.training_instance_type)
        output_key = {"kms_key_id": config.output_kms_key} if config.output_kms_key else {}
        trainer = ModelTrainer(
            sagemaker_session=self.parts.session,
            role=config.role_arn,
            training_image=self.parts.image("training", config.training_image, config.training_instance_type),
            compute=Compute(
                instance_type=config.training_instance_type,
                instance_count=config.training_instance_count,
                volume_size_in_gb=config.training_volume_gb,
                enable_managed_spot_training=config.spot,
                **({"volume_kms_key_id": key} if key else {}),
            ),
            networking=Networking(
                enable_network_isolation=False,
                enable_inter_container_traffic_encryption=config.encrypt_inter_container_traffic,
                **optional,
            ),
            stopping_condition=StoppingCondition(**stopping),
            checkpoint_config=CheckpointConfig(
                s3_uri=self.parts.run_uri(config.model_artifacts_bucket, "checkpoints"),
                local_path="/opt/ml/checkpoints",
            ),
            output_data_config=OutputDataConfig(
                s3_output_path=f"s3://{config.model_artifacts_bucket}/models", compression_type="GZIP", **output_key
            ),
            environment=self.parts.environment(),
            hyperparameters=self._hyperparameters(),
        )
        definitions = [MetricDefinition(name=name, regex=names.metric_pattern(name)) for name in names.TRAINING_METRICS]
        return trainer.with_metric_definitions(definitions)

    def _lock(self) -> list[str]:
        name = self.config.locked_test_set
        return ["--locked-test-set", name] if name else []

    def _evaluate(self, preprocess: Any, train: Any) -> tuple[Any, Any]:
        from sagemaker.core.workflow.properties import PropertyFile
        from sagemaker.mlops.workflow.steps import ProcessingStep

        evaluation_file = PropertyFile(name="Evaluation", output_name="evaluation", path=names.EVALUATION_FILE)
        inputs = [
            self.parts.processing_input("code", f"{self.config.code_uri.rstrip('/')}/", "input/code"),
            self.parts.processing_input("model", train.properties.ModelArtifacts.S3ModelArtifacts, "input/model"),
            self.parts.processing_input("test", self.parts.output_uri(preprocess, "test"), "input/test"),
        ]
        run = self.parts.processor("training.evaluate", self.config.evaluation_image).run(
            inputs=inputs,
            outputs=[self.parts.processing_output("evaluation")],
            arguments=[
                *("--seed", str(self.config.seed)),
                *("--accuracy-threshold", self.parameters.accuracy_threshold.to_string()),
                *("--lower-bound", repr(self.config.accuracy_lower_bound)),
                *("--subgroup-floor", repr(self.config.subgroup_floor)),
                *("--champion-margin", repr(self.config.champion_margin)),
                *("--champion", self.parameters.champion_model_uri),
                *self._lock(),
            ],
        )
        step = ProcessingStep(
            "Evaluate",
            step_args=run,
            property_files=[evaluation_file],
            retry_policies=self.parts.retries(),
            **self.parts.caching(),
        )
        return step, evaluation_file

    def _gate(self, preprocess: Any, train: Any, evaluate: Any, evaluation_file: Any) -> Any:
        from sagemaker.core.workflow.conditions import ConditionEquals, ConditionGreaterThanOrEqualTo
        from sagemaker.core.workflow.functions import JsonGet
        from sagemaker.mlops.workflow.condition_step import ConditionStep

        accuracy = JsonGet(step_name=evaluate.name, property_file=evaluation_file, json_path="metrics.accuracy.value")
        passed = JsonGet(step_name=evaluate.name, property_file=evaluation_file, json_path="gate.passed")
        sentence = JsonGet(step_name=evaluate.name, property_file=evaluation_file, json_path="gate.sentence")
        notify, fail = self._rejection(accuracy, sentence)
        return ConditionStep(
            "AccuracyGate",
            # the threshold here as well, where whoever reads the definition can see it: both must hold
            conditions=[
                ConditionGreaterThanOrEqualTo(left=accuracy, right=self.parameters.accuracy_threshold),
                ConditionEquals(left=passed, right=1),
            ],
            if_steps=[self._register(preprocess, train, evaluate)],
            else_steps=[notify, fail],
        )

    def _register(self, preprocess: Any, train: Any, evaluate: Any) -> Any:
        from sagemaker.core.model_metrics import MetricsSource, ModelMetrics
        from sagemaker.core.workflow.functions import Join
        from sagemaker.mlops.workflow.model_step import ModelStep
        from sagemaker.serve import ModelBuilder

        config, parameters = self.config, self.parameters
        report = Join(on="/", values=[self.parts.output_uri(evaluate, "evaluation"), names.EVALUATION_FILE])
        builder = ModelBuilder(
            s3_model_data_url=train.properties.ModelArtifacts.S3ModelArtifacts,
            image_uri=self.parts.image("inference", config.inference_image, config.inference_instance_types[0]),
            sagemaker_session=self.parts.session,
            role_arn=config.role_arn,
        )
        run = builder.register(
            content_types=["application/json", "application/dicom"],
            response_types=["application/json"],
            inference_instances=list(config.inference_instance_types),
            transform_instances=[config.processing_instance_type],
            model_package_group_name=config.model_package_group,
            approval_status=parameters.approval_status,
            model_metrics=ModelMetrics(model_statistics=MetricsSource(s3_uri=report, content_type="application/json")),
            customer_metadata_properties={
                "snapshot_id": parameters.snapshot_id,
                "snapshot_uri": parameters.snapshot_uri,
                "code_sha256": config.code_sha256,
                "code_commit": parameters.code_commit,
                "backbone": config.backbone,
                "image_size": str(config.image_size),
                "test_set_uri": self.parts.output_uri(preprocess, "test"),
                "evaluation_uri": report,
            },
        )
        return ModelStep("Register", step_args=run, retry_policies=self.parts.retries()[:1])

    def _rejection(self, accuracy: Any, sentence: Any) -> tuple[Any, Any]:
        from sagemaker.core.lambda_helper import Lambda
        from sagemaker.core.workflow.execution_variables import ExecutionVariables
        from sagemaker.core.workflow.functions import Join
        from sagemaker.mlops.workflow.fail_step import FailStep
        from sagemaker.mlops.workflow.lambda_step import LambdaOutput, LambdaOutputTypeEnum, LambdaStep

        threshold = self.parameters.accuracy_threshold
        notify = LambdaStep(
            "NotifyRejected",
            lambda_func=Lambda(function_arn=self.config.model_registry_function_arn, session=self.parts.session),
            inputs={
                "operation": "notify-rejected",
                "accuracy": accuracy,
                "threshold": threshold,
                "reason": sentence,
                "execution": ExecutionVariables.PIPELINE_EXECUTION_ARN,
            },
            outputs=[LambdaOutput("status", LambdaOutputTypeEnum.String)],
        )
        reason = Join(on=" ", values=["RefusedByGate:", sentence])
        fail = FailStep("RefusedByGate", error_message=reason, depends_on=[notify])
        return notify, fail
