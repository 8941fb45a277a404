"""The door for people: sign-in, gateway, firewall, and the log that tells who read what."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from components._base import Context
from components._configuration import ApiSettings
from components._workload import Workload
from components.api import ACCESS_LOG_FORMAT, RadiologistApi, RadiologistApiArgs
from components.api_function import ApiStores
from components.function import FunctionSize
from components.identity import GROUPS

POOL = "aws:cognito/userPool:UserPool"
CLIENT = "aws:cognito/userPoolClient:UserPoolClient"
REST = "aws:apigateway/restApi:RestApi"
GROUP = "aws:cloudwatch/logGroup:LogGroup"
ACL = "aws:wafv2/webAcl:WebAcl"


@pytest.fixture
def program(context: Context, workload: Workload, table: Any) -> Callable[..., dict[str, Any]]:
    """The API of a stack; keywords change its settings."""

    def run(*, deletion_protection: bool = True, **settings: Any) -> dict[str, Any]:
        made = RadiologistApi(
            "api",
            RadiologistApiArgs(
                workload=workload,
                stores=ApiStores(
                    training_data_bucket=context.naming.bucket("training-data"),
                    preprocessed_bucket=context.naming.bucket("preprocessed"),
                    tracking=table("image-tracking"),
                    assignments=table("assignments"),
                    labels=table("labels"),
                    outbox=table("outbox"),
                    metrics=table("metrics"),
                    bus_name="platform",
                    bus_arn=context.naming.arn("events", "event-bus/platform"),
                    datastore_id="d" * 32,
                    pseudonym_secret_arn=context.naming.arn("secretsmanager", "secret:pseudonym-key"),
                    registry_function_name="registry",
                    registry_function_arn=context.naming.arn("lambda", "function:registry"),
                ),
                settings=ApiSettings(**settings),
                size=FunctionSize(memory_mb=512, timeout_seconds=29),
                api_layer=context.naming.arn("lambda", "layer:api:1"),
                deletion_protection=deletion_protection,
            ),
        )
        return {"url": made.url, "pool": made.user_pool_id}

    return run


def test_accounts_are_made_by_an_administrator_with_long_passwords_and_a_second_factor(
    record: Any, program: Any, preview: bool
) -> None:
    inputs = record(program, preview=preview).one(POOL).inputs
    assert inputs["adminCreateUserConfig"]["allowAdminCreateUserOnly"] is True
    assert inputs["mfaConfiguration"] == "ON"
    assert inputs["softwareTokenMfaConfiguration"] == {"enabled": True}
    assert inputs["passwordPolicy"]["minimumLength"] == 14
    assert inputs["deletionProtection"] == "ACTIVE"


def test_the_password_itself_is_sent_only_where_scripts_sign_in_without_a_second_factor(
    record: Any, program: Any
) -> None:
    strict = record(program).one(CLIENT).inputs["explicitAuthFlows"]
    assert strict == ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"]
    scripted = record(lambda: program(mfa="OFF"))
    assert "ALLOW_USER_PASSWORD_AUTH" in scripted.one(CLIENT).inputs["explicitAuthFlows"]
    assert "softwareTokenMfaConfiguration" not in scripted.one(POOL).inputs


def test_a_session_lasts_an_hour_and_a_shift_at_most(record: Any, program: Any) -> None:
    inputs = record(program).one(CLIENT).inputs
    assert (inputs["idTokenValidity"], inputs["tokenValidityUnits"]["idToken"]) == (60, "minutes")
    assert (inputs["refreshTokenValidity"], inputs["tokenValidityUnits"]["refreshToken"]) == (12, "hours")
    assert inputs["preventUserExistenceErrors"] == "ENABLED"
    assert not inputs.get("generateSecret"), "a browser cannot keep a secret"


def test_the_viewer_signs_in_by_the_code_flow_alone_and_returns_to_its_own_origin(record: Any, program: Any) -> None:
    made = record(lambda: program(viewer_origins=("https://viewer.example.org",)))
    viewer = next(c.inputs for c in made.of(CLIENT) if c.name.endswith("-viewer"))
    assert (viewer["allowedOauthFlows"], viewer["explicitAuthFlows"]) == (["code"], ["ALLOW_REFRESH_TOKEN_AUTH"])
    assert viewer["callbackUrls"] == ["https://viewer.example.org/callback"]
    assert not viewer.get("generateSecret")
    assert made.of("aws:cognito/userPoolDomain:UserPoolDomain")
    assert not record(program).of("aws:cognito/userPoolDomain:UserPoolDomain"), "no viewer, no page to sign in on"


def test_the_groups_are_those_that_the_application_asks_for(record: Any, program: Any) -> None:
    groups = {group.inputs["name"] for group in record(program).of("aws:cognito/userGroup:UserGroup")}
    assert groups == set(GROUPS) == {"radiologist", "admin", "service"}


def test_a_new_document_is_a_new_deployment_and_an_equal_one_is_none(record: Any, program: Any) -> None:
    def digest(**settings: Any) -> str:
        return (
            record(lambda: program(**settings)).one("aws:apigateway/deployment:Deployment").inputs["triggers"]["body"]
        )

    assert digest() == digest()
    assert digest() != digest(cors_origins=("https://viewer.example.org",))


def test_the_gateway_document_is_deployed_with_the_pool_and_the_function(record: Any, program: Any) -> None:
    body = json.loads(record(program).one(REST).inputs["body"])
    text = json.dumps(body)
    assert "userpool/us-east-1_api-people" in text
    assert "function:healthcare-imaging-mlops-test-radiologist-api/invocations" in text


def test_only_this_stage_of_this_api_may_invoke_the_function(record: Any, program: Any) -> None:
    found = record(program).of("aws:lambda/permission:Permission")
    allowed = {permission.inputs["principal"]: permission.inputs["sourceArn"] for permission in found}
    assert allowed["apigateway.amazonaws.com"].endswith("/v1/*")
    assert allowed["events.amazonaws.com"].endswith("outbox-sweep"), "and the schedule that empties the outbox"
    assert len(found) == 2


def test_calls_are_throttled_by_the_stacks_data_and_never_traced_with_their_content(record: Any, program: Any) -> None:
    settings = (
        record(lambda: program(throttle_rate=7, throttle_burst=9))
        .one("aws:apigateway/methodSettings:MethodSettings")
        .inputs["settings"]
    )
    assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (7, 9)
    assert settings["dataTraceEnabled"] is False
    assert settings["loggingLevel"] == "ERROR"


def test_the_access_log_names_the_route_and_the_person_but_no_study() -> None:
    fields = json.loads(ACCESS_LOG_FORMAT)
    assert fields["person"] == "$context.authorizer.claims.sub"
    assert fields["route"] == "$context.resourcePath", "the path itself would hold the key of a study"
    assert not [value for value in fields.values() if "$input" in value or "email" in value or value == "$context.path"]


def test_the_log_that_tells_who_read_what_is_kept_as_an_audit_record(
    record: Any, program: Any, workload: Workload
) -> None:
    group = record(program).one(GROUP, "api-function-logs").inputs
    assert group["retentionInDays"] == 2557
    assert group["kmsKeyId"] == workload.keys.audit


def test_every_log_group_exists_before_the_service_would_make_an_open_one(record: Any, program: Any) -> None:
    groups = {group.inputs["name"] for group in record(program).of(GROUP)}
    assert "API-Gateway-Execution-Logs_api-id/v1" in groups or any(
        name.startswith("API-Gateway-Execution-Logs_") and name.endswith("/v1") for name in groups
    )
    assert "aws-waf-logs-healthcare-imaging-mlops-test-api" in groups


def test_the_firewall_asks_the_managed_groups_first_and_keeps_no_samples(record: Any, program: Any) -> None:
    rules = record(program).one(ACL).inputs["rules"]
    assert [rule["priority"] for rule in rules] == list(range(len(rules)))
    assert rules[-1]["name"] == "rate-limit"
    assert not [rule for rule in rules if rule["visibilityConfig"]["sampledRequestsEnabled"]]


def test_a_stack_may_do_without_the_firewall(record: Any, program: Any) -> None:
    assert record(lambda: program(waf=False)).of(ACL) == []


def test_a_presigned_url_can_put_below_upload_and_get_what_was_found_sound(record: Any, program: Any) -> None:
    policy = record(program).policy("aws:iam/rolePolicy:RolePolicy", "api-function-role-policy")
    with_s3 = [one for one in policy.values() if any(action.startswith("s3:") for action in one["Action"])]
    assert [(one["Action"], [arn.rsplit("/", 2)[-2:] for arn in one["Resource"]]) for one in with_s3] == [
        (["s3:PutObject"], [["upload", "*"]]),
        (["s3:ListMultipartUploadParts"], [["upload", "*"]]),
        (["s3:GetObject"], [["upload", "*"], ["validated", "*"]]),
        (["s3:GetObject"], [["deidentified", "*"]]),  # for the model, no URL of it is ever signed
    ]


def test_the_address_is_known_once_the_stage_exists(record: Any, program: Any, preview: bool) -> None:
    recording = record(program, preview=preview)
    assert recording.known == {"url": not preview, "pool": not preview}
