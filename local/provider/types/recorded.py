"""Types that the embedded AWS does not have: kept in the Pulumi state only, with computed outputs that look right.

To add one: one line in `RECORDED`. `{id}`, `{hash}`, `{uuid}`, `{aws.region}`, `{aws.account}` and every
input can stand in the id form and in the outputs.
"""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from ..clients import Aws
from ..kind import Kind, Values

ABSENT = "the embedded AWS has no {0} API"
RECORD = "the embedded AWS keeps {0} only as a record, without effect"

EDGE = "the embedded AWS has no edge; the viewer's origin is a local process instead: `local/viewer_origin.py`"
SERVICES = "the embedded AWS runs no containers; they are local processes instead: `python -m local scp`"

# token, name input, id form, outputs, reason
Row = tuple[str, str, str, dict[str, Any], str]
RECORDED: tuple[Row, ...] = (
    ("cloudtrail/trail:Trail", "name", "{arn}",
     {"arn": "arn:aws:cloudtrail:{aws.region}:{aws.account}:trail/{name}", "homeRegion": "{aws.region}"},
     RECORD.format("CloudTrail")),
    ("guardduty/detector:Detector", "", "{hash}",
     {"arn": "arn:aws:guardduty:{aws.region}:{aws.account}:detector/{id}", "accountId": "{aws.account}"},
     ABSENT.format("GuardDuty")),
    ("guardduty/detectorFeature:DetectorFeature", "", "{detectorId}/{name}", {}, ABSENT.format("GuardDuty")),
    ("cfg/recorder:Recorder", "name", "{name}", {}, RECORD.format("AWS Config")),
    ("cfg/deliveryChannel:DeliveryChannel", "name", "{name}", {}, RECORD.format("AWS Config")),
    ("cfg/recorderStatus:RecorderStatus", "", "{name}", {}, RECORD.format("AWS Config")),
    ("cfg/rule:Rule", "name", "{name}",
     {"arn": "arn:aws:config:{aws.region}:{aws.account}:config-rule/config-rule-{hash}",
      "ruleId": "config-rule-{hash}"}, RECORD.format("AWS Config")),
    ("wafv2/webAcl:WebAcl", "name", "{uuid}",
     {"arn": "arn:aws:wafv2:{aws.region}:{aws.account}:regional/webacl/{name}/{id}", "capacity": 100,
      "lockToken": "{uuid}"}, RECORD.format("WAF")),
    ("wafv2/webAclAssociation:WebAclAssociation", "", "{webAclArn},{resourceArn}", {}, RECORD.format("WAF")),
    ("wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration", "", "{resourceArn}", {},
     "the embedded AWS has no PutLoggingConfiguration of WAF"),
    ("s3/bucketIntelligentTieringConfiguration:BucketIntelligentTieringConfiguration", "name", "{bucket}:{name}", {},
     "the embedded AWS answers 200 and keeps nothing"),
    ("s3/bucketMetric:BucketMetric", "name", "{bucket}:{name}", {}, "the embedded AWS answers 200 and keeps nothing"),
    ("appautoscaling/target:Target", "", "{resourceId}",
     {"arn": "arn:aws:application-autoscaling:{aws.region}:{aws.account}:scalable-target/{hash}"},
     ABSENT.format("Application Auto Scaling")),
    ("appautoscaling/policy:Policy", "name", "{name}",
     {"arn": "arn:aws:autoscaling:{aws.region}:{aws.account}:scalingPolicy:{uuid}:resource/{serviceNamespace}/"
             "{resourceId}:policyName/{name}", "alarmArns": []}, ABSENT.format("Application Auto Scaling")),
    ("lb/listenerRule:ListenerRule", "", "{arn}",
     {"arn": "arn:aws:elasticloadbalancing:{aws.region}:{aws.account}:listener-rule/app/{hash}"}, SERVICES),
    ("cloudfront/distribution:Distribution", "", "{hash}",
     {"arn": "arn:aws:cloudfront::{aws.account}:distribution/{id}", "domainName": "{hash}.cloudfront.net",
      "hostedZoneId": "Z2FDTNDATAQYW2", "status": "Deployed"}, EDGE),
    ("cloudfront/function:Function", "name", "{name}",
     {"arn": "arn:aws:cloudfront::{aws.account}:function/{name}"}, EDGE),
    ("cloudfront/originAccessControl:OriginAccessControl", "name", "{hash}", {}, EDGE),
    ("cloudfront/responseHeadersPolicy:ResponseHeadersPolicy", "name", "{uuid}", {}, EDGE),
    ("cloudfront/vpcOrigin:VpcOrigin", "", "{hash}",
     {"arn": "arn:aws:cloudfront::{aws.account}:vpcorigin/{id}"}, EDGE),
    ("ecs/cluster:Cluster", "name", "{arn}",
     {"arn": "arn:aws:ecs:{aws.region}:{aws.account}:cluster/{name}"}, SERVICES),
    ("ecs/taskDefinition:TaskDefinition", "family", "{family}",
     {"arn": "arn:aws:ecs:{aws.region}:{aws.account}:task-definition/{family}:1",
      "arnWithoutRevision": "arn:aws:ecs:{aws.region}:{aws.account}:task-definition/{family}", "revision": 1},
     SERVICES),
    ("ecs/service:Service", "name", "arn:aws:ecs:{aws.region}:{aws.account}:service/{name}/{name}",
     {"arn": "arn:aws:ecs:{aws.region}:{aws.account}:service/{name}/{name}"}, SERVICES),
    ("lb/loadBalancer:LoadBalancer", "name", "{arn}",
     {"arn": "arn:aws:elasticloadbalancing:{aws.region}:{aws.account}:loadbalancer/net/{name}/{hash}",
      "arnSuffix": "net/{name}/{hash}", "dnsName": "{name}.elb.{aws.region}.amazonaws.com", "zoneId": "{hash}"},
     SERVICES),
    ("lb/targetGroup:TargetGroup", "name", "{arn}",
     {"arn": "arn:aws:elasticloadbalancing:{aws.region}:{aws.account}:targetgroup/{name}/{hash}",
      "arnSuffix": "targetgroup/{name}/{hash}"}, SERVICES),
    ("lb/listener:Listener", "", "{arn}",
     {"arn": "arn:aws:elasticloadbalancing:{aws.region}:{aws.account}:listener/net/{hash}"}, SERVICES),
    ("securityhub/account:Account", "", "{aws.account}",
     {"arn": "arn:aws:securityhub:{aws.region}:{aws.account}:hub/default"}, ABSENT.format("Security Hub")),
    ("accessanalyzer/analyzer:Analyzer", "", "{analyzerName}",
     {"arn": "arn:aws:access-analyzer:{aws.region}:{aws.account}:analyzer/{analyzerName}"},
     ABSENT.format("Access Analyzer")),
    ("chatbot/slackChannelConfiguration:SlackChannelConfiguration", "",
     "arn:aws:chatbot::{aws.account}:chat-configuration/slack-channel/{configurationName}",
     {"chatConfigurationArn": "{id}"}, ABSENT.format("chat")),
    ("s3/bucketReplicationConfig:BucketReplicationConfig", "", "{bucket}", {},
     "the embedded AWS keeps a replication configuration and copies nothing"),
    ("s3/accountPublicAccessBlock:AccountPublicAccessBlock", "", "{aws.account}", {"accountId": "{aws.account}"},
     "the embedded AWS is on loopback, where S3 Control's host name with the account id in it does not exist"),
    ("ebs/encryptionByDefault:EncryptionByDefault", "", "default", {},
     "the embedded AWS has no EnableEbsEncryptionByDefault"),
    ("ebs/defaultKmsKey:DefaultKmsKey", "", "{keyArn}", {}, "the embedded AWS has no ModifyEbsDefaultKmsKeyId"),
    ("iam/accountPasswordPolicy:AccountPasswordPolicy", "", "iam-account-password-policy", {"expirePasswords": True},
     "the embedded AWS has no UpdateAccountPasswordPolicy"),
    ("iam/serviceLinkedRole:ServiceLinkedRole", "",
     "arn:aws:iam::{aws.account}:role/aws-service-role/{awsServiceName}/{hash}",
     {"arn": "{id}", "name": "AWSServiceRoleFor{awsServiceName}"}, RECORD.format("service-linked roles")),
    ("backup/vault:Vault", "name", "{name}",
     {"arn": "arn:aws:backup:{aws.region}:{aws.account}:backup-vault:{name}", "recoveryPoints": 0},
     RECORD.format("AWS Backup")),
    ("backup/plan:Plan", "name", "{uuid}",
     {"arn": "arn:aws:backup:{aws.region}:{aws.account}:backup-plan:{id}", "version": "{hash}"},
     RECORD.format("AWS Backup")),
    ("backup/selection:Selection", "name", "{uuid}", {}, RECORD.format("AWS Backup")),
    ("ecr/registryScanningConfiguration:RegistryScanningConfiguration", "", "{aws.account}",
     {"registryId": "{aws.account}"}, "the embedded AWS has no PutRegistryScanningConfiguration"),
    ("xray/group:Group", "groupName", "{arn}",
     {"arn": "arn:aws:xray:{aws.region}:{aws.account}:group/{groupName}/{hash}"}, ABSENT.format("X-Ray")),
    ("xray/encryptionConfig:EncryptionConfig", "", "{aws.region}", {}, ABSENT.format("X-Ray")),
    ("cloudwatch/logDataProtectionPolicy:LogDataProtectionPolicy", "", "{logGroupName}", {},
     "the embedded AWS has no PutDataProtectionPolicy"),
    ("cloudwatch/queryDefinition:QueryDefinition", "name", "{uuid}",
     {"arn": "arn:aws:logs:{aws.region}:{aws.account}:query-definition:{id}", "queryDefinitionId": "{id}"},
     "the embedded AWS has no PutQueryDefinition"),
)  # fmt: skip
TAGGED = {
    "cloudtrail/trail:Trail",
    "guardduty/detector:Detector",
    "cfg/rule:Rule",
    "iam/serviceLinkedRole:ServiceLinkedRole",
    "wafv2/webAcl:WebAcl",
    "appautoscaling/target:Target",
    "cloudfront/distribution:Distribution",
    "cloudfront/function:Function",
    "cloudfront/vpcOrigin:VpcOrigin",
    "ecs/cluster:Cluster",
    "ecs/service:Service",
    "ecs/taskDefinition:TaskDefinition",
    "lb/listener:Listener",
    "lb/listenerRule:ListenerRule",
    "lb/loadBalancer:LoadBalancer",
    "lb/targetGroup:TargetGroup",
    "accessanalyzer/analyzer:Analyzer",
    "chatbot/slackChannelConfiguration:SlackChannelConfiguration",
    "backup/vault:Vault",
    "backup/plan:Plan",
    "xray/group:Group",
}
GLOBAL = ("cloudfront/", "iam/", "s3/accountPublicAccessBlock:")
"""Types of services without a region: no `region` input."""


