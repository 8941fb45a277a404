"""A long-running container of the platform on Fargate: in private subnets, under its own role, replaced only when well.

Shared by the services; what makes one different from the other is its plan. Load balancers belong to the component.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components._base import Context
from components._iam import Statement, service_role
from components._logs import LogClass, LogKeeping, log_group
from components._tags import DataClass
from components._workload import KeyArns
from components.containers import repository_arns

STOP_SECONDS: Final = 120
"""Fargate's limit between SIGTERM and SIGKILL.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html"""
_TEMPORARY: Final = "temporary"


@dataclass(frozen=True, kw_only=True)
class ContainerPlan:
    """What makes one service different from the others.

    Attributes:
        role: last part of its physical names.
        image: `registry/repository@sha256:...`.
        command: arguments of the image's entry point.
        environment: plain variables; they stand in the task definition for everybody who may read it.
        secrets: variable -> ARN of a secret, with `:key::` behind it for one key of a JSON secret.
        secret_arns: the secrets that the variables come from.
        statements: all that the code may do.
        ports: container ports.
        cpu, memory_mb: a pair that Fargate offers, in CPU units (1,024 is one core) and MiB.
        log_class: `audit` where its log tells who did what to health information.
        temporary_gb: size of the disk below /tmp, 21 to 200; the root file system is read-only.
    """

    role: str
    image: str
    command: Sequence[str]
    environment: Mapping[str, pulumi.Input[str]]
    secrets: Mapping[str, pulumi.Input[str]]
    secret_arns: Sequence[pulumi.Input[str]]
    statements: Sequence[Statement]
    ports: Sequence[int]
    cpu: int
    memory_mb: int
    minimum_tasks: int
    maximum_tasks: int
    data_class: DataClass
    log_class: LogClass = "operations"
    temporary_gb: int = 21


@dataclass(frozen=True, kw_only=True)
class ContainerGround:
    """What all services of a stack are given alike."""

    context: Context
    keys: KeyArns
    subnet_ids: pulumi.Input[Sequence[str]]
    logs: LogKeeping


@dataclass(frozen=True, kw_only=True)
class ContainerTargets:
    """Where traffic comes from: security groups of the tasks, and the target groups by container port."""

    security_group_ids: Sequence[pulumi.Input[str]]
    target_groups: Mapping[int, pulumi.Input[str]] = field(default_factory=dict[int, pulumi.Input[str]])
    depends_on: Sequence[pulumi.Resource] = ()


@dataclass(frozen=True, kw_only=True)
class ContainerService:
    """The service and what alarms and outputs need of it."""

    service: aws.ecs.Service
    cluster: aws.ecs.Cluster
    log_group: aws.cloudwatch.LogGroup
    cluster_name: str
    service_name: str


def container_service(
    name: str,
    plan: ContainerPlan,
    ground: ContainerGround,
    targets: ContainerTargets,
    child: pulumi.ResourceOptions,
) -> ContainerService:
    """Cluster, log group, roles, task definition, service and its scaling.

    Guarantees: the image runs by digest; the container is not root, has no capability and cannot write to its own
    file system; a deployment that does not become healthy is rolled back; stopping sends SIGTERM and waits.
    """
    context = ground.context
    physical = context.naming.name(plan.role)
    tags = context.tags_for(plan.role, plan.data_class)
    logs = log_group(
        f"{name}-logs",
        name=f"/aws/ecs/{physical}",
        log_class=plan.log_class,
        keeping=ground.logs,
        tags=tags,
        opts=child,
    )
    cluster = aws.ecs.Cluster(
        f"{name}-cluster",
        name=physical,
        settings=[{"name": "containerInsights", "value": "enabled"}],
        configuration={
            # nobody enters a container (enable_execute_command); who switched it on would be recorded
            "execute_command_configuration": {
                "kms_key_id": ground.keys.logs,
                "logging": "OVERRIDE",
                "log_configuration": {
                    "cloud_watch_encryption_enabled": True,
                    "cloud_watch_log_group_name": logs.name,
                },
            },
            # what a task writes below /tmp may be of patients
            "managed_storage_configuration": {"fargate_ephemeral_storage_kms_key_id": ground.keys.phi},
        },
        tags=tags,
        opts=child,
    )
    definition = _task_definition(name, plan, ground, physical, child)
    service = aws.ecs.Service(
        f"{name}-service",
        name=physical,
        cluster=cluster.arn,
        task_definition=definition.arn,
        launch_type="FARGATE",
        platform_version="LATEST",
        desired_count=plan.minimum_tasks,
        network_configuration={
            "subnets": ground.subnet_ids,
            "security_groups": list(targets.security_group_ids),
            "assign_public_ip": False,
        },
        load_balancers=[
            {"container_name": plan.role, "container_port": port, "target_group_arn": arn}
            for port, arn in sorted(targets.target_groups.items())
        ],
        availability_zone_rebalancing="ENABLED",
        deployment_circuit_breaker={"enable": True, "rollback": True},
        deployment_minimum_healthy_percent=100,
        deployment_maximum_percent=200,
        health_check_grace_period_seconds=60 if targets.target_groups else None,
        enable_execute_command=False,
        propagate_tags="SERVICE",
        tags=tags,
        opts=pulumi.ResourceOptions.merge(
            child, pulumi.ResourceOptions(depends_on=list(targets.depends_on), ignore_changes=["desiredCount"])
        ),
    )
    _scaling(
        name, plan, physical, tags, pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[service]))
    )
    return ContainerService(
        service=service, cluster=cluster, log_group=logs, cluster_name=physical, service_name=physical
    )


