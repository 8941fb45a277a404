"""The viewer's one origin: CloudFront over a private bucket, the frame proxy inside the VPC, the API, and sign-in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from components._base import Context, PlatformComponent
from components._configuration_delivery import DeliverySettings
from components._edge_firewall import edge_firewall
from components._iam import Statement, policy_document
from components._logs import LogKeeping
from components._workload import KeyArns
from components.storage import Lifecycle, SecureBucket, SecureBucketArgs

ROLE: Final = "viewer"
DICOMWEB, API, TOKENS = "/dicom-web/*", "/api/*", "/oauth2/*"
YEARS_TWO_SECONDS: Final = 63_072_000
# Policies that AWS keeps for everybody.
# https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
_CACHING_OPTIMIZED: Final = "658327ea-f89d-4fab-a63d-7e88639e58f6"
_CACHING_DISABLED: Final = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
_ALL_VIEWER: Final = "216adef6-5c7f-47e4-b989-5492eafa07d3"
_ALL_VIEWER_EXCEPT_HOST: Final = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
_ALL_METHODS: Final = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
_READ_METHODS: Final = ["GET", "HEAD"]
WORKER_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'unsafe-eval'; connect-src 'self'; worker-src 'self'"
)
"""Of scripts: it counts where a script is a worker, and OHIF's decoders need it there (viewer/headers.py)."""

# A path without a dot in its last part is a page of the application (React router).
PAGES: Final = """function handler(event) {
  var request = event.request;
  if (request.uri.split('/').pop().indexOf('.') < 0) { request.uri = '/index.html'; }
  return request;
}
"""
# API Gateway knows its paths without the prefix that tells the origins apart.
STRIP_API: Final = """function handler(event) {
  var request = event.request;
  request.uri = request.uri.replace(/^\\/api/, '') || '/';
  return request;
}
"""


@dataclass(frozen=True, kw_only=True)
class ViewerDeliveryArgs:
    """What the origin needs.

    Attributes:
        settings: host name and certificates; nothing is made without them, or without a frame proxy.
        load_balancer_arn, load_balancer_dns: the frame proxy's; None where there is none.
        api_url: the API's stage, https://{id}.execute-api.{region}.amazonaws.com/{stage}.
        sign_in_host: of the pool's sign-in pages; the viewer may call its own origin only, so its codes and refresh
            tokens go to the pool through this one.
    """

    context: Context
    keys: KeyArns
    settings: DeliverySettings
    enabled: bool
    load_balancer_arn: pulumi.Input[str]
    load_balancer_dns: pulumi.Input[str]
    api_url: pulumi.Input[str]
    sign_in_host: pulumi.Input[str]
    log_bucket: pulumi.Input[str]
    logs: LogKeeping
    force_destroy: bool


