"""What faces the network: load balancers, CloudFront, the firewall, API domains and HTTP APIs."""

from __future__ import annotations

from collections.abc import Iterator

from hipaa_pack import sections
from hipaa_pack.checks import among, between, each, every, not_on, on, only, present, when
from hipaa_pack.reads import UNKNOWN, Values, at, conditions, is_set, is_true, listed, statements
from hipaa_pack.rule import CompanionRule, ResourceRule, Rule

_BALANCER = ("aws:lb/loadBalancer:LoadBalancer",)
_LISTENER = ("aws:lb/listener:Listener",)
_DISTRIBUTION = ("aws:cloudfront/distribution:Distribution",)
_ACL = ("aws:wafv2/webAcl:WebAcl",)
_MODERN_TLS = ("TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025")
_YEAR_SECONDS = 31_536_000


def _application(values: Values) -> bool:
    return at(values, "loadBalancerType") in (None, "application")


def _secure_listener(values: Values) -> Iterator[str]:
    protocol = at(values, "protocol")
    if protocol == "HTTP" and at(values, "defaultActions.redirect.protocol") not in ("HTTPS", UNKNOWN):
        yield "an HTTP listener may only redirect to HTTPS"
    if protocol in ("HTTPS", "TLS"):
        policy = at(values, "sslPolicy")
        if policy is not UNKNOWN and not str(policy).startswith("ELBSecurityPolicy-TLS13-1-"):
            yield "sslPolicy must be one of TLS 1.2 and 1.3 (ELBSecurityPolicy-TLS13-1-2-*)"
        if isinstance(policy, str) and policy.startswith(
            ("ELBSecurityPolicy-TLS13-1-0", "ELBSecurityPolicy-TLS13-1-1")
        ):
            yield "sslPolicy lets TLS 1.0 or 1.1 in"
        if not is_set(at(values, "certificateArn")):
            yield "certificateArn must be set"


def _target_tls(values: Values) -> Iterator[str]:
    if at(values, "targetType") != "lambda" and at(values, "protocol") in ("HTTP", None):
        yield "targets are reached by HTTPS, TLS or TCP with TLS inside: images travel here"


def _behaviours(values: Values) -> Iterator[str]:
    for behaviour in [at(values, "defaultCacheBehavior"), *listed(at(values, "orderedCacheBehaviors"))]:
        policy = at(behaviour, "viewerProtocolPolicy")
        if policy is not UNKNOWN and policy not in ("https-only", "redirect-to-https"):
            yield "every cache behavior must be https-only or redirect-to-https"


def _viewer_tls(values: Values) -> Iterator[str]:
    certificate = at(values, "viewerCertificate")
    if certificate is UNKNOWN:
        return
    if is_true(at(certificate, "cloudfrontDefaultCertificate")) or not is_set(at(certificate, "acmCertificateArn")):
        yield "viewerCertificate must be one of our own: CloudFront's lets TLS 1.0 in"
    version = at(certificate, "minimumProtocolVersion")
    if version is not UNKNOWN and version not in _MODERN_TLS:
        yield "viewerCertificate.minimumProtocolVersion must be TLSv1.2_2021 or later"


def _origins(values: Values) -> Iterator[str]:
    for origin in listed(at(values, "origins")):
        custom = at(origin, "customOriginConfig")
        if custom not in (None, UNKNOWN):
            if at(custom, "originProtocolPolicy") not in ("https-only", UNKNOWN):
                yield "origins[].customOriginConfig.originProtocolPolicy must be https-only"
            if not set(map(str, listed(at(custom, "originSslProtocols")))) <= {"TLSv1.2", "UNKNOWN"}:
                yield "origins[].customOriginConfig.originSslProtocols must be TLSv1.2"
        bucket = custom is None and at(origin, "vpcOriginConfig") is None
        if bucket and not is_set(at(origin, "originAccessControlId")):
            yield "a bucket is reached by an origin access control only"


def _redacted(values: Values) -> Iterator[str]:
    fields = listed(at(values, "redactedFields"))
    names = {str(at(field, "singleHeader.name")).lower() for field in fields}
    if UNKNOWN not in fields and not {"authorization", "cookie"} <= names:
        yield "redactedFields must name the headers authorization and cookie"


def _private_api(values: Values) -> Iterator[str]:
    if at(values, "endpointConfiguration.types") in ("PRIVATE", ["PRIVATE"]):
        bound = [s for s in statements(at(values, "policy")) if "aws:sourcevpce" in conditions(s)]
        if at(values, "policy") is not UNKNOWN and not bound:
            yield "a private API needs a policy that names its endpoint"


