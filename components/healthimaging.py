"""The HealthImaging data store: the clinical copy of every image, streamed progressively to readers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._bucket_policy import IMPORT_ROLE
from components._iam import Statement, service_role

IMPORT_INPUT_PREFIX = "import-input/"
IMPORT_OUTPUT_PREFIX = "import-output/"
_DATASTORE_NAME_LIMIT = 256


@dataclass(frozen=True, kw_only=True)
class HealthImagingStoreArgs:
    """What the data store needs.

    Attributes:
        imaging_key_arn: key of the data store.
        phi_key_arn: key of the ingestion bucket, which the import role reads and writes under.
        deletion_protection: makes the engine refuse to delete or replace the data store.
        ingestion_bucket_name: the bucket that holds `import-input/` and gets `import-output/`.
    """

    context: Context
    imaging_key_arn: pulumi.Input[str]
    phi_key_arn: pulumi.Input[str]
    ingestion_bucket_name: pulumi.Input[str]
    ingestion_bucket_arn: pulumi.Input[str]
    deletion_protection: bool = True


def datastore_property(properties: str, name: str) -> str:
    """One property out of Cloud Control's answer. Raises KeyError when the data store does not say it."""
    answer: dict[str, Any] = json.loads(properties)
    return str(answer[name])


class HealthImagingStore(PlatformComponent):
    """Data store under its own key, and the role that import jobs run as.

    pulumi-aws has no type for it: Cloud Control's `AWS::HealthImaging::Datastore` is used. The role reads
    `import-input/` and writes `import-output/`, nothing else: what is unchecked or quarantined cannot be imported.

    Attributes:
        streaming_endpoint: base of GetImageFrame; `dicomweb_endpoint`: base of the DICOMweb services (PS3.18).
    """

    datastore_id: pulumi.Output[str]
    datastore_arn: pulumi.Output[str]
    import_role_arn: pulumi.Output[str]
    streaming_endpoint: pulumi.Output[str]
    dicomweb_endpoint: pulumi.Output[str]
    ingestion_bucket_name: pulumi.Output[str]

    def __init__(self, name: str, args: HealthImagingStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the data store; see `HealthImagingStoreArgs` for what it takes."""
        super().__init__("imaging:healthimaging:HealthImagingStore", name, opts)
        store = aws.cloudcontrol.Resource(
            name,
            type_name="AWS::HealthImaging::Datastore",
            desired_state=self._desired_state(args),
            opts=self.child(protect=args.deletion_protection),
        )
        region = args.context.region
        self.datastore_id = store.properties.apply(lambda properties: datastore_property(properties, "DatastoreId"))
        self.datastore_arn = store.properties.apply(lambda properties: datastore_property(properties, "DatastoreArn"))
        self.import_role_arn = self._build_import_role(name, args)
        self.streaming_endpoint = pulumi.Output.concat(
            f"https://runtime-medical-imaging.{region}.amazonaws.com/datastore/", self.datastore_id
        )
        self.dicomweb_endpoint = pulumi.Output.concat(
            f"https://dicom-medical-imaging.{region}.amazonaws.com/datastore/", self.datastore_id
        )
        self.ingestion_bucket_name = pulumi.Output.from_input(args.ingestion_bucket_name)
        self.register_outputs({output: getattr(self, output) for output in sorted(self.output_names())})

    def _desired_state(self, args: HealthImagingStoreArgs) -> pulumi.Output[str]:
        return pulumi.Output.json_dumps(
            {
                "DatastoreName": args.context.naming.name("images", limit=_DATASTORE_NAME_LIMIT),
                "KmsKeyArn": args.imaging_key_arn,
                # tags that never change: a data store cannot be retagged this way, only replaced
                "Tags": {"project": args.context.naming.project, "data-class": "imaging"},
            },
            sort_keys=True,
        )

    def _build_import_role(self, name: str, args: HealthImagingStoreArgs) -> pulumi.Output[str]:
        naming = args.context.naming
        bucket_arn = args.ingestion_bucket_arn
        role = service_role(
            f"{name}-import-role",
            context=args.context,
            role=IMPORT_ROLE,
            services=["medical-imaging.amazonaws.com"],
            source_arn=naming.arn("medical-imaging", "datastore/*"),
            statements=[
                Statement(
                    sid="ListImportFolders",
                    actions=["s3:ListBucket"],
                    resources=[bucket_arn],
                    conditions={"StringLike": {"s3:prefix": [f"{IMPORT_INPUT_PREFIX}*", f"{IMPORT_OUTPUT_PREFIX}*"]}},
                ),
                Statement(
                    sid="ReadStagedImages",
                    actions=["s3:GetObject"],
                    resources=[pulumi.Output.concat(bucket_arn, f"/{IMPORT_INPUT_PREFIX}*")],
                ),
                Statement(
                    sid="WriteImportResults",
                    actions=["s3:PutObject"],
                    resources=[pulumi.Output.concat(bucket_arn, f"/{IMPORT_OUTPUT_PREFIX}*")],
                ),
                Statement(
                    sid="UseTheBucketKeyThroughS3",
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=[args.phi_key_arn],
                    conditions={"StringEquals": {"kms:ViaService": f"s3.{args.context.region}.amazonaws.com"}},
                ),
            ],
            tags=args.context.tags_for("healthimaging", "phi"),
            description="HealthImaging import jobs: staged images in, job results out",
            opts=self.child(),
        )
        # whoever starts a job must find the rights in place, not only the role
        return pulumi.Output.all(role.arn, role.policy.id).apply(lambda made: made[0])
