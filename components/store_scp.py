"""The DICOM receiver on AWS: modalities -> internal network load balancer -> Fargate -> upload/ of the bucket."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._configuration_receiver import ReceiverSettings
from components._container_service import (
    STOP_SECONDS,
    ContainerGround,
    ContainerPlan,
    ContainerService,
    ContainerTargets,
    container_service,
)
from components._iam import Statement
from components._runbooks import described

ROLE: Final = "store-scp"
TLS_PORT: Final = 11113
PLAIN_PORT: Final = 11112
HEALTH_PORT: Final = 8080
NAMESPACE: Final = "ImagingPlatform"
CONFIGURATION: Final = "STORE_SCP_CONFIG"
"""Variable that holds the receiver's configuration file; no secret is in it."""
PREFIX: Final = "upload"
DRAIN_SECONDS: Final = STOP_SECONDS - 20
"""Associations may end by themselves for so long; the rest of Fargate's time is for ending them."""
TEMPORARY_GB: Final = 60
PROCESS_DISK_BYTES: Final = 10 << 30
"""Of the temporary disk, for instances too large for memory; a task of four cores has four processes."""
_NAME_KEY_BYTES: Final = 32
_LB_NAME = 32


@dataclass(frozen=True, kw_only=True)
class DicomReceiverArgs:
    """What the receiver needs.

    Attributes:
        image: `registry/repository@sha256:...`; None makes nothing, and says so in the outputs.
        bucket: physical name of the landing bucket; objects go below `upload/`.
        private_group_id: security group that lets out to the AWS endpoints.
        topic_arn: where alarms go.
    """

    ground: ContainerGround
    settings: ReceiverSettings
    image: str | None
    bucket: str
    vpc_id: pulumi.Input[str]
    private_group_id: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    deletion_protection: bool
    secret_recovery_days: int


class ReceiverIncompleteError(pulumi.RunError):
    """The receiver was asked for without what it needs; the engine shows the sentence without a traceback."""


def make_name_key(_secret_arn: str) -> str:
    """32 random bytes as hex: the key of the names of received objects."""
    return secrets.token_hex(_NAME_KEY_BYTES)


