"""The way of images to browsers: who reaches what, over which transport, and what the proxy's code may do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from components._base import Context
from components._configuration_delivery import DeliverySettings
from components._container_service import ContainerGround
from components._workload import Table, Workload
from components.frame_proxy import DeliveryIncompleteError, FrameProxy, FrameProxyArgs, audit_group
from components.viewer_delivery import ViewerDelivery, ViewerDeliveryArgs, page_policy
from services.frame_proxy.settings import load

IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/frame_proxy@sha256:" + "a" * 64
CERTIFICATE = "arn:aws:acm:us-east-1:111122223333:certificate/11111111-2222-3333-4444-555555555555"
NAMES = {"domainName": "viewer.example.org", "certificateArn": CERTIFICATE, "originCertificateArn": CERTIFICATE}
DATASTORE = "arn:aws:medical-imaging:us-east-1:111122223333:datastore/" + "d" * 32


def settings(**changed: Any) -> DeliverySettings:
    return DeliverySettings.model_validate({**NAMES, **changed})


@pytest.fixture
def build(
    context: Context, workload: Workload, table: Callable[[str], Table]
) -> Callable[..., Callable[[], dict[str, Any]]]:
    """`build(settings, image)`: a program with the proxy and the viewer's origin."""

    def program(chosen: DeliverySettings, image: str | None = IMAGE) -> Callable[[], dict[str, Any]]:
        def run() -> dict[str, Any]:
            proxy = FrameProxy(
                "frame-proxy",
                FrameProxyArgs(
                    ground=ContainerGround(
                        context=context, keys=workload.keys, subnet_ids=["subnet-1"], logs=workload.logs
                    ),
                    settings=chosen,
                    image=image,
                    datastore_id="d" * 32,
                    datastore_arn=DATASTORE,
                    assignments=table("assignments"),
                    pseudonym_secret_arn=context.naming.arn("secretsmanager", "secret:pseudonym-key"),
                    issuer="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_pool",
                    client_ids=["viewer", "api"],
                    log_bucket="logs",
                    vpc_id="vpc-1",
                    vpc_cidr="10.0.0.0/16",
                    private_group_id="sg-private",
                    topic_arn=context.naming.arn("sns", "alerts"),
                    deletion_protection=True,
                ),
            )
            viewer = ViewerDelivery(
                "viewer",
                ViewerDeliveryArgs(
                    context=context,
                    keys=workload.keys,
                    settings=chosen,
                    enabled=image is not None,
                    load_balancer_arn=proxy.load_balancer_arn,
                    load_balancer_dns=proxy.load_balancer_dns,
                    api_url="https://abc.execute-api.us-east-1.amazonaws.com/v1",
                    sign_in_host="sign-in.auth.us-east-1.amazoncognito.com",
                    log_bucket="logs",
                    logs=workload.logs,
                    force_destroy=False,
                ),
            )
            return {"url": viewer.url, "audit": proxy.audit_log_group_name}

        return run

    return program


def test_without_an_image_nothing_is_made(build: Any, record: Any, preview: bool) -> None:
    recording = record(build(DeliverySettings(), None), preview=preview)
    assert not [one for one in recording.resources if one.token.startswith("aws:")]


@pytest.mark.parametrize("lacking", sorted(NAMES))
def test_an_image_without_a_name_or_certificate_is_refused(build: Any, record: Any, lacking: str) -> None:
    with pytest.raises(DeliveryIncompleteError, match=r"delivery\.domainName"):
        record(build(settings(**{lacking: None})))


def test_images_are_encrypted_from_the_browser_to_the_task(build: Any, record: Any, preview: bool) -> None:
    recording = record(build(settings()), preview=preview)
    listener = recording.one("aws:lb/listener:Listener").inputs
    assert (listener["protocol"], listener["sslPolicy"]) == ("HTTPS", "ELBSecurityPolicy-TLS13-1-2-2021-06")
    assert listener["defaultActions"][0]["type"] == "fixed-response", "health and metrics are not for browsers"
    assert recording.one("aws:lb/targetGroup:TargetGroup").inputs["protocol"] == "HTTPS"
    balancer = recording.one("aws:lb/loadBalancer:LoadBalancer").inputs
    assert (balancer["internal"], balancer["dropInvalidHeaderFields"]) == (True, True)
    distribution = recording.one("aws:cloudfront/distribution:Distribution").inputs
    assert distribution["viewerCertificate"]["minimumProtocolVersion"] == "TLSv1.2_2021"
    origin = recording.one("aws:cloudfront/vpcOrigin:VpcOrigin").inputs["vpcOriginEndpointConfig"]
    assert origin["originProtocolPolicy"] == "https-only"


