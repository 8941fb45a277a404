"""The image repositories (ECR) of the stack, and the addresses of the images that run.

Images are built once in CI and promoted by digest through stack config; the program never builds one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._configuration_models import ContainerSettings
from components._iam import Statement, policy_document

IMAGES: Final = {
    "preprocessing": "preprocessing",
    "training": "training",
    "evaluation": "evaluation",
    "inference": "inference",
    "api": "api",
    "store_scp": "store_scp",
    "frame_proxy": "frame_proxy",
}
"""Field of ContainerSettings -> repository role, which is also the folder below containers/."""
PUSH_ROLE: Final = "image-push"
"""Role that CI pushes with; the bootstrap program makes it under the stack's own prefix."""

_NAME_LIMIT = 256
_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_PUSH = ("ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart")


@dataclass(frozen=True, kw_only=True)
class ImageRepositoriesArgs:
    """What the repositories need.

    Attributes:
        key_arn: key that the images are encrypted with.
        settings: scanning, retention, and the images that run.
    """

    context: Context
    key_arn: pulumi.Input[str]
    settings: ContainerSettings


def repository_name(context: Context, role: str) -> str:
    """Physical name of a repository; ECR takes lower case only."""
    return context.naming.name(role, limit=_NAME_LIMIT).lower()


def repository_arns(context: Context) -> str:
    """Pattern of the ARNs of all repositories of the stack."""
    return context.naming.arn("ecr", f"repository/{repository_name(context, '*')}")


def image_addresses(context: Context, settings: ContainerSettings) -> dict[str, str]:
    """Role -> `registry/repository@sha256:...` of each image that the stack names; others are absent.

    Plain text, known before anything exists: a preview shows which image will run.
    """
    domain = "amazonaws.com.cn" if context.partition == "aws-cn" else "amazonaws.com"
    registry = f"{context.account}.dkr.ecr.{context.region}.{domain}"
    found: dict[str, str] = {}
    for role in IMAGES:
        image: str | None = getattr(settings, role)
        if image is None:
            continue
        own = image.startswith("sha256:")
        found[role] = f"{registry}/{repository_name(context, role)}@{image}" if own else image
    return found


def repository_policy(context: Context) -> pulumi.Input[str]:
    """Pulls from this account alone; pushes by the push role alone, whatever identity policies may allow."""
    push_role = context.naming.arn("iam", f"role/{context.naming.name(PUSH_ROLE)}", regional=False)
    return policy_document(
        Statement(
            sid="PullsOfThisAccount",
            actions=_PULL,
            principals={"AWS": [f"arn:{context.partition}:iam::{context.account}:root"]},
        ),
        Statement(
            sid="NobodyElsePushes",
            effect="Deny",
            actions=_PUSH,
            principals="*",
            conditions={"ArnNotEquals": {"aws:PrincipalArn": push_role}},
        ),
    )


def lifecycle_policy(settings: ContainerSettings) -> str:
    """What a push left without a tag goes first; of the tagged ones the newest stay."""
    rules = [
        {
            "rulePriority": 1,
            "description": "layers that no tag reaches",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": settings.untagged_days,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "description": "old releases",
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": settings.keep_images},
            "action": {"type": "expire"},
        },
    ]
    return json.dumps({"rules": rules}, sort_keys=True, separators=(",", ":"))


class ImageRepositories(PlatformComponent):
    """One repository an image: tags cannot move, each push is scanned, layers are encrypted with our key.

    Creates `{name}-{role}`, `{name}-{role}-policy`, `{name}-{role}-lifecycle`, and `{name}-scanning` where enhanced
    scanning is on. Guarantees: a tag names the same bytes for ever, and nobody outside the account pulls.
    """

    repository_urls: pulumi.Output[Mapping[str, str]]
    images: pulumi.Output[Mapping[str, str]]

    def __init__(self, name: str, args: ImageRepositoriesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the repositories."""
        super().__init__("imaging:containers:ImageRepositories", name, opts)
        urls = {role: self._build_repository(name, role, args) for role in IMAGES.values()}
        if args.settings.enhanced_scanning:
            self._build_scanning(name, args.context)
        self.repository_urls = pulumi.Output.all(**urls)
        self.images = pulumi.Output.from_input(image_addresses(args.context, args.settings))
        self.register_outputs({"repository_urls": self.repository_urls, "images": self.images})

    def _build_repository(self, name: str, role: str, args: ImageRepositoriesArgs) -> pulumi.Output[str]:
        repository = aws.ecr.Repository(
            f"{name}-{role}",
            name=repository_name(args.context, role),
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="KMS", kms_key=args.key_arn)
            ],
            force_delete=False,
            tags=args.context.tags_for("containers", "models"),
            opts=self.child(),
        )
        aws.ecr.RepositoryPolicy(
            f"{name}-{role}-policy",
            repository=repository.name,
            policy=repository_policy(args.context),
            opts=self.child(),
        )
        aws.ecr.LifecyclePolicy(
            f"{name}-{role}-lifecycle",
            repository=repository.name,
            policy=lifecycle_policy(args.settings),
            opts=self.child(),
        )
        return repository.repository_url

    def _build_scanning(self, name: str, context: Context) -> None:
        aws.ecr.RegistryScanningConfiguration(
            f"{name}-scanning",
            scan_type="ENHANCED",
            rules=[
                aws.ecr.RegistryScanningConfigurationRuleArgs(
                    scan_frequency="CONTINUOUS_SCAN",
                    repository_filters=[
                        aws.ecr.RegistryScanningConfigurationRuleRepositoryFilterArgs(
                            filter=f"{context.naming.project}-*", filter_type="WILDCARD"
                        )
                    ],
                )
            ],
            opts=self.child(),
        )
