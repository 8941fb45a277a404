"""The actions as the wire shows them: pipelines, registry, tags, lists, refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

FAIL = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}}
ROLE = "arn:aws:iam::111122223333:role/pipeline"
PREFIX = "arn:aws:sagemaker:us-east-1:111122223333"
NO_EXECUTION = f"{PREFIX}:pipeline/p/execution/000000000000"
TAGGED = f"{PREFIX}:pipeline/p"


def test_a_pipeline_is_described_updated_listed_and_deleted(api: Any) -> None:
    api.create(FAIL, Tags=[{"Key": "k", "Value": "v"}])
    described = api("DescribePipeline", PipelineName="p")
    assert described["PipelineArn"] == f"{PREFIX}:pipeline/p"
    assert (described["PipelineStatus"], described["RoleArn"]) == ("Active", ROLE)
    assert api("ListTags", ResourceArn=described["PipelineArn"])["Tags"] == [{"Key": "k", "Value": "v"}]

    api("UpdatePipeline", PipelineName="p", PipelineDescription="new")
    assert api("DescribePipeline", PipelineName=described["PipelineArn"])["PipelineDescription"] == "new"
    assert [row["PipelineName"] for row in api("ListPipelines", PipelineNamePrefix="p")["PipelineSummaries"]] == ["p"]

    api("DeletePipeline", PipelineName="p")
    assert api.refusal("DescribePipeline", PipelineName="p") == ("ResourceNotFound", "Pipeline 'p' does not exist")


def test_an_update_with_a_bad_definition_changes_nothing(api: Any) -> None:
    api.create(FAIL)
    before = api("DescribePipeline", PipelineName="p")
    code, message = api.refusal("UpdatePipeline", PipelineName="p", PipelineDefinition='{"Version": "1"}')
    assert (code, "Version must be" in message) == ("ValidationException", True)
    assert api("DescribePipeline", PipelineName="p") == before


def test_a_name_is_taken_once_but_a_repeated_request_is_the_same(api: Any) -> None:
    api.create(FAIL, ClientRequestToken="t" * 32)
    api.create(FAIL, ClientRequestToken="t" * 32)
    text = json.dumps({"Version": "2020-12-01", "Steps": [FAIL]})
    code, message = api.refusal("CreatePipeline", PipelineName="p", PipelineDefinition=text, RoleArn=ROLE)
    assert (code, "unique" in message) == ("ValidationException", True)


def test_a_definition_can_come_from_s3_as_the_pipelines_role(api: Any) -> None:
    api.cloud.objects["bucket/d.json"] = json.dumps({"Version": "2020-12-01", "Steps": [FAIL]}).encode()
    location = {"Bucket": "bucket", "ObjectKey": "d.json"}
    api("CreatePipeline", PipelineName="p", PipelineDefinitionS3Location=location, RoleArn=ROLE)
    assert json.loads(api("DescribePipeline", PipelineName="p")["PipelineDefinition"])["Steps"] == [FAIL]
    code, _ = api.refusal(
        "CreatePipeline", PipelineName="q", PipelineDefinitionS3Location={**location, "ObjectKey": "x"}, RoleArn=ROLE
    )
    assert code == "ValidationException"


def test_an_execution_keeps_the_definition_and_parameters_it_started_with(api: Any) -> None:
    api.create(FAIL, parameters=[{"Name": "N", "Type": "Integer", "DefaultValue": 1}])
    arn = api.start(N="5")
    api.end(arn)
    api("UpdatePipeline", PipelineName="p", PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": [FAIL]}))
    definition = api("DescribePipelineDefinitionForExecution", PipelineExecutionArn=arn)["PipelineDefinition"]
    assert json.loads(definition)["Parameters"][0]["Name"] == "N"
    parameters = api("ListPipelineParametersForExecution", PipelineExecutionArn=arn)["PipelineParameters"]
    assert parameters == [{"Name": "N", "Value": "5"}]
    row = api("ListPipelineExecutions", PipelineName="p")["PipelineExecutionSummaries"][0]
    assert (row["PipelineExecutionStatus"], row["PipelineExecutionFailureReason"]) == ("Failed", "no")


@pytest.mark.parametrize(
    ("action", "request_", "code"),
    [
        pytest.param("StartPipelineExecution", {"PipelineName": "x"}, "ResourceNotFound", id="no-pipeline"),
        pytest.param(
            "DescribePipelineExecution", {"PipelineExecutionArn": NO_EXECUTION}, "ResourceNotFound", id="no-execution"
        ),
        pytest.param("DescribeTrainingJob", {"TrainingJobName": "x"}, "ValidationException", id="no-job"),
        pytest.param("DescribeModelPackage", {"ModelPackageName": "x"}, "ValidationException", id="no-package"),
        pytest.param("DescribeModelPackageGroup", {"ModelPackageGroupName": "x"}, "ResourceNotFound", id="no-group"),
        pytest.param("DescribeEndpoint", {"EndpointName": "x"}, "ValidationException", id="no-endpoint"),
        pytest.param("ListPipelines", {"NextToken": "?"}, "ValidationException", id="bad-token"),
        pytest.param("DescribePipeline", {}, "ValidationException", id="missing-member"),
        pytest.param("CreateLabelingJob", {}, "UnknownOperationException", id="unknown-action"),
    ],
)
def test_refusals_have_the_services_codes(api: Any, action: str, request_: dict[str, Any], code: str) -> None:
    found, message = api.refusal(action, **request_)
    assert found == code
    assert message


def test_text_that_is_no_json_is_refused(api: Any) -> None:
    status, headers, body = api.service.answer("POST", "/", {"x-amz-target": "SageMaker.ListPipelines"}, b"{", {})
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert json.loads(body)["message"] == "The request body is not valid JSON"


@pytest.mark.parametrize(
    ("action", "request_", "resource"),
    [
        pytest.param("DescribePipeline", {"PipelineName": "p"}, f"{PREFIX}:pipeline/p", id="pipeline"),
        pytest.param(
            "DescribePipelineExecution",
            {"PipelineExecutionArn": f"{PREFIX}:pipeline/p/execution/e"},
            f"{PREFIX}:pipeline/p/execution/e",
            id="execution",
        ),
        pytest.param(
            "CreateModelPackage", {"ModelPackageGroupName": "g"}, f"{PREFIX}:model-package/g/*", id="create-package"
        ),
        pytest.param(
            "ListModelPackages", {"ModelPackageGroupName": "g"}, f"{PREFIX}:model-package-group/g", id="list-packages"
        ),
        pytest.param("DescribeEndpoint", {"EndpointName": "e"}, f"{PREFIX}:endpoint/e", id="endpoint"),
        pytest.param("ListPipelines", {}, "*", id="list"),
    ],
)
def test_iam_is_asked_for_the_action_on_the_resource(
    api: Any, action: str, request_: dict[str, Any], resource: str
) -> None:
    api.cloud.denied.add(("", f"sagemaker:{action}"))
    code, message = api.refusal(action, **request_)
    assert (code, f"sagemaker:{action}" in message) == ("AccessDeniedException", True)
    assert api.cloud.asked == [("", f"sagemaker:{action}", resource)]


@pytest.fixture
def packages(api: Any) -> list[str]:
    """Three versions in one group."""
    api("CreateModelPackageGroup", ModelPackageGroupName="g", ModelPackageGroupDescription="d")
    made = []
    for status in ("PendingManualApproval", "Approved", "Rejected"):
        api.clock.time += 10
        arn = api("CreateModelPackage", ModelPackageGroupName="g", ModelApprovalStatus=status)["ModelPackageArn"]
        made.append(arn)
    return made


def test_versions_count_up_and_are_never_given_twice(api: Any, packages: list[str]) -> None:
    assert [arn.rsplit("/", 1)[1] for arn in packages] == ["1", "2", "3"]
    api("DeleteModelPackage", ModelPackageName=packages[2])
    arn = api("CreateModelPackage", ModelPackageGroupName=f"{PREFIX}:model-package-group/g")["ModelPackageArn"]
    assert arn.endswith("/4")


def test_approval_is_changed_with_its_metadata_and_told(api: Any, packages: list[str]) -> None:
    api(
        "UpdateModelPackage",
        ModelPackageArn=packages[0],
        ModelApprovalStatus="Approved",
        ApprovalDescription="checked",
        CustomerMetadataProperties={"reader": "r1", "old": "x"},
    )
    api("UpdateModelPackage", ModelPackageArn=packages[0], CustomerMetadataPropertiesToRemove=["old"])
    found = api("DescribeModelPackage", ModelPackageName=packages[0])
    assert (found["ModelApprovalStatus"], found["ApprovalDescription"]) == ("Approved", "checked")
    assert found["CustomerMetadataProperties"] == {"reader": "r1"}
    kind, detail = api.cloud.events[-1]
    assert kind == "SageMaker Model Package State Change"
    assert (detail["ModelPackageGroupName"], detail["ModelApprovalStatus"]) == ("g", "Approved")
    code, _ = api.refusal("UpdateModelPackage", ModelPackageArn=packages[0], ModelApprovalStatus="Perhaps")
    assert code == "ValidationException"


def test_packages_are_listed_by_approval_newest_first_in_pages(api: Any, packages: list[str]) -> None:
    def versions(**request: Any) -> list[int]:
        rows = api("ListModelPackages", ModelPackageGroupName="g", **request)["ModelPackageSummaryList"]
        return [row["ModelPackageVersion"] for row in rows]

    assert versions() == [3, 2, 1]
    assert versions(SortOrder="Ascending") == [1, 2, 3]
    assert versions(ModelApprovalStatus="Approved") == [2]
    assert versions(CreationTimeAfter=api.clock.time) == [3]
    first = api("ListModelPackages", ModelPackageGroupName="g", MaxResults=2)
    assert versions(MaxResults=2, NextToken=first["NextToken"]) == [1]


def test_a_group_goes_only_when_it_is_empty(api: Any, packages: list[str]) -> None:
    code, _ = api.refusal("DeleteModelPackageGroup", ModelPackageGroupName="g")
    assert code == "ConflictException"
    for arn in packages:
        api("DeleteModelPackage", ModelPackageName=arn)
    api("DeleteModelPackageGroup", ModelPackageGroupName="g")
    assert api("ListModelPackageGroups")["ModelPackageGroupSummaryList"] == []


def test_a_package_request_is_idempotent_by_its_token(api: Any) -> None:
    api("CreateModelPackageGroup", ModelPackageGroupName="g")
    arns = {api("CreateModelPackage", ModelPackageGroupName="g", ClientToken="t")["ModelPackageArn"] for _ in range(2)}
    assert len(arns) == 1


def test_tags_are_merged_and_deleted(api: Any) -> None:
    api("AddTags", ResourceArn=TAGGED, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    api("AddTags", ResourceArn=TAGGED, Tags=[{"Key": "a", "Value": "3"}])
    api("DeleteTags", ResourceArn=TAGGED, TagKeys=["b"])
    assert api("ListTags", ResourceArn=TAGGED)["Tags"] == [{"Key": "a", "Value": "3"}]


def test_records_outlive_the_process_in_their_order(api: Any, packages: list[str], restarted: Any) -> None:
    after = restarted()
    rows = after("ListModelPackages", ModelPackageGroupName="g", SortOrder="Ascending")["ModelPackageSummaryList"]
    assert [row["ModelPackageArn"] for row in rows] == packages
    assert after("CreateModelPackage", ModelPackageGroupName="g")["ModelPackageArn"].endswith("/4")
