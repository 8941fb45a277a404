"""The bootstrap of one account: state and keys, GitHub's identity, and each environment's roles."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the CLI runs this file with its own folder on the path

import pulumi
import pulumi_aws as aws

from bootstrap import settings
from bootstrap.job_logs import JobLogs, JobLogsArgs
from bootstrap.roles import AUDIENCE, ISSUER, EnvironmentRoles, EnvironmentRolesArgs
from bootstrap.scope import PROJECT, Scope
from bootstrap.state import PROJECT_STATE, StateStore, StateStoreArgs, bucket_name, secrets_alias
from components._base import Context, Naming
from components._tags import Tags

REVIEW = "review"
"""Environment of the stacks of pull requests (`gitops.review`)."""


def context_of(given: settings.Settings, stack: str) -> Context:
    """Names and tags of a stack of the platform's project in this account."""
    account = aws.get_caller_identity().account_id
    region = aws.get_region().region
    partition = aws.get_partition().partition
    extra = {"cost-center": given.tags.cost_center}
    return Context(
        naming=Naming(project=PROJECT, stack=stack, account=account, region=region, partition=partition),
        tags=Tags(project=PROJECT, stack=stack, owner=given.tags.owner, extra=extra),
        region=region,
        account=account,
        partition=partition,
    )


def main() -> None:
    """Builds the account's bootstrap. Raises pulumi.RunError with a sentence for its user."""
    given = settings.load()
    context = context_of(given, "bootstrap")
    environments = (*given.environments, *((REVIEW,) if given.review else ()))
    store = StateStore(
        "state",
        StateStoreArgs(context=context, project=PROJECT, environments=environments, settings=given.state),
    )
    JobLogs("job-logs", JobLogsArgs(context=context, project=PROJECT, days=given.job_logs.days))
    provider = aws.iam.OpenIdConnectProvider(
        "github",
        url=f"https://{ISSUER}",
        client_id_lists=[AUDIENCE],
        tags=context.tags_for("roles"),
    )
    bucket = bucket_name(PROJECT, PROJECT_STATE, context.account)
    pulumi.export("state_bucket", store.bucket)
    pulumi.export("backend_url", f"s3://{bucket}?region={context.region}&awssdk=v2")
    for environment in environments:
        roles = EnvironmentRoles(
            environment,
            EnvironmentRolesArgs(
                context=context,
                stack_context=context_of(given, environment),
                scope=Scope(
                    environment=environment,
                    numbered=environment not in given.environments,
                    account=context.account,
                    region=context.region,
                    partition=context.partition,
                ),
                github=given.github,
                provider_arn=provider.arn,
                state_bucket=bucket,
                state_key_arn=store.key_arn,
                secrets_key_arn=store.secrets_key_arns[environment],
                preview_decrypts=given.preview.decrypts_secrets,
            ),
        )
        alias = secrets_alias(PROJECT, environment)
        pulumi.export(f"{environment}_deploy_role", roles.deploy_role_arn)
        pulumi.export(f"{environment}_preview_role", roles.preview_role_arn)
        pulumi.export(f"{environment}_image_push_role", roles.image_push_role_arn)
        pulumi.export(f"{environment}_workload_boundary", roles.workload_boundary_arn)
        pulumi.export(f"{environment}_secrets_provider", f"awskms:///{alias}?region={context.region}&awssdk=v2")


if __name__ == "__main__":
    main()
