"""What looks for attacks and for doors left open: GuardDuty and IAM Access Analyzer, one each an account and region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent

FEATURES: Final = {
    "S3_DATA_EVENTS": (),  # unusual access to objects
    "EBS_MALWARE_PROTECTION": (),  # scans the volumes of a suspicious instance
    "LAMBDA_NETWORK_LOGS": (),  # functions that talk to bad addresses
    "RUNTIME_MONITORING": ("ECS_FARGATE_AGENT_MANAGEMENT",),  # inside the containers
}
"""Protection plans of GuardDuty and what is switched on within them; clusters and databases are not used here.
https://docs.aws.amazon.com/guardduty/latest/ug/guardduty-features-activation-model.html"""


@dataclass(frozen=True, kw_only=True)
class DetectionArgs:
    """What detection needs: the stack's names and tags."""

    context: Context


class Detection(PlatformComponent):
    """GuardDuty with the protection plans for storage, functions and containers, and an analyzer of outside access.

    Creates `{name}-detector`, `{name}-<feature>` and `{name}-analyzer`. Guarantees: findings are renewed every
    fifteen minutes; they reach the bus of AWS's events, where breach response waits for them.
    """

    detector_id: pulumi.Output[str]
    analyzer_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DetectionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds both."""
        super().__init__("imaging:detection:Detection", name, opts)
        tags = args.context.tags_for("detection")
        detector = aws.guardduty.Detector(
            f"{name}-detector",
            enable=True,
            finding_publishing_frequency="FIFTEEN_MINUTES",
            tags=tags,
            opts=self.child(),
        )
        for feature, additions in FEATURES.items():
            aws.guardduty.DetectorFeature(
                f"{name}-{feature.lower().replace('_', '-')}",
                detector_id=detector.id,
                name=feature,
                status="ENABLED",
                additional_configurations=[
                    aws.guardduty.DetectorFeatureAdditionalConfigurationArgs(name=addition, status="ENABLED")
                    for addition in additions
                ]
                or None,
                opts=self.child(),
            )
        analyzer = aws.accessanalyzer.Analyzer(
            f"{name}-analyzer",
            analyzer_name=args.context.naming.name("access", limit=255),
            type="ACCOUNT",
            tags=tags,
            opts=self.child(),
        )
        self.detector_id = detector.id
        self.analyzer_arn = analyzer.arn
        self.register_outputs({"detector_id": self.detector_id, "analyzer_arn": self.analyzer_arn})