def _no_star_origin(values: Values) -> Iterator[str]:
    if "*" in listed(at(values, "corsConfiguration.allowOrigins")):
        yield "corsConfiguration.allowOrigins must name origins"


RULES: list[Rule] = [
    ResourceRule(
        id="alb-drop-headers",
        says="a load balancer drops malformed headers",
        sections=sections.TRANSMISSION,
        sources=("N:ALBHttpDropInvalidHeaderEnabled", "K:131", "K:328"),
        remedy="Set drop_invalid_header_fields=True.",
        types=_BALANCER,
        check=when(
            _application,
            every(
                on("dropInvalidHeaderFields"),
                among("desyncMitigationMode", "defensive", "strictest", default="defensive"),
            ),
        ),
    ),
    ResourceRule(
        id="alb-listener-tls",
        says="a listener speaks TLS 1.2 and 1.3 with a certificate of its own; plain HTTP is sent there",
        sections=sections.TRANSMISSION,
        sources=(
            "N:ALBHttpToHttpsRedirection",
            "N:ELBv2ACMCertificateRequired",
            "K:2",
            "K:103",
            "K2:20",
            "K2:74",
            "C:elb-predefined-security-policy-ssl-check",
        ),
        remedy="Set certificate_arn and ssl_policy=ELBSecurityPolicy-TLS13-1-2-2021-06.",
        types=_LISTENER,
        check=_secure_listener,
    ),
    ResourceRule(
        id="alb-protect",
        says="a load balancer cannot be deleted by mistake",
        sections=sections.DISASTER,
        sources=("N:ELBDeletionProtectionEnabled", "K:150"),
        remedy="Set enable_deletion_protection=True; waive it in stacks that are taken down.",
        types=_BALANCER,
        check=on("enableDeletionProtection"),
    ),
    ResourceRule(
        id="alb-logs",
        says="a load balancer records its requests",
        sections=sections.AUDIT,
        sources=("N:ELBLoggingEnabled", "K:91"),
        remedy="Set access_logs to the logs bucket (one under S3's own keys: AWS writes to no other).",
        types=_BALANCER,
        # a network load balancer whose listeners are TCP writes none: TLS ends in the task, which keeps its own record
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html
        check=when(_application, every(on("accessLogs.enabled"), present("accessLogs.bucket"))),
    ),
    ResourceRule(
        id="alb-target-tls",
        says="images stay encrypted behind the load balancer",
        sections=sections.TRANSMISSION,
        sources=("K:378",),
        remedy="Set protocol=HTTPS (or TLS, TCP with TLS inside).",
        types=("aws:lb/targetGroup:TargetGroup",),
        check=_target_tls,
    ),
    ResourceRule(
        id="nlb-cross-zone",
        says="a network load balancer uses the targets of every zone",
        sections=sections.DISASTER,
        sources=("K:152", "N:ELBCrossZoneLoadBalancingEnabled"),
        remedy="Set enable_cross_zone_load_balancing=True.",
        level="advisory",
        types=_BALANCER,
        check=when(lambda v: at(v, "loadBalancerType") in ("network", "gateway"), on("enableCrossZoneLoadBalancing")),
    ),
    CompanionRule(
        id="alb-waf",
        says="a load balancer on the internet is behind the firewall",
        sections=sections.RISK,
        sources=("C:alb-waf-enabled", "K2:28"),
        remedy="Add an aws.wafv2.WebAclAssociation, or make it internal.",
        types=_BALANCER,
        companions=("aws:wafv2/webAclAssociation:WebAclAssociation",),
        link="resourceArn",
        identity=("arn",),
        exempt=lambda balancer: at(balancer, "internal") is True or not _application(balancer),
    ),
    ResourceRule(
        id="cf-https",
        says="CloudFront answers over TLS only",
        sections=sections.TRANSMISSION,
        sources=("K:34",),
        remedy="Set viewer_protocol_policy.",
        types=_DISTRIBUTION,
        check=_behaviours,
    ),
    ResourceRule(
        id="cf-tls12",
        says="CloudFront speaks TLS 1.2 and later with a certificate of our own",
        sections=sections.TRANSMISSION,
        sources=("K:174", "K2:42"),
        remedy="Set viewer_certificate with acm_certificate_arn and TLSv1.2_2021.",
        types=_DISTRIBUTION,
        check=_viewer_tls,
    ),
    ResourceRule(
        id="cf-waf",
        says="CloudFront is behind the firewall",
        sections=sections.RISK,
        sources=("K:68",),
        remedy="Set web_acl_id.",
        types=_DISTRIBUTION,
        check=present("webAclId"),
    ),
    ResourceRule(
        id="cf-origins",
        says="CloudFront reaches its origins over TLS, and buckets by access control",
        sections=(*sections.TRANSMISSION, *sections.NETWORK),
        sources=("K2:46", "K2:54", "K2:72"),
        remedy="Set origin_access_control_id for buckets, https-only and TLSv1.2 for others.",
        types=_DISTRIBUTION,
        check=_origins,
    ),
    ResourceRule(
        id="cf-headers",
        says="browsers are told to use TLS for a year",
        sections=sections.TRANSMISSION,
        sources=("K:259", "K2:32"),
        remedy="Set security_headers_config.strict_transport_security.access_control_max_age_sec=31536000.",
        types=("aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy",),
        check=between("securityHeadersConfig.strictTransportSecurity.accessControlMaxAgeSec", _YEAR_SECONDS),
    ),
    CompanionRule(
        id="waf-logs",
        says="the firewall records what it sees",
        sections=sections.AUDIT,
        sources=("N:WAFv2LoggingEnabled", "K2:31"),
        remedy="Add an aws.wafv2.WebAclLoggingConfiguration.",
        types=_ACL,
        companions=("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",),
        link="resourceArn",
        identity=("arn",),
    ),
    ResourceRule(
        id="waf-redacts",
        says="the firewall's log carries no tokens",
        sections=sections.MINIMUM_NECESSARY,
        remedy="Redact the headers authorization and cookie.",
        types=("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",),
        check=_redacted,
    ),
    CompanionRule(
        id="apigw-waf",
        says="an API stage is behind the firewall",
        sections=sections.RISK,
        sources=("C:api-gw-associated-with-waf", "K2:29"),
        remedy="Add an aws.wafv2.WebAclAssociation for the stage.",
        types=("aws:apigateway/stage:Stage",),
        companions=("aws:wafv2/webAclAssociation:WebAclAssociation",),
        link="resourceArn",
        identity=("arn",),
    ),
    ResourceRule(
        id="apigw-xray",
        says="calls of the API are traced",
        sections=sections.AUDIT,
        sources=("N:APIGWXrayEnabled", "K:73"),
        remedy="Set xray_tracing_enabled=True.",
        grade="low",
        types=("aws:apigateway/stage:Stage",),
        check=on("xrayTracingEnabled"),
    ),
    ResourceRule(
        id="apigw-domain-tls",
        says="an API's own domain speaks TLS 1.2 and later",
        sections=sections.TRANSMISSION,
        sources=("K:206",),
        remedy="Set security_policy=TLS_1_2 or a TLS 1.3 one.",
        types=("aws:apigateway/domainName:DomainName",),
        check=only(
            "securityPolicy",
            lambda v: v == "TLS_1_2" or str(v).startswith("SecurityPolicy_TLS13"),
            "securityPolicy must be TLS_1_2 or SecurityPolicy_TLS13_*",
        ),
    ),
    ResourceRule(
        id="apigw-private-policy",
        says="a private API names the endpoint that may call it",
        sections=sections.NETWORK,
        remedy="Set policy with aws:SourceVpce.",
        types=("aws:apigateway/restApi:RestApi",),
        check=_private_api,
    ),
    ResourceRule(
        id="apigwv2-auth",
        says="no route of an HTTP API is open",
        sections=(*sections.AUTHENTICATION, *sections.ACCESS),
        sources=("K:309",),
        remedy="Set authorization_type=JWT or AWS_IAM.",
        grade="critical",
        types=("aws:apigatewayv2/route:Route",),
        check=among("authorizationType", "JWT", "AWS_IAM", "CUSTOM"),
    ),
    ResourceRule(
        id="apigwv2-stage",
        says="an HTTP API records calls without their content",
        sections=(*sections.AUDIT, *sections.MINIMUM_NECESSARY),
        sources=("K:76",),
        remedy="Set access_log_settings, leave data_trace_enabled off.",
        types=("aws:apigatewayv2/stage:Stage",),
        check=every(
            present("accessLogSettings.destinationArn"),
            not_on("defaultRouteSettings.dataTraceEnabled"),
            each("routeSettings", not_on("dataTraceEnabled")),
        ),
    ),
    ResourceRule(
        id="apigwv2-domain-tls",
        says="an HTTP API's own domain speaks TLS 1.2",
        sections=sections.TRANSMISSION,
        remedy="Set domain_name_configuration.security_policy=TLS_1_2.",
        types=("aws:apigatewayv2/domainName:DomainName",),
        check=among("domainNameConfiguration.securityPolicy", "TLS_1_2"),
    ),
    ResourceRule(
        id="apigwv2-cors",
        says="browsers reach an HTTP API from named origins only",
        sections=sections.ACCESS,
        remedy="Name the origins.",
        types=("aws:apigatewayv2/api:Api",),
        check=_no_star_origin,
    ),
]