def _task_definition(
    name: str, plan: ContainerPlan, ground: ContainerGround, physical: str, child: pulumi.ResourceOptions
) -> aws.ecs.TaskDefinition:
    context = ground.context
    tags = context.tags_for(plan.role, plan.data_class)
    services = ["ecs-tasks.amazonaws.com"]
    task_role = service_role(
        f"{name}-task-role",
        context=context,
        role=f"{plan.role}-task",
        services=services,
        statements=plan.statements,
        tags=tags,
        description=f"What the code of {plan.role} may do",
        opts=child,
    )
    start_role = service_role(
        f"{name}-start-role",
        context=context,
        role=f"{plan.role}-start",
        services=services,
        statements=_start_statements(plan, ground, physical),
        tags=tags,
        description=f"What ECS does to start {plan.role}: pull, read its secrets, write its log",
        opts=child,
    )
    return aws.ecs.TaskDefinition(
        f"{name}-task",
        family=physical,
        requires_compatibilities=["FARGATE"],
        network_mode="awsvpc",
        cpu=str(plan.cpu),
        memory=str(plan.memory_mb),
        task_role_arn=task_role.arn,
        execution_role_arn=start_role.arn,
        runtime_platform={"operating_system_family": "LINUX", "cpu_architecture": "X86_64"},
        ephemeral_storage={"size_in_gib": plan.temporary_gb},
        volumes=[{"name": _TEMPORARY}],
        container_definitions=_container_definitions(plan, context, physical),
        tags=tags,
        opts=pulumi.ResourceOptions.merge(
            child, pulumi.ResourceOptions(depends_on=[task_role.policy, start_role.policy])
        ),
    )


def _start_statements(plan: ContainerPlan, ground: ContainerGround, physical: str) -> list[Statement]:
    naming = ground.context.naming
    return [
        Statement(
            sid="AskForARegistryToken",  # ECR knows no resource for this action
            actions=["ecr:GetAuthorizationToken"],
            resources=["*"],
        ),
        Statement(
            sid="PullOwnImages",
            actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=[repository_arns(ground.context)],
        ),
        Statement(
            sid="WriteOwnLogs",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[naming.arn("logs", f"log-group:/aws/ecs/{physical}:*")],
        ),
        *(_secret_statements(plan, ground) if plan.secret_arns else []),
    ]


def _secret_statements(plan: ContainerPlan, ground: ContainerGround) -> list[Statement]:
    return [
        Statement(sid="ReadOwnSecrets", actions=["secretsmanager:GetSecretValue"], resources=list(plan.secret_arns)),
        Statement(
            sid="DecryptOwnSecrets",
            actions=["kms:Decrypt"],
            resources=[ground.keys.secrets],
            conditions={"StringEquals": {"kms:ViaService": f"secretsmanager.{ground.context.region}.amazonaws.com"}},
        ),
    ]


def _container_definitions(plan: ContainerPlan, context: Context, physical: str) -> pulumi.Output[str]:
    """The container as the API takes it: JSON, compact, sorted."""
    definition: dict[str, Any] = {
        "name": plan.role,
        "image": plan.image,
        "command": list(plan.command),
        "essential": True,
        "user": "65532:65532",
        "readonlyRootFilesystem": True,
        "privileged": False,
        "linuxParameters": {"capabilities": {"drop": ["ALL"]}, "initProcessEnabled": True},
        "stopTimeout": STOP_SECONDS,
        "portMappings": [{"containerPort": port, "hostPort": port, "protocol": "tcp"} for port in sorted(plan.ports)],
        "mountPoints": [{"sourceVolume": _TEMPORARY, "containerPath": "/tmp", "readOnly": False}],  # noqa: S108
        "environment": [{"name": key, "value": value} for key, value in sorted(plan.environment.items())],
        "secrets": [{"name": key, "valueFrom": value} for key, value in sorted(plan.secrets.items())],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": f"/aws/ecs/{physical}",
                "awslogs-region": context.region,
                "awslogs-stream-prefix": plan.role,
            },
        },
    }
    return pulumi.Output.from_input([definition]).apply(_compact)


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _scaling(
    name: str, plan: ContainerPlan, physical: str, tags: Mapping[str, str], child: pulumi.ResourceOptions
) -> None:
    """More tasks while the CPU is busy; fewer only after a quarter of an hour, since each stop drains."""
    target = aws.appautoscaling.Target(
        f"{name}-scaling",
        service_namespace="ecs",
        resource_id=f"service/{physical}/{physical}",
        scalable_dimension="ecs:service:DesiredCount",
        min_capacity=plan.minimum_tasks,
        max_capacity=plan.maximum_tasks,
        tags=dict(tags),
        opts=child,
    )
    aws.appautoscaling.Policy(
        f"{name}-scaling-cpu",
        name=f"{physical}-cpu",
        policy_type="TargetTrackingScaling",
        service_namespace=target.service_namespace,
        resource_id=target.resource_id,
        scalable_dimension=target.scalable_dimension,
        target_tracking_scaling_policy_configuration={
            "predefined_metric_specification": {"predefined_metric_type": "ECSServiceAverageCPUUtilization"},
            "target_value": 60,
            "scale_out_cooldown": 60,
            "scale_in_cooldown": 900,
        },
        opts=child,
    )
