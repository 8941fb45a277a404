"""The frame proxy on AWS: CloudFront's VPC origin -> internal load balancer -> Fargate in two zones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._configuration_delivery import DeliverySettings
from components._container_service import (
    ContainerGround,
    ContainerPlan,
    ContainerService,
    ContainerTargets,
    container_service,
)
from components._frame_proxy_alarms import frame_proxy_alarms
from components._iam import Statement
from components._logs import log_group
from components._workload import Table

ROLE: Final = "frame-proxy"
PORT: Final = 8443
ROOT: Final = "/dicom-web"
PREFIX: Final = "FRAME_PROXY_"
ACCESS_LOG_PREFIX: Final = "frame-proxy"
DRAIN_SECONDS: Final = 60
_LB_NAME: Final = 32
_MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class FrameProxyArgs:
    """What the proxy needs.

    Attributes:
        image: `registry/repository@sha256:...`; None makes nothing.
        issuer: of the tokens that are taken. client_ids: whose tokens they must be.
        log_bucket: where the load balancer writes its access log.
        vpc_cidr: addresses of the VPC, where CloudFront's VPC origin has its interfaces.
    """

    ground: ContainerGround
    settings: DeliverySettings
    image: str | None
    datastore_id: pulumi.Input[str]
    datastore_arn: pulumi.Input[str]
    assignments: Table
    pseudonym_secret_arn: pulumi.Input[str]
    issuer: pulumi.Input[str]
    client_ids: list[pulumi.Input[str]]
    log_bucket: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    vpc_cidr: str
    private_group_id: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    deletion_protection: bool


class DeliveryIncompleteError(pulumi.RunError):
    """The proxy was asked for without what it needs; the engine shows the sentence without a traceback."""


def audit_group(context: Context) -> str:
    """Name of the log group that tells who read what."""
    return f"/imaging/{context.naming.name('access-audit')}"


class FrameProxy(PlatformComponent):
    """DICOMweb and partial frames inside the VPC.

    Creates, where an image is configured: the audit's log group, the internal load balancer with its security group,
    TLS listener and target group, the tasks' security group, the service of `_container_service` scaled by requests as
    well, and its alarms. Guarantees: only the VPC reaches it, over TLS from end to end; the code may read one data
    store, the assignments and the pseudonym key, write the audit, and nothing else.

    Attributes:
        load_balancer_arn, load_balancer_dns: "" where nothing is made.
    """

    load_balancer_arn: pulumi.Output[str]
    load_balancer_dns: pulumi.Output[str]
    audit_log_group_name: pulumi.Output[str]

    def __init__(self, name: str, args: FrameProxyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the proxy. Raises DeliveryIncompleteError when it could not be reached safely."""
        super().__init__("imaging:frame_proxy:FrameProxy", name, opts)
        self._context = args.ground.context
        self._tags = self._context.tags_for(ROLE, "phi")
        self.load_balancer_arn = self.load_balancer_dns = self.audit_log_group_name = pulumi.Output.from_input("")
        if args.image is not None:
            self._build(name, args, args.image)
        self.register_outputs(
            {
                "load_balancer_arn": self.load_balancer_arn,
                "load_balancer_dns": self.load_balancer_dns,
                "audit_log_group_name": self.audit_log_group_name,
            }
        )

    def _build(self, name: str, args: FrameProxyArgs, image: str) -> None:
        certificate = args.settings.origin_certificate_arn
        if certificate is None or args.settings.certificate_arn is None or args.settings.domain_name is None:
            raise DeliveryIncompleteError(
                "containers.frameProxy names an image, but delivery.domainName, certificateArn or originCertificateArn "
                "is missing: browsers could not reach it over TLS (docs/DICOM_STREAMING.md)"
            )
        audit = log_group(
            f"{name}-audit",
            name=audit_group(self._context),
            log_class="audit",
            keeping=args.ground.logs,
            tags=self._tags,
            opts=self.child(),
        )
        outer, inner = self._build_security_groups(name, args)
        balancer = self._build_balancer(name, args, outer)
        targets = self._build_target_group(name, args)
        listener = self._build_listener(name, balancer, targets, certificate)
        made = container_service(
            name,
            self._plan(args, image),
            args.ground,
            ContainerTargets(
                security_group_ids=[args.private_group_id, inner.id],
                target_groups={PORT: targets.arn},
                depends_on=[listener, audit],
            ),
            self.child(),
        )
        self._scale_by_requests(name, args, made, balancer, targets)
        frame_proxy_alarms(
            name,
            context=self._context,
            topic_arn=args.topic_arn,
            place={"LoadBalancer": balancer.arn_suffix, "TargetGroup": targets.arn_suffix},
            tags=self._tags,
            child=self.child(),
        )
        self.load_balancer_arn, self.load_balancer_dns = balancer.arn, balancer.dns_name
        self.audit_log_group_name = audit.name

    def _plan(self, args: FrameProxyArgs, image: str) -> ContainerPlan:
        settings = args.settings
        budget = settings.memory_mb * _MEBIBYTE * 3 // 5
        values: dict[str, pulumi.Input[str]] = {
            "REGION": self._context.region,
            "DATASTORE_ID": args.datastore_id,
            "ISSUER": args.issuer,
            "CLIENT_IDS": pulumi.Output.all(*args.client_ids).apply(_joined),
            "ASSIGNMENTS_TABLE": args.assignments.name,
            "PSEUDONYM_KEY_SECRET_ARN": args.pseudonym_secret_arn,
            "AUDIT_LOG_GROUP": audit_group(self._context),
            "HOST": "0.0.0.0",  # noqa: S104  (of a task's own network interface, behind its security group)
            "PORT": str(PORT),
            "ROOT": ROOT,
            "TLS_SELF_SIGNED": "true",
            "PUBLIC_URL": f"https://{settings.domain_name}",
            "FRAME_CACHE_BYTES": str(budget * 4 // 5),
            "METADATA_CACHE_BYTES": str(budget // 5),
        }
        return ContainerPlan(
            role=ROLE,
            image=image,
            command=["--environment"],
            environment={f"{PREFIX}{key}": value for key, value in values.items()},
            secrets={},
            secret_arns=[],
            statements=self._statements(args),
            ports=[PORT],
            cpu=settings.cpu,
            memory_mb=settings.memory_mb,
            minimum_tasks=settings.minimum_tasks,
            maximum_tasks=settings.maximum_tasks,
            data_class="phi",
        )

    def _statements(self, args: FrameProxyArgs) -> list[Statement]:
        context, keys = self._context, args.ground.keys
        audit = context.naming.arn("logs", f"log-group:{audit_group(context)}:*")
        return [
            Statement(
                sid="FindStudies",
                actions=["medical-imaging:SearchImageSets"],
                resources=[args.datastore_arn],
            ),
            Statement(
                sid="ReadImages",
                actions=[
                    "medical-imaging:GetDICOMBulkdata",
                    "medical-imaging:GetImageFrame",
                    "medical-imaging:GetImageSetMetadata",
                ],
                resources=[args.datastore_arn, pulumi.Output.concat(args.datastore_arn, "/imageset/*")],
            ),
            Statement(
                sid="DecryptImages",
                actions=["kms:Decrypt"],
                resources=[keys.imaging],
                conditions={"StringEquals": {"kms:ViaService": f"medical-imaging.{context.region}.amazonaws.com"}},
            ),
            Statement(sid="AskWhoIsAssigned", actions=["dynamodb:Query"], resources=[args.assignments.arn]),
            Statement(
                sid="DecryptAssignments",
                actions=["kms:Decrypt"],
                resources=[keys.tracking],
                conditions={"StringEquals": {"kms:ViaService": f"dynamodb.{context.region}.amazonaws.com"}},
            ),
            Statement(
                sid="ReadPseudonymKey",
                actions=["secretsmanager:GetSecretValue"],
                resources=[args.pseudonym_secret_arn],
            ),
            Statement(
                sid="DecryptPseudonymKey",
                actions=["kms:Decrypt"],
                resources=[keys.secrets],
                conditions={"StringEquals": {"kms:ViaService": f"secretsmanager.{context.region}.amazonaws.com"}},
            ),
            Statement(sid="WriteAccessAudit", actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[audit]),
        ]

    def _build_security_groups(
        self, name: str, args: FrameProxyArgs
    ) -> tuple[aws.ec2.SecurityGroup, aws.ec2.SecurityGroup]:
        """Of the load balancer (from the VPC, to the tasks) and of the tasks (from the load balancer)."""
        groups: list[aws.ec2.SecurityGroup] = []
        for role, description in (("balancer", "HTTPS from the VPC origin"), ("tasks", "From the balancer")):
            full = self._context.naming.name(f"{ROLE}-{role}", limit=255)
            group = aws.ec2.SecurityGroup(
                f"{name}-{role}",
                name=full,
                description=description,
                vpc_id=args.vpc_id,
                tags={**self._tags, "Name": full},
                opts=self.child(),
            )
            groups.append(group)
        outer, inner = groups
        rule: dict[str, Any] = {"ip_protocol": "tcp", "tags": self._tags, "opts": self.child()}
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-from-origin",
            security_group_id=outer.id,
            description="HTTPS from the interfaces of the VPC origin of CloudFront",
            cidr_ipv4=args.vpc_cidr,
            from_port=443,
            to_port=443,
            **rule,
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-to-tasks",
            security_group_id=outer.id,
            description="To the tasks",
            referenced_security_group_id=inner.id,
            from_port=PORT,
            to_port=PORT,
            **rule,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-from-balancer",
            security_group_id=inner.id,
            description="From the load balancer",
            referenced_security_group_id=outer.id,
            from_port=PORT,
            to_port=PORT,
            **rule,
        )
        return outer, inner

    def _build_balancer(self, name: str, args: FrameProxyArgs, group: aws.ec2.SecurityGroup) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            f"{name}-balancer",
            name=self._context.naming.name(ROLE, limit=_LB_NAME),
            internal=True,
            load_balancer_type="application",
            subnets=args.ground.subnet_ids,
            security_groups=[group.id],
            drop_invalid_header_fields=True,
            desync_mitigation_mode="strictest",
            enable_deletion_protection=args.deletion_protection,
            idle_timeout=60,  # seconds; the proxy keeps connections longer, so it is never the one that closes
            access_logs={"enabled": True, "bucket": args.log_bucket, "prefix": ACCESS_LOG_PREFIX},
            tags=self._tags,
            opts=self.child(),
        )

    def _build_target_group(self, name: str, args: FrameProxyArgs) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            f"{name}-targets",
            name=self._context.naming.name(ROLE, limit=_LB_NAME),
            port=PORT,
            protocol="HTTPS",  # load balancers do not check a target's certificate, so that it is made at its start
            target_type="ip",
            vpc_id=args.vpc_id,
            deregistration_delay=DRAIN_SECONDS,
            load_balancing_algorithm_type="least_outstanding_requests",
            slow_start=30,
            health_check={
                "protocol": "HTTPS",
                "path": "/readyz",
                "interval": 10,
                "timeout": 5,
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
                "matcher": "200",
            },
            tags=self._tags,
            opts=self.child(),
        )

    def _build_listener(
        self, name: str, balancer: aws.lb.LoadBalancer, targets: aws.lb.TargetGroup, certificate: str
    ) -> aws.lb.Listener:
        """Only what lies below DICOMweb's root is passed on: health and metrics are not for browsers."""
        listener = aws.lb.Listener(
            f"{name}-listener",
            load_balancer_arn=balancer.arn,
            port=443,
            protocol="HTTPS",
            ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06",
            certificate_arn=certificate,
            default_actions=[
                {"type": "fixed-response", "fixed_response": {"content_type": "text/plain", "status_code": "404"}}
            ],
            tags=self._tags,
            opts=self.child(),
        )
        aws.lb.ListenerRule(
            f"{name}-dicomweb",
            listener_arn=listener.arn,
            priority=1,
            conditions=[{"path_pattern": {"values": [f"{ROOT}/*"]}}],
            actions=[{"type": "forward", "target_group_arn": targets.arn}],
            tags=self._tags,
            opts=self.child(),
        )
        return listener

    def _scale_by_requests(
        self,
        name: str,
        args: FrameProxyArgs,
        made: ContainerService,
        balancer: aws.lb.LoadBalancer,
        targets: aws.lb.TargetGroup,
    ) -> None:
        label = pulumi.Output.concat(balancer.arn_suffix, "/", targets.arn_suffix)
        aws.appautoscaling.Policy(
            f"{name}-scaling-requests",
            name=f"{made.service_name}-requests",
            policy_type="TargetTrackingScaling",
            service_namespace="ecs",
            resource_id=f"service/{made.cluster_name}/{made.service_name}",
            scalable_dimension="ecs:service:DesiredCount",
            target_tracking_scaling_policy_configuration={
                "predefined_metric_specification": {
                    "predefined_metric_type": "ALBRequestCountPerTarget",
                    "resource_label": label,
                },
                "target_value": args.settings.requests_per_task,
                "scale_out_cooldown": 30,
                "scale_in_cooldown": 600,
            },
            opts=self.child(depends_on=[made.service]),
        )


def _joined(values: list[str]) -> str:
    return ",".join(values)