def page_policy(settings: DeliverySettings) -> str:
    """Content-Security-Policy of the viewer's pages: code, data and workers of the own origin only (CSP level 3)."""
    hashes = "".join(f" '{one}'" for one in settings.inline_script_hashes)
    return (
        f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
        "manifest-src 'self'; frame-src 'none'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


class ViewerDelivery(PlatformComponent):
    """CloudFront with the viewer's bucket (OAC), the frame proxy (VPC origin) and the API behind one host name.

    Creates the bucket and its key, the VPC origin, the response headers policies, two functions, the web ACL with its
    log, and the distribution. Guarantees: TLS 1.2 or better; nothing in front is public but the viewer's own files; no
    answer with an image is cached by CloudFront; the browser may load and call this origin only; no path, query or
    token is logged.

    Attributes:
        url: https address, "" where nothing is made.
        bucket_name: where the viewer's files are published.
    """

    url: pulumi.Output[str]
    bucket_name: pulumi.Output[str]
    distribution_id: pulumi.Output[str]

    def __init__(self, name: str, args: ViewerDeliveryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Builds the origin, where the stack has a frame proxy."""
        super().__init__("imaging:viewer_delivery:ViewerDelivery", name, opts)
        self._context = args.context
        self._tags = args.context.tags_for(ROLE, "operations")
        self.url = self.bucket_name = self.distribution_id = pulumi.Output.from_input("")
        if args.enabled:
            self._build(name, args)
        self.register_outputs(
            {"url": self.url, "bucket_name": self.bucket_name, "distribution_id": self.distribution_id}
        )

    def _build(self, name: str, args: ViewerDeliveryArgs) -> None:
        bucket = self._build_bucket(name, args)
        acl = edge_firewall(
            f"{name}-firewall",
            context=self._context,
            keeping=args.logs,
            tags=self._tags,
            opts=self.child(),
        )
        domain = str(args.settings.domain_name)
        distribution = aws.cloudfront.Distribution(
            f"{name}-distribution",
            enabled=True,
            comment=self._context.naming.name(ROLE),
            aliases=[domain],
            http_version="http2and3",
            is_ipv6_enabled=True,
            default_root_object="index.html",
            web_acl_id=acl.arn,
            origins=self._origins(name, args, bucket),
            **self._behaviours(name, args),
            restrictions={"geo_restriction": {"restriction_type": "none"}},
            viewer_certificate={
                "acm_certificate_arn": args.settings.certificate_arn,
                "ssl_support_method": "sni-only",
                "minimum_protocol_version": "TLSv1.2_2021",
            },
            tags=self._tags,
            opts=self.child(),
        )
        self.url = pulumi.Output.from_input(f"https://{domain}")
        self.bucket_name = bucket.bucket_name
        self.distribution_id = distribution.id

    def _build_bucket(self, name: str, args: ViewerDeliveryArgs) -> SecureBucket:
        """The viewer's files: no PHI, but what a browser runs, so nobody else may write or swap them."""
        context = self._context
        distributions = context.naming.arn("cloudfront", "distribution/*", regional=False)
        account = {"AWS": [f"arn:{context.partition}:iam::{context.account}:root"]}
        cloudfront: Any = {"Service": ["cloudfront.amazonaws.com"]}
        # the distribution's own ARN is known only once it exists, and it needs the bucket first
        ours: Any = {
            "StringEquals": {"aws:SourceAccount": context.account},
            "ArnLike": {"aws:SourceArn": distributions},
        }
        key = aws.kms.Key(
            f"{name}-key",
            description=f"{context.naming.project} {context.naming.stack}: the viewer's files",
            policy=policy_document(
                Statement(sid="ByIamPolicies", actions=_KEY_ACTIONS, resources=["*"], principals=account),
                Statement(
                    sid="ServeFiles", actions=["kms:Decrypt"], resources=["*"], principals=cloudfront, conditions=ours
                ),
            ),
            enable_key_rotation=True,
            deletion_window_in_days=30,
            tags=self._tags,
            opts=self.child(),
        )
        return SecureBucket(
            f"{name}-files",
            SecureBucketArgs(
                context=context,
                role=ROLE,
                data_class="operations",
                key_arn=key.arn,
                access_log_bucket=args.log_bucket,
                lifecycle=Lifecycle(intelligent_tiering_days=None, glacier_days=None),
                eventbridge=False,
                force_destroy=args.force_destroy,
                extra_statements=[
                    Statement(
                        sid="ServeFiles",
                        actions=["s3:GetObject"],
                        resources=[f"{context.naming.bucket_arn(ROLE)}/*"],
                        principals=cloudfront,
                        conditions=ours,
                    )
                ],
            ),
            self.child(),
        )

    def _origins(self, name: str, args: ViewerDeliveryArgs, bucket: SecureBucket) -> list[Any]:
        naming = self._context.naming
        control = aws.cloudfront.OriginAccessControl(
            f"{name}-access",
            name=naming.name(ROLE),
            origin_access_control_origin_type="s3",
            signing_behavior="always",
            signing_protocol="sigv4",
            opts=self.child(),
        )
        inside = aws.cloudfront.VpcOrigin(
            f"{name}-vpc-origin",
            vpc_origin_endpoint_config={
                "name": naming.name("frame-proxy"),
                "arn": args.load_balancer_arn,
                "http_port": 80,
                "https_port": 443,
                "origin_protocol_policy": "https-only",
                "origin_ssl_protocols": {"items": ["TLSv1.2"], "quantity": 1},
            },
            tags=self._tags,
            opts=self.child(),
        )
        return [
            {
                "origin_id": "files",
                "domain_name": pulumi.Output.concat(bucket.bucket_name, f".s3.{self._context.region}.amazonaws.com"),
                "origin_access_control_id": control.id,
            },
            {
                "origin_id": "frame-proxy",
                "domain_name": args.load_balancer_dns,
                "vpc_origin_config": {
                    "vpc_origin_id": inside.id,
                    "origin_read_timeout": 60,
                    "origin_keepalive_timeout": 60,
                },
            },
            {
                "origin_id": "api",
                "domain_name": pulumi.Output.from_input(args.api_url).apply(_host),
                "origin_path": pulumi.Output.from_input(args.api_url).apply(_stage),
                "custom_origin_config": _OVER_TLS,
            },
            {"origin_id": "sign-in", "domain_name": args.sign_in_host, "custom_origin_config": _OVER_TLS},
        ]

    def _behaviours(self, name: str, args: ViewerDeliveryArgs) -> dict[str, Any]:
        page = self._headers_policy(f"{name}-page", page_policy(args.settings))
        script = self._headers_policy(f"{name}-script", WORKER_POLICY)
        pages, strip = self._function(f"{name}-pages", PAGES), self._function(f"{name}-strip-api", STRIP_API)

        def files(headers: aws.cloudfront.ResponseHeadersPolicy) -> dict[str, Any]:
            return {
                "target_origin_id": "files",
                "viewer_protocol_policy": "redirect-to-https",
                "allowed_methods": _READ_METHODS,
                "cached_methods": _READ_METHODS,
                "cache_policy_id": _CACHING_OPTIMIZED,
                "compress": True,
                "response_headers_policy_id": headers.id,
            }

        def passed(path: str, origin: str, request_policy: str) -> dict[str, Any]:
            return {
                "path_pattern": path,
                "target_origin_id": origin,
                "viewer_protocol_policy": "https-only",
                "allowed_methods": _ALL_METHODS,
                "cached_methods": _READ_METHODS,
                "cache_policy_id": _CACHING_DISABLED,  # who may read is decided behind it, for every request
                "origin_request_policy_id": request_policy,
                "compress": False,
                "response_headers_policy_id": page.id,
            }

        at_request = {"event_type": "viewer-request"}
        return {
            "default_cache_behavior": {
                **files(page),
                "function_associations": [{**at_request, "function_arn": pages.arn}],
            },
            "ordered_cache_behaviors": [
                passed(DICOMWEB, "frame-proxy", _ALL_VIEWER),
                {
                    **passed(API, "api", _ALL_VIEWER_EXCEPT_HOST),
                    "function_associations": [{**at_request, "function_arn": strip.arn}],
                },
                passed(TOKENS, "sign-in", _ALL_VIEWER_EXCEPT_HOST),
                {**files(script), "path_pattern": "*.js"},
            ],
        }

    def _headers_policy(self, name: str, policy: str) -> aws.cloudfront.ResponseHeadersPolicy:
        custom = {
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Embedder-Policy": "require-corp",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        }
        return aws.cloudfront.ResponseHeadersPolicy(
            name,
            name=self._context.naming.name(name),
            security_headers_config={
                "content_security_policy": {"content_security_policy": policy, "override": True},
                "content_type_options": {"override": True},
                "frame_options": {"frame_option": "DENY", "override": True},
                # a referrer would carry study UIDs
                "referrer_policy": {"referrer_policy": "no-referrer", "override": True},
                "strict_transport_security": {
                    "access_control_max_age_sec": YEARS_TWO_SECONDS,
                    "include_subdomains": True,
                    "preload": True,
                    "override": True,
                },
            },
            custom_headers_config={
                "items": [{"header": key, "value": value, "override": True} for key, value in custom.items()]
            },
            opts=self.child(),
        )

    def _function(self, name: str, code: str) -> aws.cloudfront.Function:
        return aws.cloudfront.Function(
            name,
            name=self._context.naming.name(name),
            runtime="cloudfront-js-2.0",
            code=code,
            publish=True,
            opts=self.child(),
        )


_OVER_TLS: Final = {
    "http_port": 80,
    "https_port": 443,
    "origin_protocol_policy": "https-only",
    "origin_ssl_protocols": ["TLSv1.2"],
}
_KEY_ACTIONS: Final = (
    "kms:CancelKeyDeletion",
    "kms:Decrypt",
    "kms:Describe*",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:Encrypt",
    "kms:GenerateDataKey*",
    "kms:Get*",
    "kms:List*",
    "kms:PutKeyPolicy",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
)


def _host(url: str) -> str:
    return url.split("/")[2]


def _stage(url: str) -> str:
    return f"/{url.split('/')[3]}"
