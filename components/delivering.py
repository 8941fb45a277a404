"""How images reach browsers: the frame proxy inside the VPC and the viewer's origin in front of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from components.api import RadiologistApi
from components.assembly import Foundation
from components.containers import image_addresses
from components.events import PlatformEvents
from components.frame_proxy import DeliveryIncompleteError, FrameProxy, FrameProxyArgs
from components.viewer_delivery import ViewerDelivery, ViewerDeliveryArgs


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Both components."""

    proxy: FrameProxy
    viewer: ViewerDelivery

    def exports(self) -> dict[str, pulumi.Output[Any]]:
        """Addresses, and where the viewer's files and the audit go; "" where the stack has none."""
        return {
            "viewer_url": self.viewer.url,
            "viewer_bucket": self.viewer.bucket_name,
            "viewer_distribution_id": self.viewer.distribution_id,
            "access_audit_log_group": self.proxy.audit_log_group_name,
        }


def deliver(base: Foundation, events: PlatformEvents, api: RadiologistApi) -> Delivery:
    """Builds both; nothing is made without `containers.frameProxy`. Raises DeliveryIncompleteError."""
    settings = base.settings
    address = f"https://{settings.delivery.domain_name}"
    if settings.containers.frame_proxy is not None and address not in settings.api.viewer_origins:
        raise DeliveryIncompleteError(
            f"the viewer is served at {address}, which api.viewerOrigins lacks: nobody could sign in there"
        )
    proxy = FrameProxy("frame-proxy", frame_proxy_args(base, events, api))
    return Delivery(proxy=proxy, viewer=ViewerDelivery("viewer", viewer_args(base, proxy, api)))


def frame_proxy_args(base: Foundation, events: PlatformEvents, api: RadiologistApi) -> FrameProxyArgs:
    """The frame proxy between the viewer's origin and the data store."""
    settings, context = base.settings, base.context
    return FrameProxyArgs(
        ground=base.container_ground(),
        settings=settings.delivery,
        image=image_addresses(context, settings.containers).get("frame_proxy"),
        datastore_id=base.images.datastore_id,
        datastore_arn=base.images.datastore_arn,
        assignments=base.table("assignments"),
        pseudonym_secret_arn=base.keys.pseudonym_secret_arn,
        issuer=pulumi.Output.concat(f"https://cognito-idp.{context.region}.amazonaws.com/", api.user_pool_id),
        client_ids=[api.client_id, api.viewer_client_id],
        log_bucket=base.buckets.logs_name,
        vpc_id=base.network.vpc_id,
        vpc_cidr=str(settings.network.vpc_cidr),
        private_group_id=base.network.private_security_group_id,
        topic_arn=events.topic_arn,
        deletion_protection=settings.storage.deletion_protection,
    )


def viewer_args(base: Foundation, proxy: FrameProxy, api: RadiologistApi) -> ViewerDeliveryArgs:
    """The viewer's one origin, where the stack has a frame proxy."""
    settings = base.settings
    return ViewerDeliveryArgs(
        context=base.context,
        keys=base.key_arns,
        settings=settings.delivery,
        enabled=settings.containers.frame_proxy is not None,
        load_balancer_arn=proxy.load_balancer_arn,
        load_balancer_dns=proxy.load_balancer_dns,
        api_url=api.url,
        sign_in_host=api.sign_in_host,
        log_bucket=base.buckets.logs_name,
        logs=base.logs,
        force_destroy=settings.storage.force_destroy,
    )