def configuration_of(settings: ReceiverSettings, bucket: str, key_arn: str) -> str:
    """The receiver's configuration file as JSON, which is YAML; `services.store_scp.configuration` reads it."""
    tls = {"certificate": "env:TLS_CERTIFICATE", "key": "env:TLS_KEY", "client_ca": "env:TLS_CLIENT_CA"}
    everywhere = "0.0.0.0"  # noqa: S104  (of a task's own network interface, behind its security group)
    listeners: list[dict[str, Any]] = [{"address": everywhere, "port": TLS_PORT, "tls": tls}]
    if settings.unencrypted_port:
        listeners.append({"address": everywhere, "port": PLAIN_PORT, "unencrypted": True})
    document = {
        "ae_title": settings.ae_title,
        "listeners": listeners,
        "peers": [
            {
                "name": peer.name,
                "ae_title": peer.ae_title,
                "addresses": [str(network) for network in peer.addresses],
                "rights": sorted(peer.rights),
                "certificates": list(peer.certificates),
                "associations": peer.associations,
            }
            for peer in settings.peers
        ],
        "store": {"s3": {"bucket": bucket, "kms_key_id": key_arn}},
        "naming": {"prefix": PREFIX, "layout": "opaque", "key": "env:NAME_KEY"},
        "limits": {"drain_seconds": DRAIN_SECONDS, "disk_bytes": PROCESS_DISK_BYTES},
        "health": {"address": everywhere, "port": HEALTH_PORT, "emf_seconds": 60, "namespace": NAMESPACE},
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


NameKey = tuple[aws.secretsmanager.Secret, aws.secretsmanager.SecretVersion]
"""The secret, and the version that tasks are given."""


class DicomReceiver(PlatformComponent):
    """C-STORE over mutual TLS (11113; plain 11112 by settings) into the landing bucket, in every private subnet.

    Creates, where an image is configured: the key of the object names, the load balancer with its security group,
    listeners and target groups, the tasks' security group, the service of `_container_service`, and its alarms.
    Guarantees: only the peers' networks reach it; the code may write below `upload/` and list it, and read nothing.
    """

    address: pulumi.Output[str]
    service_name: pulumi.Output[str]

    def __init__(self, name: str, args: DicomReceiverArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the receiver. Raises ReceiverIncompleteError when it could not start."""
        super().__init__("imaging:store_scp:DicomReceiver", name, opts)
        self._context: Context = args.ground.context
        self._tags = self._context.tags_for(ROLE, "phi")
        self.address = pulumi.Output.from_input("")
        self.service_name = pulumi.Output.from_input("")
        if args.image is not None:
            self._build(name, args, args.image)
        self.register_outputs({"address": self.address, "service_name": self.service_name})

    def _build(self, name: str, args: DicomReceiverArgs, image: str) -> None:
        if not args.settings.peers or args.settings.tls_secret_arn is None:
            raise ReceiverIncompleteError(
                "containers.storeScp names an image, but receiver.peers or receiver.tlsSecretArn is missing: "
                "nobody could send, or not safely (docs/DEPLOYMENT.md)"
            )
        name_key, current = self._build_name_key(name, args)
        outer, inner = self._build_security_groups(name, args)
        balancer = self._build_balancer(name, args, outer)
        ports = [TLS_PORT, *([PLAIN_PORT] if args.settings.unencrypted_port else [])]
        groups = {port: self._build_target_group(name, args, port) for port in ports}
        listeners = [self._build_listener(name, balancer, port, groups[port]) for port in ports]
        made = container_service(
            name,
            self._plan(args, image, (name_key, current), args.settings.tls_secret_arn, ports),
            args.ground,
            ContainerTargets(
                security_group_ids=[args.private_group_id, inner.id],
                target_groups={port: group.arn for port, group in groups.items()},
                depends_on=listeners,
            ),
            self.child(),
        )
        self._build_alarms(name, args, made, balancer, groups[TLS_PORT])
        self.address = balancer.dns_name
        self.service_name = made.service.name

    def _plan(
        self, args: DicomReceiverArgs, image: str, name_key: NameKey, tls: str, ports: Sequence[int]
    ) -> ContainerPlan:
        settings, bucket = args.settings, args.bucket
        secret, current = name_key
        key_arn = pulumi.Output.from_input(args.ground.keys.phi)
        return ContainerPlan(
            role=ROLE,
            image=image,
            command=["--config", f"env:{CONFIGURATION}"],
            environment={
                CONFIGURATION: key_arn.apply(lambda arn: configuration_of(settings, bucket, arn)),
                "AWS_REGION": self._context.region,
                "AWS_DEFAULT_REGION": self._context.region,
            },
            secrets={
                "NAME_KEY": pulumi.Output.concat(secret.arn, ":::", current.version_id),  # another one, other tasks
                "TLS_CERTIFICATE": f"{tls}:certificate::",
                "TLS_KEY": f"{tls}:key::",
                "TLS_CLIENT_CA": f"{tls}:clientCa::",
            },
            secret_arns=[secret.arn, tls],
            statements=self._statements(args),
            ports=[*ports, HEALTH_PORT],
            cpu=settings.cpu,
            memory_mb=settings.memory_mb,
            minimum_tasks=settings.minimum_tasks,
            maximum_tasks=settings.maximum_tasks,
            data_class="phi",
            log_class="audit",  # which peer sent what when, and whom it refused
            temporary_gb=TEMPORARY_GB,
        )

    def _statements(self, args: DicomReceiverArgs) -> list[Statement]:
        """Write below `upload/` and list it; no object can be read, none removed."""
        arn = f"arn:{self._context.partition}:s3:::{args.bucket}"
        return [
            Statement(
                sid="KeepReceivedObjects",
                actions=["s3:AbortMultipartUpload", "s3:PutObject"],
                resources=[f"{arn}/{PREFIX}/*"],
            ),
            Statement(
                sid="SayWhatIsCommitted",  # storage commitment asks whether an object of an instance is there
                actions=["s3:ListBucket"],
                resources=[arn],
                conditions={"StringLike": {"s3:prefix": f"{PREFIX}/*"}},
            ),
            Statement(
                sid="EncryptReceivedObjects",  # Decrypt is what S3 needs to complete a multipart upload
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[args.ground.keys.phi],
                conditions={"StringEquals": {"kms:ViaService": f"s3.{self._context.region}.amazonaws.com"}},
            ),
        ]

    def _build_name_key(self, name: str, args: DicomReceiverArgs) -> NameKey:
        """Not the pseudonym key: who receives images need not be able to make pseudonyms.

        Each generation is a resource of its own: the next one is made, and becomes the current one, before the last
        one goes.
        """
        generation = args.settings.name_key_generation
        secret = aws.secretsmanager.Secret(
            f"{name}-name-key",
            name=self._context.naming.name(f"{ROLE}-name-key", limit=512),
            description="Key of the names of received DICOM objects",
            kms_key_id=args.ground.keys.secrets,
            recovery_window_in_days=args.secret_recovery_days,
            tags=self._tags,
            opts=self.child(),
        )
        current = aws.secretsmanager.SecretVersion(
            f"{name}-name-key-value" if generation == 1 else f"{name}-name-key-value-{generation}",
            secret_id=secret.id,
            secret_string=pulumi.Output.secret(secret.arn.apply(make_name_key)),
            opts=self.child(ignore_changes=["secretString"]),
        )
        return secret, current

    def _build_security_groups(
        self, name: str, args: DicomReceiverArgs
    ) -> tuple[aws.ec2.SecurityGroup, aws.ec2.SecurityGroup]:
        """Of the load balancer (from the peers, to the tasks) and of the tasks (from the load balancer)."""
        outer = self._build_group(f"{name}-peers", args, "DICOM from the configured peers")
        inner = self._build_group(f"{name}-tasks", args, "DICOM and health checks from the load balancer")
        ports = [TLS_PORT, *([PLAIN_PORT] if args.settings.unencrypted_port else [])]
        networks = sorted({str(network) for peer in args.settings.peers for network in peer.addresses})
        for port in ports:
            for network in networks:
                role = network.replace("/", "-").replace(".", "-")
                self._allow(f"{name}-from-{role}-{port}", outer, port, {"cidr_ipv4": network})
        for port in [*ports, HEALTH_PORT]:
            self._allow(f"{name}-balancer-{port}", inner, port, {"referenced_security_group_id": outer.id})
            aws.vpc.SecurityGroupEgressRule(
                f"{name}-to-tasks-{port}",
                security_group_id=outer.id,
                description="To the tasks of the receiver",
                referenced_security_group_id=inner.id,
                from_port=port,
                to_port=port,
                ip_protocol="tcp",
                tags=self._tags,
                opts=self.child(),
            )
        return outer, inner

    def _build_group(self, name: str, args: DicomReceiverArgs, description: str) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            name,
            name=self._context.naming.name(name, limit=255),
            description=description,
            vpc_id=args.vpc_id,
            tags=self._tags,
            opts=self.child(),
        )

    def _allow(self, name: str, group: aws.ec2.SecurityGroup, port: int, source: dict[str, pulumi.Input[str]]) -> None:
        aws.vpc.SecurityGroupIngressRule(
            name,
            security_group_id=group.id,
            description="DICOM" if port != HEALTH_PORT else "Health checks",
            from_port=port,
            to_port=port,
            ip_protocol="tcp",
            tags=self._tags,
            opts=self.child(),
            **source,
        )

    def _build_balancer(self, name: str, args: DicomReceiverArgs, group: aws.ec2.SecurityGroup) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            f"{name}-balancer",
            name=self._context.naming.name(ROLE, limit=_LB_NAME),
            internal=True,
            load_balancer_type="network",
            subnets=args.ground.subnet_ids,
            security_groups=[group.id],
            enable_cross_zone_load_balancing=True,
            enable_deletion_protection=args.deletion_protection,
            tags=self._tags,
            opts=self.child(),
        )

    def _build_target_group(self, name: str, args: DicomReceiverArgs, port: int) -> aws.lb.TargetGroup:
        return aws.lb.TargetGroup(
            f"{name}-targets-{port}",
            name=self._context.naming.name(f"scp-{port}", limit=_LB_NAME),
            port=port,
            protocol="TCP",  # TLS ends in the receiver, which binds certificates to AE titles
            target_type="ip",
            vpc_id=args.vpc_id,
            preserve_client_ip="true",  # the receiver's address lists need it
            deregistration_delay=DRAIN_SECONDS,
            connection_termination=False,
            health_check={
                "protocol": "HTTP",
                "port": str(HEALTH_PORT),
                "path": "/readyz",
                "interval": 10,
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
            },
            tags=self._tags,
            opts=self.child(),
        )

    def _build_listener(
        self, name: str, balancer: aws.lb.LoadBalancer, port: int, group: aws.lb.TargetGroup
    ) -> aws.lb.Listener:
        return aws.lb.Listener(
            f"{name}-listener-{port}",
            load_balancer_arn=balancer.arn,
            port=port,
            protocol="TCP",
            default_actions=[{"type": "forward", "target_group_arn": group.arn}],
            tags=self._tags,
            opts=self.child(),
        )

    def _build_alarms(
        self,
        name: str,
        args: DicomReceiverArgs,
        made: ContainerService,
        balancer: aws.lb.LoadBalancer,
        group: aws.lb.TargetGroup,
    ) -> None:
        service = {"service": ROLE}
        healthy = {"LoadBalancer": balancer.arn_suffix, "TargetGroup": group.arn_suffix}
        tasks: dict[str, Any] = {"ClusterName": made.cluster_name, "ServiceName": made.service_name}
        rows: list[tuple[str, str, str, str, dict[str, Any], float, str, str]] = [
            ("not-stored", "Instances were refused because the store or the room failed; senders try again.",
             NAMESPACE, "instances_failed_total", service, 0, "GreaterThanThreshold", "Sum"),
            ("hostile", "Peers break the protocol or its bounds: look at who sends.",
             NAMESPACE, "protocol_errors_total", service, 50, "GreaterThanThreshold", "Sum"),
            ("report-lost", "Storage commitment results could not be delivered; modalities keep their images.",
             NAMESPACE, "commitment_reports_lost_total", service, 0, "GreaterThanThreshold", "Sum"),
            ("no-receiver", "Fewer healthy receivers than one: modalities cannot send.",
             "AWS/NetworkELB", "HealthyHostCount", healthy, 1, "LessThanThreshold", "Minimum"),
            ("memory", "A receiver's memory is nearly full, which its own bounds should prevent.",
             "AWS/ECS", "MemoryUtilization", tasks, 90, "GreaterThanThreshold", "Maximum"),
        ]  # fmt: skip
        for role, meaning, namespace, metric, dimensions, threshold, comparison, statistic in rows:
            aws.cloudwatch.MetricAlarm(
                f"{name}-{role}",
                name=self._context.naming.name(f"{ROLE}-{role}", limit=255),
                alarm_description=described(meaning, f"{ROLE}-{role}", self._context),
                namespace=namespace,
                metric_name=metric,
                dimensions=dimensions,
                statistic=statistic,
                period=60,
                evaluation_periods=3 if comparison == "LessThanThreshold" else 1,
                threshold=threshold,
                comparison_operator=comparison,
                treat_missing_data="breaching" if comparison == "LessThanThreshold" else "notBreaching",
                alarm_actions=[args.topic_arn],
                ok_actions=[args.topic_arn],
                tags=self._tags,
                opts=self.child(),
            )
