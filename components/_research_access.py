"""What SageMaker's roles may do: read and write the research zone and the models, and nothing of the PHI zone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi

from components._base import Context
from components._iam import Statement
from components._workload import KeyArns, use_key
from components.containers import repository_arns
from components.endpoint_guard import look_at_alarms

CONTAINER_ACCOUNT: Final = "763104351884"
"""Owner of the AWS deep-learning containers (most regions).
https://github.com/aws/deep-learning-containers (account list in its documentation)"""


@dataclass(frozen=True, kw_only=True)
class ResearchZone:
    """The two buckets that training may see, by name."""

    preprocessed: str
    model_artifacts: str


def objects(context: Context, bucket: str, *prefixes: str) -> list[pulumi.Input[str]]:
    """ARNs of everything below the prefixes of a bucket."""
    return [f"arn:{context.partition}:s3:::{bucket}/{prefix}/*" for prefix in prefixes]


def bucket_arns(context: Context, *buckets: str) -> list[pulumi.Input[str]]:
    """ARNs of the buckets themselves."""
    return [f"arn:{context.partition}:s3:::{bucket}" for bucket in buckets]


def pipeline_statements(
    context: Context, keys: KeyArns, zone: ResearchZone, *, group: str, role_arn: str, registry_function_arn: str
) -> list[Statement]:
    """The role of the pipeline and of all its jobs."""
    return [
        Statement(
            sid="ReadResearchZone",
            actions=["s3:GetObject"],
            resources=[
                *objects(context, zone.preprocessed, "deidentified", "snapshots", "runs"),
                *objects(context, zone.model_artifacts, "code", "weights", "models", "checkpoints"),
            ],
        ),
        Statement(
            sid="WriteRunsAndModels",
            actions=["s3:AbortMultipartUpload", "s3:PutObject"],
            resources=[
                *objects(context, zone.preprocessed, "runs"),
                *objects(context, zone.model_artifacts, "models", "checkpoints"),
            ],
        ),
        Statement(
            sid="ListResearchZone",
            actions=["s3:GetBucketLocation", "s3:ListBucket"],
            resources=bucket_arns(context, zone.preprocessed, zone.model_artifacts),
        ),
        use_key(context, "UseBucketKeys", "s3", [keys.research, keys.models], write=True),
        *_disk_statements(keys),
        *_job_statements(context, group, role_arn),
        Statement(
            sid="TellOfRejectedModel",
            actions=["lambda:InvokeFunction"],
            resources=[registry_function_arn],
        ),
        *_container_statements(context, "ProcessingJobs", "TrainingJobs"),
    ]


def model_statements(context: Context, keys: KeyArns, zone: ResearchZone, *, endpoint: str) -> list[Statement]:
    """The role of the served model: it reads its artifact and writes what the endpoint captured."""
    return [
        Statement(
            sid="ReadModels",
            actions=["s3:GetObject"],
            resources=objects(context, zone.model_artifacts, "models"),
        ),
        Statement(
            sid="WriteCapturedRequests",
            actions=["s3:PutObject"],
            resources=objects(context, zone.model_artifacts, "endpoint-data-capture"),
        ),
        Statement(
            sid="ListModels",
            actions=["s3:GetBucketLocation", "s3:ListBucket"],
            resources=bucket_arns(context, zone.model_artifacts),
        ),
        use_key(context, "UseBucketKey", "s3", [keys.models], write=True),
        look_at_alarms(context),
        *_container_statements(context, f"Endpoints/{endpoint}"),
    ]


def transform_statements(context: Context, keys: KeyArns, zone: ResearchZone) -> list[Statement]:
    """The role of a batch transform: it reads one class of objects more than the endpoint, and writes answers alone."""
    return [
        Statement(
            sid="ReadModelsAndImages",
            actions=["s3:GetObject"],
            resources=[
                *objects(context, zone.model_artifacts, "models"),
                *objects(context, zone.preprocessed, "deidentified"),
            ],
        ),
        Statement(
            sid="WriteAnswers",
            actions=["s3:PutObject"],
            resources=objects(context, zone.preprocessed, "answers"),
        ),
        Statement(
            sid="ListModelsAndImages",
            actions=["s3:GetBucketLocation", "s3:ListBucket"],
            resources=bucket_arns(context, zone.preprocessed, zone.model_artifacts),
        ),
        use_key(context, "UseBucketKeys", "s3", [keys.research, keys.models], write=True),
        *_disk_statements(keys),
        *_container_statements(context, "TransformJobs"),
    ]


def _disk_statements(keys: KeyArns) -> list[Statement]:
    """Job disks are encrypted with our key: SageMaker asks for a grant in the job's name."""
    return [
        Statement(
            sid="GrantKeyToJobDisks",
            actions=["kms:CreateGrant"],
            resources=[keys.models],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
        Statement(sid="DescribeDiskKey", actions=["kms:DescribeKey"], resources=[keys.models]),
    ]


def _job_statements(context: Context, group: str, role_arn: str) -> list[Statement]:
    """Jobs that pipelines name `pipelines-...`, and versions of our own model group."""
    arn = context.naming.arn
    return [
        Statement(
            sid="RunOwnJobs",
            actions=[
                "sagemaker:AddTags",
                "sagemaker:CreateProcessingJob",
                "sagemaker:CreateTrainingJob",
                "sagemaker:DescribeProcessingJob",
                "sagemaker:DescribeTrainingJob",
                "sagemaker:StopProcessingJob",
                "sagemaker:StopTrainingJob",
            ],
            resources=[arn("sagemaker", "processing-job/pipelines-*"), arn("sagemaker", "training-job/pipelines-*")],
        ),
        Statement(
            sid="RegisterModels",
            actions=[
                "sagemaker:AddTags",
                "sagemaker:CreateModelPackage",
                "sagemaker:DescribeModelPackage",
                "sagemaker:DescribeModelPackageGroup",
            ],
            resources=[
                arn("sagemaker", f"model-package/{group}/*"),
                arn("sagemaker", f"model-package-group/{group}"),
            ],
        ),
        Statement(
            sid="HandOwnRoleToJobs",
            actions=["iam:PassRole"],
            resources=[role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
    ]


def _container_statements(context: Context, *log_places: str) -> list[Statement]:
    """What any SageMaker container needs: its image, its log, its metrics, its network interface."""
    arn = context.naming.arn
    images = f"arn:{context.partition}:ecr:{context.region}:{CONTAINER_ACCOUNT}:repository/tensorflow-*"
    return [
        Statement(
            sid="PullImages",
            actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=[images, repository_arns(context)],
        ),
        Statement(
            sid="LogInToRegistries",  # the token is for the registry as a whole: no resource-level right exists
            actions=["ecr:GetAuthorizationToken"],
            resources=["*"],
        ),
        Statement(
            sid="WriteJobLogs",
            actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            resources=[arn("logs", f"log-group:/aws/sagemaker/{place}:*") for place in log_places],
        ),
        Statement(
            sid="WriteJobMetrics",  # PutMetricData has no resource: the name space bounds it
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}},
        ),
        Statement(
            sid="JoinVpc",  # SageMaker asks for these on `*` when a job joins a VPC
            actions=[
                "ec2:CreateNetworkInterface",
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            resources=["*"],
        ),
    ]
