"""Which action is served by what, and on which resource IAM is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.sagemaker import executions, pipelines, registry, tags
from local.sagemaker.context import Context
from local.sagemaker.endpoints import actions as endpoints
from local.sagemaker.endpoints.manager import Manager
from local.sagemaker.executor import Executor
from local.sagemaker.jobs import actions as jobs
from local.sagemaker.jobs import transform
from local.sagemaker.names import Scope, last

Request = Mapping[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Route:
    """One action. `resource` gives the ARN for IAM; `role` names the member with a role that is passed, if any."""

    run: Callable[[Context, Request], Answer]
    resource: Callable[[Scope, Request], str]
    role: str | None = None


def _named(kind: str, member: str) -> Callable[[Scope, Request], str]:
    return lambda scope, request: scope.arn(kind, last(str(request.get(member, "*"))))


def _arn(member: str) -> Callable[[Scope, Request], str]:
    return lambda _scope, request: str(request.get(member, "*"))


def _any(_scope: Scope, _request: Request) -> str:
    return "*"


def _package(scope: Scope, request: Request) -> str:
    return scope.arn("model-package", f"{last(str(request.get('ModelPackageGroupName', '*')))}/*")


def _package_list(scope: Scope, request: Request) -> str:
    name = request.get("ModelPackageGroupName")
    return scope.arn("model-package-group", last(str(name))) if name else "*"


_pipeline = _named("pipeline", "PipelineName")
_execution = _arn("PipelineExecutionArn")
_group = _named("model-package-group", "ModelPackageGroupName")
_model = _named("model", "ModelName")
_config = _named("endpoint-config", "EndpointConfigName")
_endpoint = _named("endpoint", "EndpointName")
_job = _named("processing-job", "ProcessingJobName")
_training = _named("training-job", "TrainingJobName")
_transform = _named("transform-job", "TransformJobName")


def table(executor: Executor, manager: Manager) -> dict[str, Route]:
    """All actions by name."""
    return {
        "CreatePipeline": Route(pipelines.create, _pipeline, "RoleArn"),
        "UpdatePipeline": Route(pipelines.update, _pipeline, "RoleArn"),
        "DescribePipeline": Route(pipelines.describe, _pipeline),
        "ListPipelines": Route(pipelines.list_all, _any),
        "DeletePipeline": Route(pipelines.delete, _pipeline),
        "StartPipelineExecution": Route(lambda c, r: executions.start(c, executor, r), _pipeline),
        "StopPipelineExecution": Route(lambda c, r: executions.stop(c, executor, r), _execution),
        "DescribePipelineExecution": Route(executions.describe, _execution),
        "ListPipelineExecutions": Route(executions.list_all, _pipeline),
        "ListPipelineExecutionSteps": Route(executions.list_steps, _execution),
        "ListPipelineParametersForExecution": Route(executions.list_parameters, _execution),
        "DescribePipelineDefinitionForExecution": Route(executions.describe_definition, _execution),
        "DescribeProcessingJob": Route(jobs.describe_processing, _job),
        "ListProcessingJobs": Route(jobs.list_processing, _any),
        "DescribeTrainingJob": Route(jobs.describe_training, _training),
        "ListTrainingJobs": Route(jobs.list_training, _any),
        "CreateTransformJob": Route(transform.create, _transform),
        "DescribeTransformJob": Route(transform.describe, _transform),
        "CreateModelPackageGroup": Route(registry.create_group, _group),
        "DescribeModelPackageGroup": Route(registry.describe_group, _group),
        "ListModelPackageGroups": Route(registry.list_groups, _any),
        "DeleteModelPackageGroup": Route(registry.delete_group, _group),
        "CreateModelPackage": Route(registry.create_package, _package),
        "DescribeModelPackage": Route(registry.describe_package, _arn("ModelPackageName")),
        "UpdateModelPackage": Route(registry.update_package, _arn("ModelPackageArn")),
        "ListModelPackages": Route(registry.list_packages, _package_list),
        "DeleteModelPackage": Route(registry.delete_package, _arn("ModelPackageName")),
        "CreateModel": Route(endpoints.create_model, _model, "ExecutionRoleArn"),
        "DescribeModel": Route(endpoints.describe_model, _model),
        "ListModels": Route(endpoints.list_models, _any),
        "DeleteModel": Route(endpoints.delete_model, _model),
        "CreateEndpointConfig": Route(endpoints.create_config, _config),
        "DescribeEndpointConfig": Route(endpoints.describe_config, _config),
        "ListEndpointConfigs": Route(endpoints.list_configs, _any),
        "DeleteEndpointConfig": Route(endpoints.delete_config, _config),
        "CreateEndpoint": Route(lambda c, r: endpoints.create_endpoint(c, manager, r), _endpoint),
        "UpdateEndpoint": Route(lambda c, r: endpoints.update_endpoint(c, manager, r), _endpoint),
        "UpdateEndpointWeightsAndCapacities": Route(lambda c, r: endpoints.update_weights(c, manager, r), _endpoint),
        "DescribeEndpoint": Route(endpoints.describe_endpoint, _endpoint),
        "ListEndpoints": Route(endpoints.list_endpoints, _any),
        "DeleteEndpoint": Route(lambda c, r: endpoints.delete_endpoint(c, manager, r), _endpoint),
        "AddTags": Route(tags.add_tags, _arn("ResourceArn")),
        "ListTags": Route(tags.list_tags, _arn("ResourceArn")),
        "DeleteTags": Route(tags.delete_tags, _arn("ResourceArn")),
    }
