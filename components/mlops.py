"""From labels to a served model: training pipeline, model group, the roles of both, and the functions around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components import mlops_functions
from components._base import PlatformComponent
from components._configuration import FunctionsSettings, RegistrySettings, TrainingSettings
from components._iam import ServiceRole, service_role
from components._logs import log_group
from components._queues import Redrive, Senders, encrypted_queue
from components._research_access import model_statements, pipeline_statements, transform_statements
from components._rules import rule_arn
from components._workload import Workload, function_arn, platform_function
from components.endpoint_scaling import scaling_role
from components.events import BUS_ROLE, DRIFTED_RULE, ENDED_RULE, VERIFIED_RULE
from components.function import PlatformFunction
from components.mlops_functions import MlopsSurroundings, size_of
from components.training_network import training_peers
from components.training_pipeline import (
    JobSurroundings,
    PipelinePlaces,
    model_group,
    pipeline_config,
    training_pipeline,
    upload_code,
)

MAX_RECEIVES = 5
REQUESTS_AT_ONCE = 10
"""SQS's largest batch without a batching window."""


@dataclass(frozen=True, kw_only=True)
class MLOpsPipelineArgs:
    """What training and serving need.

    Attributes:
        code_bucket: the model-artifacts bucket itself, so that the upload waits for it.
        subnet_ids: private subnets of the jobs.
        commit: version control commit of the program, kept with each model.
        images: role of an image -> its address by digest; absent ones are the AWS containers of the framework.
        code_folder: where the training code is packed before it is uploaded.
    """

    workload: Workload
    place: MlopsSurroundings
    training: TrainingSettings
    registry: RegistrySettings
    functions: FunctionsSettings
    evaluation_layer: pulumi.Input[str]
    code_bucket: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: pulumi.Input[Sequence[str]]
    security_group_ids: Sequence[pulumi.Input[str]]
    commit: str
    images: Mapping[str, str] = field(default_factory=dict[str, str])
    code_folder: Path = Path("build/training")


