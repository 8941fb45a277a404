"""ECS and ECR: unprivileged tasks behind private addresses, images that are scanned and cannot change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from pulumi_policy import PolicyResource

from hipaa_pack import sections
from hipaa_pack.checks import among, each, every, has, not_on, not_open, on, own_key, present, when
from hipaa_pack.reads import UNKNOWN, Values, at, is_set, is_true, listed
from hipaa_pack.rule import ResourceRule, Rule, StackRule

_TASK = ("aws:ecs/taskDefinition:TaskDefinition",)
_REPOSITORY = ("aws:ecr/repository:Repository",)
_SECRET_WORDS = ("password", "secret", "api_key", "apikey", "private_key", "access_key", "token")


def _containers(values: Values) -> list[Values]:
    given = at(values, "containerDefinitions")
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            return []
    return cast("list[Values]", given) if isinstance(given, list) else []


def _in_each(check: Callable[[Values], Iterable[str]]) -> Callable[[Values], Iterable[str]]:
    return lambda values: (sentence for container in _containers(values) for sentence in check(container))


def _unprivileged(container: Values) -> Iterator[str]:
    if is_true(container.get("privileged")):
        yield "a container must not be privileged"
    if str(container.get("user", "root")).split(":")[0] in ("root", "0"):
        yield "a container must name a user that is not root"


def _read_only(container: Values) -> Iterator[str]:
    if container.get("readonlyRootFilesystem") is not True:
        yield "readonlyRootFilesystem must be true"


def _no_secrets(container: Values) -> Iterator[str]:
    for variable in listed(container.get("environment")):
        name = str(at(variable, "name")).lower()
        if any(word in name for word in _SECRET_WORDS) and not name.endswith("_arn"):
            yield "an environment variable looks like a secret: use secrets"
    if not is_set(container.get("logConfiguration")):
        yield "logConfiguration must be set"


def _two_roles(resources: list[PolicyResource]) -> Iterator[tuple[PolicyResource, str]]:
    for task in (r for r in resources if r.resource_type in _TASK):
        given = {name: task.property_dependencies.get(name, []) for name in ("taskRoleArn", "executionRoleArn")}
        roles = {n: {r.urn for r in rs if r.resource_type == "aws:iam/role:Role"} for n, rs in given.items()}
        if roles["taskRoleArn"] & roles["executionRoleArn"]:
            yield task, f"{task.name}: the code and the agent that starts it must not share a role"


def _digest(container: Values) -> Iterator[str]:
    image: Any = container.get("image")
    if isinstance(image, str) and "@sha256:" not in image:
        yield "an image must be named by its digest"


def _logged(values: Values) -> Iterator[str]:
    if at(values, "configuration.executeCommandConfiguration.logging") not in ("OVERRIDE", UNKNOWN):
        yield "configuration.executeCommandConfiguration.logging must be OVERRIDE"


RULES: list[Rule] = [
    ResourceRule(
        id="ecs-host-mode",
        says="a task has a network interface of its own",
        sections=sections.ACCESS,
        sources=("N:ECSTaskDefinitionUserForHostMode",),
        remedy="Set network_mode=awsvpc.",
        types=_TASK,
        check=among("networkMode", "awsvpc"),
    ),
    ResourceRule(
        id="ecs-not-privileged",
        says="a container is neither privileged nor root, and shares no namespace with its host",
        sections=sections.ACCESS,
        sources=("K:334", "K:335"),
        remedy="Name a user, leave privileged, pidMode and ipcMode out.",
        types=_TASK,
        check=every(
            _in_each(_unprivileged),
            among("pidMode", "task", default="task"),
            among("ipcMode", "task", "none", default="none"),
        ),
    ),
    ResourceRule(
        id="ecs-readonly-root",
        says="a container cannot change its own files",
        sections=sections.INTEGRITY,
        sources=("C:ecs-containers-readonly-access", "K:336"),
        remedy="Set readonlyRootFilesystem, and mount a volume where the program writes.",
        types=_TASK,
        check=_in_each(_read_only),
    ),
    ResourceRule(
        id="ecs-no-env-secret",
        says="a container gets secrets by reference, and its output is kept",
        sections=(*sections.AUTHENTICATION, *sections.AUDIT),
        remedy="Use secrets with the ARN, and logConfiguration.",
        types=_TASK,
        check=_in_each(_no_secrets),
    ),
    ResourceRule(
        id="ecs-image-digest",
        says="a task runs the image that was tested",
        sections=sections.INTEGRITY,
        remedy="Name the image by digest in the stack's configuration.",
        level="advisory",
        types=_TASK,
        check=_in_each(_digest),
    ),
    ResourceRule(
        id="ecs-efs-tls",
        says="a file system is reached over TLS, as a named identity",
        sections=sections.TRANSMISSION,
        sources=("K:97",),
        remedy="Set transit_encryption and authorization_config.iam to ENABLED.",
        types=_TASK,
        check=each(
            "volumes",
            when(
                has("efsVolumeConfiguration"),
                every(
                    among("efsVolumeConfiguration.transitEncryption", "ENABLED"),
                    among("efsVolumeConfiguration.authorizationConfig.iam", "ENABLED"),
                ),
            ),
        ),
    ),
    ResourceRule(
        id="ecs-roles-set",
        says="a task has a role for its code and one for the agent that starts it",
        sections=sections.IDENTITY,
        sources=("K:249",),
        remedy="Set task_role_arn and execution_role_arn.",
        types=_TASK,
        check=present("taskRoleArn", "executionRoleArn"),
    ),
    StackRule(
        id="ecs-roles-differ",
        says="a task's code does not have the rights of the agent that starts it",
        sections=sections.IDENTITY,
        sources=("K:249",),
        remedy="Give task and execution roles of their own.",
        types=_TASK,
        find=_two_roles,
    ),
    ResourceRule(
        id="ecs-exec",
        says="who enters a container is recorded under a key of our own",
        sections=(*sections.AUDIT, *sections.ENCRYPTION),
        sources=("K:223", "K:224"),
        remedy="Set configuration.execute_command_configuration and managed_storage_configuration.",
        types=("aws:ecs/cluster:Cluster",),
        check=every(
            own_key("configuration.executeCommandConfiguration.kmsKeyId"),
            own_key("configuration.managedStorageConfiguration.fargateEphemeralStorageKmsKeyId"),
            _logged,
        ),
    ),
    ResourceRule(
        id="ecs-exec-off",
        says="nobody enters a running container",
        sections=sections.ACCESS,
        remedy="Leave enable_execute_command off; waive it for the time of a repair.",
        types=("aws:ecs/service:Service",),
        check=not_on("enableExecuteCommand"),
    ),
    ResourceRule(
        id="ecs-no-public-ip",
        says="a service has no public address",
        sections=sections.NETWORK,
        sources=("K:333",),
        remedy="Set assign_public_ip=False and use the private subnets.",
        grade="critical",
        types=("aws:ecs/service:Service",),
        check=not_on("networkConfiguration.assignPublicIp"),
    ),
    ResourceRule(
        id="ecs-insights",
        says="a cluster's services are measured",
        sections=sections.AUDIT,
        sources=("K:65",),
        remedy="Set containerInsights to enabled.",
        grade="low",
        level="advisory",
        types=("aws:ecs/cluster:Cluster",),
        check=present("settings"),
    ),
    ResourceRule(
        id="ecr-scan",
        says="images are scanned when they come in",
        sections=sections.RISK,
        sources=("K:163",),
        remedy="Set image_scanning_configuration.scan_on_push=True.",
        types=_REPOSITORY,
        check=on("imageScanningConfiguration.scanOnPush"),
    ),
    ResourceRule(
        id="ecr-immutable",
        says="a tag cannot be moved to another image",
        sections=sections.INTEGRITY,
        sources=("K:51",),
        remedy="Set image_tag_mutability=IMMUTABLE.",
        types=_REPOSITORY,
        check=among("imageTagMutability", "IMMUTABLE"),
    ),
    ResourceRule(
        id="ecr-kms",
        says="images are encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("K:136",),
        remedy="Set encryption_configurations with KMS and a key of the program.",
        types=_REPOSITORY,
        check=every(
            among("encryptionConfigurations.encryptionType", "KMS"), own_key("encryptionConfigurations.kmsKey")
        ),
    ),
    ResourceRule(
        id="ecr-policy",
        says="no repository is open to everybody",
        sections=sections.ACCESS,
        sources=("K:32",),
        remedy="Name the principals.",
        grade="critical",
        types=("aws:ecr/repositoryPolicy:RepositoryPolicy",),
        check=not_open(),
    ),
]