class Recorded(Kind):
    """Life of a recorded object: the state is all there is, so `read` can only repeat it."""

    id_form = ""
    computed: dict[str, Any] = {}

    def create(self, aws: Aws, new: Values) -> str:
        digest = hashlib.sha256(repr(sorted((k, str(v)) for k, v in new.items())).encode()).hexdigest()
        values = {**new, "aws": aws, "hash": digest[:32], "uuid": uuid.UUID(digest[:32])}
        arn = self.computed.get("arn", "")
        if self.id_form == "{arn}":
            return arn.format_map(values)
        return self.id_form.format_map(values)

    def read(self, aws: Aws, id: str, known: Values) -> Values | None:
        digest = hashlib.sha256(id.encode()).hexdigest()
        values = {**known, "id": id, "aws": aws, "hash": digest[:32], "uuid": uuid.UUID(digest[:32])}
        outputs = {k: v.format_map(values) if isinstance(v, str) else v for k, v in self.computed.items()}
        if self.id_form == "{arn}":
            outputs["arn"] = id
        kept = {k: v for k, v in known.items() if self.taggable or k != "tagsAll"}
        return {**outputs, **kept, **({"arn": outputs["arn"]} if "arn" in outputs else {})}

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        """Nothing to tell: the engine writes the new state."""

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        """Nothing to tell: the engine forgets the state."""


def _define(row: Row) -> None:
    path, name, id_form, outputs, reason = row
    type_name = path.rpartition(":")[2]
    facts = {
        "pulumi_type": f"aws:{path}",
        "name": name,
        "id_form": id_form,
        "computed": outputs,
        "recorded": reason,
        "taggable": path in TAGGED,
        "regional": not path.startswith(GLOBAL),
    }
    type(type_name, (Recorded,), {**facts, "__module__": __name__})


for _row in RECORDED:
    _define(_row)