class MLOpsPipeline(PlatformComponent):
    """SageMaker pipeline and model package group, two execution roles, and three functions.

    Guarantees: no role in here can read the PHI zone; a model version carries the hash of the code and the snapshot
    that made it; disks, outputs and the endpoint are encrypted with the key of the data class "models".
    """

    pipeline_name: pulumi.Output[str]
    pipeline_arn: pulumi.Output[str]
    model_package_group: pulumi.Output[str]
    endpoint_name: pulumi.Output[str]
    pipeline_role_arn: pulumi.Output[str]
    model_role_arn: pulumi.Output[str]
    trigger_name: pulumi.Output[str]
    trigger_arn: pulumi.Output[str]
    requests_arn: pulumi.Output[str]
    evaluation_name: pulumi.Output[str]
    evaluation_arn: pulumi.Output[str]
    registry_name: pulumi.Output[str]
    registry_arn: pulumi.Output[str]

    def __init__(self, name: str, args: MLOpsPipelineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("imaging:mlops:MLOpsPipeline", name, opts)
        self._args = args
        self._workload = args.workload
        self._context = args.workload.context
        self._tags = self._context.tags_for("mlops", "models")

        pipeline_role = self._build_pipeline_role(name)
        model_role = self._build_model_role(name)
        self._build_transform_role(name)
        group = aws.sagemaker.ModelPackageGroup(
            f"{name}-group",
            model_package_group_name=model_group(self._context),
            model_package_group_description="Versions of the pneumonia model",
            tags=self._tags,
            opts=self.child(),
        )
        self._build_endpoint_log(name)
        if args.registry.scaling is not None and args.registry.scaling.service_role:
            scaling_role(name, self._tags, self.child())
        trigger, evaluation, registry = self._build_functions(name, model_role)
        requests = self._build_requests(name, trigger)
        pipeline = self._build_pipeline(name, pipeline_role)

        self.pipeline_name = pipeline.pipeline_name
        self.pipeline_arn = pipeline.arn
        self.model_package_group = group.model_package_group_name
        self.endpoint_name = pulumi.Output.from_input(model_group(self._context))
        self.pipeline_role_arn = pipeline_role.arn
        self.model_role_arn = model_role.arn
        self.trigger_name, self.trigger_arn = trigger.function_name, trigger.function_arn
        self.requests_arn = requests.arn
        self.evaluation_name, self.evaluation_arn = evaluation.function_name, evaluation.function_arn
        self.registry_name, self.registry_arn = registry.function_name, registry.function_arn
        self.register_outputs(
            {
                "pipeline_name": self.pipeline_name,
                "pipeline_arn": self.pipeline_arn,
                "model_package_group": self.model_package_group,
                "endpoint_name": self.endpoint_name,
                "pipeline_role_arn": self.pipeline_role_arn,
                "model_role_arn": self.model_role_arn,
                "trigger_name": self.trigger_name,
                "trigger_arn": self.trigger_arn,
                "requests_arn": self.requests_arn,
                "evaluation_name": self.evaluation_name,
                "evaluation_arn": self.evaluation_arn,
                "registry_name": self.registry_name,
                "registry_arn": self.registry_arn,
            }
        )

    def _role_arn(self, role: str) -> str:
        naming = self._context.naming
        return naming.arn("iam", f"role/{naming.name(role)}", regional=False)

    def _registry_function_arn(self) -> str:
        return function_arn(self._context, mlops_functions.REGISTRY_ROLE)

    def _build_pipeline_role(self, name: str) -> ServiceRole:
        return service_role(
            f"{name}-pipeline-role",
            context=self._context,
            role="training-jobs",
            services=["sagemaker.amazonaws.com"],
            statements=pipeline_statements(
                self._context,
                self._workload.keys,
                self._args.place.zone,
                group=model_group(self._context),
                role_arn=self._role_arn("training-jobs"),
                registry_function_arn=self._registry_function_arn(),
            ),
            tags=self._tags,
            description="Runs the training pipeline and its jobs in the research zone",
            opts=self.child(),
        )

    def _build_model_role(self, name: str) -> ServiceRole:
        return service_role(
            f"{name}-model-role",
            context=self._context,
            role="model-serving",
            services=["sagemaker.amazonaws.com"],
            statements=model_statements(
                self._context, self._workload.keys, self._args.place.zone, endpoint=model_group(self._context)
            ),
            tags=self._tags,
            description="Serves models of the group",
            opts=self.child(),
        )

    def _build_transform_role(self, name: str) -> ServiceRole:
        """Its own: the endpoint, which anybody's request reaches, must not be able to read images."""
        return service_role(
            f"{name}-transform-role",
            context=self._context,
            role="transform-jobs",
            services=["sagemaker.amazonaws.com"],
            statements=transform_statements(self._context, self._workload.keys, self._args.place.zone),
            tags=self._tags,
            description="Asks a model about the de-identified images of a study",
            opts=self.child(),
        )

    def _build_endpoint_log(self, name: str) -> None:
        """Made beforehand: SageMaker would make an unencrypted group that is kept for ever."""
        log_group(
            f"{name}-endpoint-logs",
            name=f"/aws/sagemaker/Endpoints/{model_group(self._context)}",
            log_class="operations",
            keeping=self._workload.logs,
            tags=self._tags,
            opts=self.child(),
        )

    def _build_functions(
        self, name: str, model_role: ServiceRole
    ) -> tuple[PlatformFunction, PlatformFunction, PlatformFunction]:
        args, place, sizes = self._args, self._args.place, self._args.functions
        plans = (
            mlops_functions.trigger_plan(self._workload, place, size_of(sizes, "pipeline_trigger")),
            mlops_functions.evaluation_plan(
                self._workload,
                place,
                args.registry,
                size=size_of(sizes, "model_evaluation"),
                evaluation_layer=args.evaluation_layer,
            ),
            mlops_functions.registry_plan(
                self._workload,
                place,
                args.registry,
                size=size_of(sizes, "model_registry"),
                model_role_arn=model_role.arn,
            ),
        )
        trigger, evaluation, registry = (
            platform_function(f"{name}-{plan.role}", plan, self._workload, self.child()) for plan in plans
        )
        return trigger, evaluation, registry

    def _build_requests(self, name: str, trigger: PlatformFunction) -> aws.sqs.Queue:
        """Asks for a training, held back for the quiet time; the trigger takes them and starts one run at a time."""
        args = self._args
        dead_letters = encrypted_queue(
            f"{name}-dead-letters",
            context=self._context,
            role="training-dlq",
            key_arn=self._workload.keys.events,
            tags=self._tags,
            opts=self.child(),
        )
        rules = [
            rule_arn(self._context, VERIFIED_RULE, bus=self._context.naming.name(BUS_ROLE)),
            rule_arn(self._context, DRIFTED_RULE, bus=self._context.naming.name(BUS_ROLE)),
            rule_arn(self._context, ENDED_RULE),
        ]
        requests = encrypted_queue(
            f"{name}-requests",
            context=self._context,
            role=mlops_functions.REQUESTS_ROLE,
            key_arn=self._workload.keys.events,
            tags=self._tags,
            senders=[Senders(sid="FromTrainingRules", service="events.amazonaws.com", source_arns=rules)],
            redrive=Redrive(dead_letters_arn=dead_letters.arn, max_receive_count=MAX_RECEIVES),
            # six times the function's time, as Lambda advises for a queue that feeds a function
            visibility_seconds=6 * args.functions.pipeline_trigger.timeout_seconds,
            delay_seconds=args.place.label_quiet_seconds,
            opts=self.child(),
        )
        aws.lambda_.EventSourceMapping(
            f"{name}-requests-source",
            event_source_arn=requests.arn,
            function_name=trigger.function_arn,
            batch_size=REQUESTS_AT_ONCE,
            function_response_types=["ReportBatchItemFailures"],
            tags=self._tags,
            opts=self.child(),
        )
        return requests

    def _build_peers(self, name: str) -> list[pulumi.Output[str]]:
        """The group of several machines that train together; one machine has nobody to talk to."""
        if self._args.training.training_instances == 1:
            return []
        group = training_peers(
            f"{name}-training",
            context=self._context,
            vpc_id=self._args.vpc_id,
            tags=self._tags,
            opts=self.child(),
        )
        return [group.id]

    def _build_pipeline(self, name: str, role: ServiceRole) -> aws.sagemaker.Pipeline:
        args = self._args
        code = upload_code(
            f"{name}-source",
            bucket=args.code_bucket,
            bucket_name=args.place.zone.model_artifacts,
            key_arn=self._workload.keys.models,
            folder=args.code_folder,
            tags=self._tags,
            opts=self.child(),
        )
        places = PipelinePlaces(
            preprocessed_bucket=args.place.zone.preprocessed,
            model_artifacts_bucket=args.place.zone.model_artifacts,
            role_arn=self._role_arn("training-jobs"),
            registry_function_arn=self._registry_function_arn(),
            commit=args.commit,
            images=args.images,
        )
        return training_pipeline(
            f"{name}-pipeline",
            config=pipeline_config(self._context, args.training, args.registry, places, code),
            surroundings=JobSurroundings(
                subnet_ids=args.subnet_ids,
                security_group_ids=[*args.security_group_ids, *self._build_peers(name)],
                key_arn=self._workload.keys.models,
            ),
            role=role,
            tags=self._tags,
            opts=self.child(depends_on=[role.policy]),
        )
