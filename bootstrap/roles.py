"""The roles that GitHub's workflows take in one environment: deploy, preview, push of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from bootstrap.boundary import deploy_boundary
from bootstrap.rights import AREAS
from bootstrap.scope import Scope, do, grant
from bootstrap.settings import GitHubSettings
from components._base import Context, PlatformComponent
from components._iam import Statement, Text, policy_document
from components.boundary import boundary_document, responder_document

AUDIENCE: Final = "sts.amazonaws.com"
ISSUER: Final = "token.actions.githubusercontent.com"
AWS_IMAGES_ACCOUNT: Final = "763104351884"
"""Owner of the AWS deep-learning containers, on which two images are based."""
POLICY_LIMIT: Final = 6144
"""Characters of a managed policy (IAM quotas)."""
_READ_VERBS = ("Describe", "Get", "List", "GET")
_NEVER_IN_A_PREVIEW = frozenset({"s3:GetObject", "secretsmanager:GetSecretValue"})


@dataclass(frozen=True, kw_only=True)
class EnvironmentRolesArgs:
    """What the roles of one environment need.

    Attributes:
        stack_context: names of the environment's own stack of the platform, for the boundary of its workloads.
        provider_arn: GitHub's identity provider in this account.
        state_bucket: name of the state bucket; plain, so that previews show the policies.
        state_key_arn: key of the state bucket.
        secrets_key_arn: key of the environment's secrets.
        preview_decrypts: the preview role may use the secrets key.
    """

    context: Context
    stack_context: Context
    scope: Scope
    github: GitHubSettings
    provider_arn: Text
    state_bucket: str
    state_key_arn: Text
    secrets_key_arn: Text
    preview_decrypts: bool


def github_trust(provider_arn: Text, subjects: Sequence[str]) -> pulumi.Input[str]:
    """Trust in jobs of exactly these subjects: the audience and the whole subject, no wildcard anywhere."""
    return policy_document(
        Statement(
            sid="GitHubJobsOfOneEnvironment",
            actions=["sts:AssumeRoleWithWebIdentity"],
            principals={"Federated": [provider_arn]},
            conditions={"StringEquals": {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": list(subjects)}},
        )
    )


def read_only(statements: Sequence[Statement]) -> list[Statement]:
    """The reads among the statements; no content of objects and no secret."""
    found: list[Statement] = []
    for statement in statements:
        verbs = [a for a in statement.actions if a.split(":")[1].startswith(_READ_VERBS)]
        if actions := [action for action in verbs if action not in _NEVER_IN_A_PREVIEW]:
            found.append(grant(f"Read{statement.sid}", actions, list(statement.resources), statement.conditions))
    return found


def state_access(args: EnvironmentRolesArgs, *, write: bool) -> list[Statement]:
    """The environment's own part of the state; a preview writes its lock and nothing else.

    Paths are those of Pulumi's self-managed backends: `.pulumi/<kind>/<project>/<stack>...`, locks by organization.
    """
    bucket = f"arn:{args.scope.partition}:s3:::{args.state_bucket}"
    own = f"{args.scope.project}/{args.scope.stacks}"
    states = [f"{bucket}/.pulumi/{kind}/{own}*" for kind in ("stacks", "history", "backups")]
    locks = [f"{bucket}/.pulumi/locks/organization/{own}/*"]
    statements = [
        grant("ListState", ["s3:GetBucketLocation", "s3:ListBucket"], [bucket]),
        grant("ReadState", do("s3", "GetObject", "GetObjectVersion"), [*states, *locks, f"{bucket}/.pulumi/meta.yaml"]),
        grant("HoldLock", do("s3", "DeleteObject", "PutObject"), locks),
        grant("UseStateKey", do("kms", "Decrypt", "GenerateDataKey"), [args.state_key_arn]),
    ]
    if write:
        statements.append(grant("WriteState", do("s3", "DeleteObject", "PutObject"), states))
        # who took a lock or changed the data key, and why (operations/unlock.py, rekey.py): not to be deleted by them
        statements.append(grant("RecordOperations", ["s3:PutObject"], [f"{bucket}/.pulumi/operations/{own}/*"]))
    return statements


class EnvironmentRoles(PlatformComponent):
    """One environment's boundaries and roles.

    Creates `{name}-workload-boundary`, `{name}-responder-boundary`, `{name}-deploy-boundary`, the roles
    `{name}-deploy`, `{name}-preview` and `{name}-image-push`, and their policies. Guarantees: a token of another
    repository, branch rule or environment gets none of them; the deploy role cannot change its own rights, the
    boundaries, or the state's protection.
    """

    deploy_role_arn: pulumi.Output[str]
    preview_role_arn: pulumi.Output[str]
    image_push_role_arn: pulumi.Output[str]
    workload_boundary_arn: pulumi.Output[str]

    def __init__(self, name: str, args: EnvironmentRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the roles."""
        super().__init__("imaging:bootstrap:EnvironmentRoles", name, opts)
        self._args, self._name = args, name
        workload = self._build_policy(
            "workload-boundary", "boundary", boundary_document(args.stack_context), "boundary"
        )
        self._build_policy(
            "responder-boundary", "responder-boundary", responder_document(args.stack_context), "boundary"
        )
        ceiling = deploy_boundary(args.scope, args.state_bucket)
        boundary = self._build_policy("deploy-boundary", "deploy-boundary", ceiling, "boundary")
        rights = {area: make(args.scope) for area, make in AREAS.items()}
        secrets = grant("UseSecretsKey", do("kms", "Decrypt", "Encrypt"), [args.secrets_key_arn])
        state = [*state_access(args, write=True), secrets]
        environment = args.scope.environment
        self.deploy_role_arn = self._build_role("deploy", environment, {**rights, "state": state}, boundary)
        reads = {area: read_only(statements) for area, statements in rights.items()}
        reads["state"] = [*state_access(args, write=False), *([secrets] if args.preview_decrypts else [])]
        self.preview_role_arn = self._build_role("preview", f"{environment}-preview", reads, boundary)
        pushes = {"images": push_rights(args.scope)}
        self.image_push_role_arn = self._build_role("image-push", f"{environment}-images", pushes, boundary)
        self.workload_boundary_arn = workload.arn
        self.register_outputs(
            {
                "deploy_role_arn": self.deploy_role_arn,
                "preview_role_arn": self.preview_role_arn,
                "image_push_role_arn": self.image_push_role_arn,
                "workload_boundary_arn": self.workload_boundary_arn,
            }
        )

    def _build_policy(self, name: str, role: str, document: pulumi.Input[str], component: str) -> aws.iam.Policy:
        return aws.iam.Policy(
            f"{self._name}-{name}",
            name=f"{self._args.scope.prefix}-{role}",
            policy=document,
            tags=self._args.context.tags_for(component),
            opts=self.child(),
        )

    def _build_role(
        self, role: str, environment: str, rights: dict[str, list[Statement]], boundary: aws.iam.Policy
    ) -> pulumi.Output[str]:
        args = self._args
        made = aws.iam.Role(
            f"{self._name}-{role}",
            name=f"{args.scope.prefix}-{role}",
            description=f"GitHub jobs in the environment {environment}",
            assume_role_policy=github_trust(args.provider_arn, args.github.subjects_for(environment)),
            permissions_boundary=boundary.arn,
            max_session_duration=3600,
            tags=args.context.tags_for("roles"),
            opts=self.child(),
        )
        for area, statements in rights.items():
            document = policy_document(*statements)
            if isinstance(document, str) and len(document) > POLICY_LIMIT:
                raise ValueError(f"the rights {role}/{area} have {len(document)} characters; IAM takes {POLICY_LIMIT}")
            policy = self._build_policy(f"{role}-{area}", f"{role}-{area}", document, "roles")
            aws.iam.RolePolicyAttachment(
                f"{self._name}-{role}-{area}", role=made.name, policy_arn=policy.arn, opts=self.child()
            )
        return made.arn


def push_rights(scope: Scope) -> list[Statement]:
    """Push to the environment's repositories, and pull the bases that belong to AWS."""
    pull = do("ecr", "BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
    push = do("ecr", "CompleteLayerUpload", "InitiateLayerUpload", "PutImage", "UploadLayerPart")
    bases = f"arn:{scope.partition}:ecr:{scope.region}:{AWS_IMAGES_ACCOUNT}:repository/tensorflow-*"
    return [
        grant("PushOwnImages", [*pull, *push, "ecr:DescribeImages"], scope.named("ecr", "repository/")),
        grant("PullBases", pull, [bases]),
        grant("LogIn", ["ecr:GetAuthorizationToken"], ["*"]),  # the token is for the registry as a whole
    ]