def test_the_task_gets_settings_that_the_service_accepts(build: Any, record: Any) -> None:
    recording = record(build(settings()))
    (container,) = json.loads(recording.one("aws:ecs/taskDefinition:TaskDefinition").inputs["containerDefinitions"])
    assert container["command"] == ["--environment"]
    read = load(None, {one["name"]: one["value"] for one in container["environment"]})
    assert read.client_ids == ["viewer", "api"]
    assert read.tls_self_signed
    assert read.port == 8443
    assert read.frame_cache_bytes + read.metadata_cache_bytes < 8192 * 1024 * 1024 * 0.61, "the rest is for requests"
    assert not read.identifying_search_keys, "a name in a query would stand in the load balancer's log"


def test_the_code_reads_one_store_and_the_assignments_and_writes_only_the_audit(
    build: Any, record: Any, context: Context
) -> None:
    statements = record(build(settings())).policy("aws:iam/rolePolicy:RolePolicy", "frame-proxy-task-role-policy")
    assert statements["ReadImages"]["Resource"] == [DATASTORE, f"{DATASTORE}/imageset/*"]
    assert statements["AskWhoIsAssigned"]["Action"] == ["dynamodb:Query"]
    assert statements["WriteAccessAudit"]["Resource"] == [
        context.naming.arn("logs", f"log-group:{audit_group(context)}:*")
    ]
    verbs = {action.split(":")[1] for one in statements.values() for action in one["Action"]}
    assert not [verb for verb in verbs if verb.startswith(("Delete", "Update", "Start", "Copy", "Batch"))]


def test_the_audit_is_kept_as_a_record_under_its_own_key(build: Any, record: Any, workload: Workload) -> None:
    group = record(build(settings())).one("aws:cloudwatch/logGroup:LogGroup", "frame-proxy-audit").inputs
    assert (group["retentionInDays"], group["kmsKeyId"]) == (2557, workload.keys.audit)


def test_tasks_follow_the_requests(build: Any, record: Any) -> None:
    recording = record(build(settings(requestsPerTask=5000)))
    policies = [one.inputs for one in recording.of("aws:appautoscaling/policy:Policy")]
    kinds = {
        one["targetTrackingScalingPolicyConfiguration"]["predefinedMetricSpecification"]["predefinedMetricType"]
        for one in policies
    }
    assert kinds == {"ECSServiceAverageCPUUtilization", "ALBRequestCountPerTarget"}


def test_everything_has_its_component_as_parent_and_its_tags(
    build: Any, record: Any, context: Context, preview: bool
) -> None:
    recording = record(build(settings()), preview=preview)
    ours = [one for one in recording.resources if one.token.startswith("aws:")]
    assert len(ours) > 30
    for one in ours:
        assert "imaging:" in one.parent, one.name
        if "tags" in one.inputs:
            tags = one.inputs["tags"]
            assert tags["component"] in {"frame-proxy", "viewer"}, one.name
            assert tags.items() >= context.tags_for(tags["component"], tags["data-class"]).items()
    held = ("aws:lb/loadBalancer:", "aws:ecs/service:", "aws:ecs/taskDefinition:", "aws:cloudwatch/logGroup:")
    phi = [one for one in ours if one.name.startswith("frame-proxy") and one.token.startswith(held)]
    assert {one.inputs["tags"]["data-class"] for one in phi} <= {"phi", "audit", "operations"}
    assert recording.one("aws:lb/loadBalancer:LoadBalancer").inputs["tags"]["data-class"] == "phi"


def test_what_lies_still_is_encrypted_with_a_key_of_our_own(build: Any, record: Any, workload: Workload) -> None:
    recording = record(build(settings()))
    keys = set(vars(workload.keys).values())
    for group in recording.of("aws:cloudwatch/logGroup:LogGroup"):
        assert group.inputs["kmsKeyId"] in keys, group.name
    encryption = recording.one(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ).inputs["rules"][0]["applyServerSideEncryptionByDefault"]
    assert encryption["sseAlgorithm"] == "aws:kms"
    own = recording.one("aws:kms/key:Key").inputs  # CloudFront may use it, so it is not that of any data
    assert encryption["kmsMasterKeyId"].endswith(":key/viewer-key")
    assert own["enableKeyRotation"] is True


