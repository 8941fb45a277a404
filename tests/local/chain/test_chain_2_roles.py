"""Each function's role is refused what it has no right to: tried by a probe that runs under that very role."""

import io
import json
import zipfile

import pytest

pytestmark = [pytest.mark.local, pytest.mark.engine]

PROBE = """
import boto3, botocore.exceptions
from botocore.config import Config

def handler(event, context):
    extra = {"s3": {"addressing_style": "path"}}
    client = boto3.client(event["service"], config=Config(inject_host_prefix=False, **extra))
    try:
        getattr(client, event["operation"])(**event["arguments"])
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"
"""
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}


@pytest.fixture(scope="module")
def probe(stack, out):
    """probe(function name, service, operation, **arguments) -> error code or 'allowed', under the function's role."""
    from local.cloud import Cloud

    functions = Cloud(stack.aws.start()).client("lambda")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("probe.py", PROBE)
    made: list[str] = []

    def call(function: str, service: str, operation: str, **arguments: object) -> str:
        name = f"probe-{function}"[:64]
        if name not in made:
            functions.create_function(
                FunctionName=name,
                Role=functions.get_function_configuration(FunctionName=function)["Role"],
                Runtime="python3.11",
                Handler="probe.handler",
                Timeout=30,
                Code={"ZipFile": archive.getvalue()},
            )
            made.append(name)
        event = {"service": service, "operation": operation, "arguments": arguments}
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    yield call
    for name in made:
        functions.delete_function(FunctionName=name)


def function_names(out: dict) -> dict[str, str]:
    """Role -> physical name of the function, from the stack's outputs."""
    return {k.removesuffix("_function").replace("_", "-"): v for k, v in out.items() if k.endswith("_function")}


def forbidden(out: dict) -> list[tuple[str, str, str, dict]]:
    """(function, service, operation, arguments) that the role of the function has no business with."""
    phi, research, models = out["training_data_bucket"], out["preprocessed_bucket"], out["model_artifacts_bucket"]
    tracking, labels = out["tracking_table"], out["labels_table"]
    names = function_names(out)
    return [
        (names["image-ingestion"], "s3", "get_object", {"Bucket": models, "Key": "x"}),
        (names["image-ingestion"], "s3", "delete_object", {"Bucket": phi, "Key": "upload/x.dcm"}),
        (names["image-ingestion"], "dynamodb", "scan", {"TableName": labels}),
        (names["pipeline-trigger"], "s3", "get_object", {"Bucket": phi, "Key": "upload/x.dcm"}),
        (
            names["pipeline-trigger"],
            "sagemaker",
            "delete_pipeline",
            {"PipelineName": out["pipeline_name"], "ClientRequestToken": "x" * 32},
        ),
        (names["model-evaluation"], "s3", "get_object", {"Bucket": phi, "Key": "validated/x"}),
        (names["model-evaluation"], "dynamodb", "scan", {"TableName": tracking}),
        (names["model-registry"], "s3", "get_object", {"Bucket": phi, "Key": "validated/x"}),
        (
            names["model-registry"],
            "dynamodb",
            "delete_item",
            {
                "TableName": out["metrics_table"],
                "Key": {"model_version": {"S": "1"}, "evaluation_timestamp": {"S": "x"}},
            },
        ),
        (names["monitoring"], "s3", "get_object", {"Bucket": phi, "Key": "upload/x.dcm"}),
        (names["monitoring"], "iam", "list_roles", {}),
        (names["radiologist-api"], "s3", "get_object", {"Bucket": research, "Key": "x"}),
        (
            names["radiologist-api"],
            "dynamodb",
            "delete_item",
            {"TableName": labels, "Key": {"study_key": {"S": "x"}, "version": {"N": "1"}}},
        ),
    ]


def test_each_function_is_refused_what_it_has_no_right_to(probe, out: dict) -> None:
    wrong = {
        f"{function} {service}:{operation}": answer
        for function, service, operation, arguments in forbidden(out)
        if (answer := probe(function, service, operation, **arguments)) not in DENIED
    }
    assert not wrong, "least privilege is a claim until it is refused"


def test_the_same_probe_is_let_through_where_the_role_has_the_right(probe, out: dict) -> None:
    """Else the refusals above could come from anything."""
    names = function_names(out)
    key = {"TableName": out["tracking_table"], "Key": {"object_id": {"S": "none"}}}
    assert probe(names["image-ingestion"], "dynamodb", "get_item", **key) == "allowed"
    assert (
        probe(
            names["model-registry"],
            "sagemaker",
            "list_model_packages",
            ModelPackageGroupName=out["model_package_group"],
        )
        == "allowed"
    )


def test_a_training_role_cannot_be_assumed_by_the_deploy_user(cloud) -> None:
    sts, iam = cloud.client("sts"), cloud.client("iam")
    role = next(
        r for r in iam.list_roles()["Roles"] if "pipeline-execution" in r["RoleName"] or "training" in r["RoleName"]
    )
    with pytest.raises(sts.exceptions.ClientError) as refused:
        sts.assume_role(RoleArn=role["Arn"], RoleSessionName="people-do-not-train")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
