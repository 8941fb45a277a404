"""The whole life of about a hundred resources on the real engine and the embedded AWS."""

from __future__ import annotations

import importlib.util
import json
import ssl
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pulumi
import pytest
from pulumi import automation as auto

from local.engine import environment

pytestmark = [pytest.mark.engine, pytest.mark.local]
HERE = Path(__file__).parent
OPS = ("create", "update", "replace", "delete")

# what the second version of the program changes, each in place unless said otherwise
CHANGES: dict[str, dict[str, Any]] = {
    "aws:kms/key:Key data": {"description": "new"},
    "aws:s3/bucket:Bucket raw": {"tags": {"class": "other"}},
    "aws:dynamodb/table:Table images": {
        "globalSecondaryIndexes": [{"name": "by-sk", "hashKey": "sk", "projectionType": "KEYS_ONLY"}],
        "attributes": [{"name": "pk", "type": "S"}, {"name": "sk", "type": "N"}],
        "ttl": {"attributeName": "expires", "enabled": False},
    },
    "aws:ec2/securityGroup:SecurityGroup inline": {
        "ingress": [{"protocol": "tcp", "fromPort": 80, "toPort": 80, "cidrBlocks": ["10.0.0.0/16"]}]
    },
    "aws:sqs/queue:Queue work": {"visibilityTimeoutSeconds": 90},
    "aws:lambda/function:Function function": {
        "code": pulumi.AssetArchive({"a.py": pulumi.StringAsset("def handler(event, context): return 2")}),
        "reservedConcurrentExecutions": 6,
    },
    "aws:cloudwatch/logGroup:LogGroup function": {"retentionInDays": 30},
    "aws:cloudwatch/metricAlarm:MetricAlarm errors": {"threshold": 5},
    "aws:cognito/userPool:UserPool readers": {"mfaConfiguration": "ON"},
    "aws:apigateway/stage:Stage v1": {"variables": {"a": "c", "d": "e"}},
    "aws:apigateway/methodSettings:MethodSettings all": {"settings": {"loggingLevel": "INFO"}},
    "aws:ecr/repository:Repository images": {"imageScanningConfiguration": {"scanOnPush": True}},
    "aws:lambda/layerVersion:LayerVersion shared": {  # a layer version cannot change: replaced
        "code": pulumi.AssetArchive({"python/shared.py": pulumi.StringAsset("X = 2")})
    },
}