def test_the_way_in_leads_through_the_firewall_and_cloudfront_alone(build: Any, record: Any, preview: bool) -> None:
    recording = record(build(settings()), preview=preview)
    distribution = recording.one("aws:cloudfront/distribution:Distribution")
    firewall = recording.one("aws:wafv2/webAcl:WebAcl")
    assert distribution.property_dependencies["webAclId"] == (firewall.urn,)
    assert {rule["name"] for rule in firewall.inputs["rules"]} == {
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "rate-limit",
    }
    assert all(one.inputs["internal"] for one in recording.of("aws:lb/loadBalancer:LoadBalancer"))
    service = recording.one("aws:ecs/service:Service").inputs
    assert service["networkConfiguration"]["assignPublicIp"] is False
    for rule in recording.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"):
        assert rule.inputs.get("cidrIpv4") not in {"0.0.0.0/0"}, rule.name
        assert "cidrIpv6" not in rule.inputs, rule.name


def test_as_many_tasks_run_as_the_stack_says(build: Any, record: Any, preview: bool) -> None:
    recording = record(build(settings(minimumTasks=3, maximumTasks=7)), preview=preview)
    target = recording.one("aws:appautoscaling/target:Target").inputs
    assert (target["minCapacity"], target["maxCapacity"]) == (3, 7)
    service = recording.one("aws:ecs/service:Service")
    assert service.inputs["desiredCount"] == 3
    assert "desiredCount" in service.ignore_changes, "scaling is not undone by the next deployment"


def test_every_role_is_bounded_and_binds_each_right_to_a_resource(build: Any, record: Any, context: Context) -> None:
    recording = record(build(settings()))
    roles = recording.of("aws:iam/role:Role")
    assert {role.inputs["permissionsBoundary"] for role in roles} == {context.boundary_arn}
    for policy in recording.of("aws:iam/rolePolicy:RolePolicy"):
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            assert not [action for action in statement["Action"] if "*" in action], policy.name
            unbound = statement["Resource"] in ("*", ["*"])
            # a token for the registry belongs to the account, not to a repository
            assert not unbound or statement["Action"] == ["ecr:GetAuthorizationToken"], policy.name


def test_no_image_is_cached_outside_and_no_request_is_logged_with_what_it_asked(
    build: Any, record: Any, preview: bool
) -> None:
    recording = record(build(settings()), preview=preview)
    distribution = recording.one("aws:cloudfront/distribution:Distribution").inputs
    passed = {one["pathPattern"]: one for one in distribution["orderedCacheBehaviors"]}
    disabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert {passed[path]["cachePolicyId"] for path in ("/dicom-web/*", "/api/*", "/oauth2/*")} == {disabled}
    redacted = recording.one("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration").inputs["redactedFields"]
    assert {} in [one.get("uriPath") for one in redacted]
    assert {} in [one.get("queryString") for one in redacted]


def test_pages_load_and_call_their_own_origin_only(build: Any, record: Any) -> None:
    policy = page_policy(settings(inlineScriptHashes=["sha256-" + "A" * 43 + "="]))
    assert "connect-src 'self';" in policy
    assert "'unsafe-eval'" not in policy.replace("'wasm-unsafe-eval'", "")
    assert f"'sha256-{'A' * 43}='" in policy
    headers = [
        one.inputs for one in record(build(settings())).of("aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy")
    ]
    assert len(headers) == 2
    for one in headers:
        security = one["securityHeadersConfig"]
        assert security["strictTransportSecurity"]["accessControlMaxAgeSec"] >= 31_536_000


def test_codes_and_refresh_tokens_go_to_the_pool_through_the_own_origin(build: Any, record: Any) -> None:
    distribution = record(build(settings())).one("aws:cloudfront/distribution:Distribution").inputs
    tokens = next(one for one in distribution["orderedCacheBehaviors"] if one["pathPattern"] == "/oauth2/*")
    origin = next(one for one in distribution["origins"] if one["originId"] == tokens["targetOriginId"])
    assert origin["domainName"] == "sign-in.auth.us-east-1.amazoncognito.com"
    assert origin["customOriginConfig"]["originProtocolPolicy"] == "https-only"
    assert "POST" in tokens["allowedMethods"]


def test_only_cloudfront_of_this_account_reads_the_viewers_files(build: Any, record: Any, context: Context) -> None:
    statements = record(build(settings())).policy("aws:s3/bucketPolicy:BucketPolicy", "viewer-files-policy")
    assert statements["ServeFiles"]["Principal"] == {"Service": ["cloudfront.amazonaws.com"]}
    assert statements["ServeFiles"]["Condition"]["StringEquals"] == {"aws:SourceAccount": context.account}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("maximumTasks", 2, "minimumTasks"),
        ("memoryMb", 16_384 + 1024, "memoryMb|between"),
        ("certificateArn", CERTIFICATE.replace("us-east-1", "eu-west-1"), "us-east-1"),
        ("domainName", "https://viewer", "host name"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_a_sentence(key: str, value: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**{"minimumTasks": 3, key: value})