def sample(name: str) -> ModuleType:
    """A part of the sample program, by its path: tests are no package."""
    spec = importlib.util.spec_from_file_location(f"provider_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Life:
    """One stack with a program of two versions."""

    def __init__(self, folder: Path, aws_env: dict[str, str], secret: str) -> None:
        self.folder, self.secret, self.changed = folder, secret, False
        env = environment(state_dir=folder / "state", aws_env=aws_env)
        (folder / "project").mkdir()
        project = auto.ProjectSettings("provider", "python", backend=auto.ProjectBackend(env["PULUMI_BACKEND_URL"]))
        options = auto.LocalWorkspaceOptions(work_dir=str(folder / "project"), env_vars=env, project_settings=project)
        self.stack = auto.create_or_select_stack("sample", "provider", self.program, opts=options)
        self.stack.set_config("aws:region", auto.ConfigValue("us-east-1"))
        self.stack.set_config("aws:defaultTags.tags.project", auto.ConfigValue("imaging"), path=True)

    def program(self) -> None:
        """Network, storage, services; the second version by a transform."""
        if self.changed:
            pulumi.runtime.register_resource_transform(self.change)
        services = sample("sample_services")
        net = sample("sample_network").build(services.trust)
        services.build(sample("sample_storage").build(), net)

    @staticmethod
    def change(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        """Puts the changed inputs of the second version in."""
        new = CHANGES.get(f"{args.type_} {args.name}")
        return new and pulumi.ResourceTransformResult(props={**args.props, **new}, opts=args.opts)

    def run(self, action: str, **more: Any) -> dict[str, int]:
        """Runs a command; how many resources it created, updated, replaced, deleted."""
        summary = getattr(self.stack, action)(**more).summary.resource_changes or {}
        return {op: count for op, count in summary.items() if op in OPS}

    def resources(self) -> dict[str, dict[str, Any]]:
        """`type name` -> the resource in the state file, secrets as they lie there."""
        text = (self.folder / "state/.pulumi/stacks/provider/sample.json").read_text()
        found = json.loads(text)["checkpoint"]["latest"]["resources"]
        return {f"{r['type']} {r['urn'].split('::')[-1]}": r for r in found}


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, embedded_aws: dict[str, str]) -> Iterator[Life]:
    """The sample, brought up once for the tests of this module; destroyed at the end in any case."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", environment(state_dir=tmp_path_factory.mktemp("unused"))["PATH"])
        made = Life(tmp_path_factory.mktemp("provider"), embedded_aws, sample("sample_storage").SECRET)
        assert made.run("up")["create"] > 90
        yield made
        made.stack.destroy(continue_on_error=True)


def test_a_second_up_and_a_refresh_find_nothing_to_do(life: Life) -> None:
    assert life.run("up") == {}
    assert life.run("refresh") == {}
    assert life.run("up") == {}


def test_default_tags_are_an_output_and_reach_aws(life: Life, aws: Callable[..., Any]) -> None:
    bucket = life.resources()["aws:s3/bucket:Bucket raw"]
    assert bucket["outputs"]["tagsAll"] == {"class": "raw", "project": "imaging"}
    assert bucket["inputs"]["tags"] == {"class": "raw"}
    assert "tagsAll" not in bucket["inputs"]
    tags = aws("s3").get_bucket_tagging(Bucket=bucket["id"])["TagSet"]
    assert {t["Key"]: t["Value"] for t in tags} == {"class": "raw", "project": "imaging"}


def test_no_file_of_the_engine_holds_the_secret(life: Life) -> None:
    files = [path for path in (life.folder / "state").rglob("*") if path.is_file()]
    assert any(path.suffix == ".json" for path in files)
    assert not [path.name for path in files if life.secret.encode() in path.read_bytes()]


def test_children_of_the_remote_component_hang_as_they_should_and_are_transformed(life: Life) -> None:
    found = life.resources()
    chain = "awsx:ec2:Vpc$aws:ec2/vpc:Vpc$aws:ec2/subnet:Subnet"
    route = found["aws:ec2/route:Route net-private-2"]["urn"].split("::")[2]
    assert route == f"{chain}$aws:ec2/routeTable:RouteTable$aws:ec2/route:Route"
    assert found["aws:ec2/natGateway:NatGateway net-1"]["urn"].split("::")[2].startswith(chain)
    assert "aws:ec2/natGateway:NatGateway net-2" not in found
    subnets = [r for key, r in found.items() if key.startswith("aws:ec2/subnet:Subnet ")]
    assert len(subnets) == 4
    assert not any(r["inputs"]["mapPublicIpOnLaunch"] for r in subnets)


def test_the_stage_can_be_called_at_its_url(life: Life, embedded_aws: dict[str, str]) -> None:
    url = life.stack.outputs()["url"].value
    assert url.startswith(f"{embedded_aws['AWS_ENDPOINT_URL']}/_aws/execute-api/")
    trusted = ssl.create_default_context(cafile=embedded_aws["AWS_CA_BUNDLE"])
    with urllib.request.urlopen(f"{url}/health", context=trusted, timeout=60) as reply:  # noqa: S310 (https, see above)
        assert (reply.status, reply.read()) == (200, b"fine")


def test_a_refresh_finds_what_was_changed_outside_and_up_puts_it_right(life: Life, aws: Callable[..., Any]) -> None:
    found = life.resources()
    queue = found["aws:sqs/queue:Queue work"]["id"]
    aws("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "61"})
    bucket = found["aws:s3/bucket:Bucket raw"]["id"]
    aws("s3").put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": False})
    aws("lambda").update_function_configuration(
        FunctionName=found["aws:lambda/function:Function function"]["id"], Timeout=31
    )
    aws("sns").unsubscribe(SubscriptionArn=found["aws:sns/topicSubscription:TopicSubscription work"]["id"])
    assert life.run("refresh") == {"update": 3, "delete": 1}
    assert life.run("up") == {"update": 3, "create": 1}
    assert aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])["Attributes"] == {
        "VisibilityTimeout": "60"
    }


def test_a_changed_program_changes_what_it_names_and_then_rests(life: Life, aws: Callable[..., Any]) -> None:
    life.changed = True
    done = life.run("up")
    assert done["update"] == len(CHANGES) - 1
    assert done["replace"] == 1
    table = aws("dynamodb").describe_table(TableName=life.resources()["aws:dynamodb/table:Table images"]["id"])
    assert [i["IndexName"] for i in table["Table"]["GlobalSecondaryIndexes"]] == ["by-sk"]
    assert life.run("up") == {}
    assert life.run("refresh") == {}


def test_destroy_leaves_nothing(life: Life, aws: Callable[..., Any]) -> None:
    found = life.resources()
    assert life.run("destroy")["delete"] > 90
    own = {resource.get("id") for resource in found.values()}  # other files' tests share the embedded AWS
    assert not own & {bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"]}
    assert not own & set(aws("dynamodb").list_tables()["TableNames"])
    vpcs = {v["VpcId"] for v in aws("ec2").describe_vpcs()["Vpcs"]}
    assert found["aws:ec2/vpc:Vpc net"]["id"] not in vpcs
    key = aws("kms").describe_key(KeyId=found["aws:kms/key:Key data"]["id"])["KeyMetadata"]
    assert key["KeyState"] == "PendingDeletion", "AWS never deletes a key at once"
