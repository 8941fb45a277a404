"""One mutant a family of rules, refused by the real engine in one preview; and waivers through the engine."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.engine import environment
from local.engine.project import write_project
from local.pulumi_run import PulumiRun, run_pulumi

pytestmark = pytest.mark.engine
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).parent / "mutants" / "families"
OPEN = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*"}]})
ADMIN = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
_REFUSED = re.compile(r"\[mandatory\](?: \[severity: \w+\])?\s+([\w-]+)\s+\(\S+ (\S+)\)")

FAMILIES: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "s3": ("aws:s3/bucket:Bucket", {"bucket": "b"}, {"s3-pab-present", "s3-sse-present", "s3-policy-present"}),
    "kms": ("aws:kms/key:Key", {"deletionWindowInDays": 7}, {"kms-rotation", "kms-delete-window", "kms-policy"}),
    "iam": ("aws:iam/policy:Policy", {"policy": ADMIN}, {"iam-no-admin"}),
    "trust": ("aws:iam/role:Role", {"assumeRolePolicy": OPEN}, {"iam-trust", "iam-boundary"}),
    "people": (
        "aws:cognito/userPool:UserPool",
        {"mfaConfiguration": "OFF"},
        {"cognito-mfa", "cognito-no-self-sign-up"},
    ),
    "users": ("aws:iam/accessKey:AccessKey", {"user": "u"}, {"iam-no-users"}),
    "lambda": ("aws:lambda/function:Function", {"role": "r"}, {"lambda-vpc", "lambda-dlq", "lambda-log-config"}),
    "invoke": ("aws:lambda/permission:Permission", {"principal": "*"}, {"lambda-permission-scoped"}),
    "network": ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16"}, {"vpc-flow-logs", "vpc-default-sg-managed"}),
    "subnet": ("aws:ec2/subnet:Subnet", {"mapPublicIpOnLaunch": True}, {"vpc-subnet-no-public-ip"}),
    "ports": (
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"cidrIpv4": "0.0.0.0/0"},
        {"sg-rule-no-open-ingress"},
    ),
    "endpoint": ("aws:ec2/vpcEndpoint:VpcEndpoint", {"serviceName": "s"}, {"vpce-policy"}),
    "logs": ("aws:cloudwatch/logGroup:LogGroup", {"name": "g"}, {"logs-kms", "logs-retention", "meta-tags"}),
    "alarm": ("aws:cloudwatch/metricAlarm:MetricAlarm", {"name": "a"}, {"alarm-actions"}),
    "dynamodb": ("aws:dynamodb/table:Table", {"hashKey": "k"}, {"ddb-cmk", "ddb-pitr", "ddb-on-demand"}),
    "images": (
        "aws:cloudcontrol/resource:Resource",
        {"typeName": "AWS::HealthImaging::Datastore", "desiredState": "{}"},
        {"ahi-cmk"},
    ),
    "sagemaker": ("aws:sagemaker/model:Model", {"executionRoleArn": "r"}, {"sm-model-isolated", "sm-model-vpc"}),
    "notebook": ("aws:sagemaker/notebookInstance:NotebookInstance", {"roleArn": "r"}, {"sm-notebook-kms"}),
    "api": ("aws:apigateway/method:Method", {"authorization": "NONE", "httpMethod": "GET"}, {"apigw-method-auth"}),
    "stage": ("aws:apigateway/stage:Stage", {"stageName": "s"}, {"apigw-access-log", "apigw-exec-log", "apigw-waf"}),
    "machine": (
        "aws:sfn/stateMachine:StateMachine",
        {"definition": "{}", "loggingConfiguration": {"includeExecutionData": True}},
        {"sfn-logging", "sfn-no-exec-data", "sfn-cmk"},
    ),
    "sns": ("aws:sns/topic:Topic", {"name": "t"}, {"sns-kms"}),
    "sqs": ("aws:sqs/queue:Queue", {"name": "q", "policy": OPEN}, {"sqs-kms", "sqs-policy"}),
    "events": ("aws:cloudwatch/eventBus:EventBus", {"name": "bus"}, {"eb-bus-cmk"}),
    "target": ("aws:cloudwatch/eventTarget:EventTarget", {"rule": "r"}, {"eb-target-dlq"}),
    "cloudtrail": (
        "aws:cloudtrail/trail:Trail",
        {"s3BucketName": "b"},
        {"trail-kms", "trail-validation", "trail-multi-region", "trail-cwl", "trail-data-events"},
    ),
    "guardduty": ("aws:guardduty/detector:Detector", {"enable": False}, {"gd-on"}),
    "config": ("aws:cfg/recorder:Recorder", {"roleArn": "r"}, {"config-on"}),
    "secret": ("aws:secretsmanager/secret:Secret", {"name": "s"}, {"secret-cmk"}),
    "ecs": ("aws:ecs/taskDefinition:TaskDefinition", {"networkMode": "host"}, {"ecs-host-mode", "ecs-roles-set"}),
    "ecr": ("aws:ecr/repository:Repository", {"name": "r"}, {"ecr-scan", "ecr-immutable", "ecr-kms"}),
    "balancer": ("aws:lb/listener:Listener", {"protocol": "HTTP"}, {"alb-listener-tls"}),
    "cloudfront": ("aws:cloudfront/distribution:Distribution", {"enabled": True}, {"cf-https", "cf-tls12", "cf-waf"}),
    "firewall": ("aws:wafv2/webAcl:WebAcl", {"scope": "REGIONAL"}, {"waf-logs"}),
    "backup": ("aws:backup/vault:Vault", {"name": "v"}, {"backup-vault-cmk"}),
    "server": ("aws:ec2/instance:Instance", {"ami": "a"}, {"ec2-no-instances"}),
    "database": ("aws:rds/instance:Instance", {"engine": "postgres"}, {"meta-type-allow-list"}),
    "twin": ("aws:s3/bucketV2:BucketV2", {"bucket": "c"}, {"meta-type-allow-list"}),
    "escape": ("aws:cloudformation/stack:Stack", {"name": "s"}, {"meta-no-escape-hatch"}),
    "abroad": ("aws:sqs/queue:Queue", {"name": "far", "region": "eu-west-1"}, {"meta-region"}),
}


def preview(folder: Path, mutants: dict[str, tuple[str, dict[str, Any]]], pack: Path = ROOT / "policy") -> PulumiRun:
    """A preview of nothing but the mutants, by the real engine with the pack; the provider only echoes."""
    order = folder / "mutants.json"
    order.parent.mkdir(parents=True, exist_ok=True)
    order.write_text(json.dumps([[kind, name, inputs] for name, (kind, inputs) in mutants.items()]))
    env = environment(state_dir=folder / "state", offline=True) | {"MUTANTS": str(order)}
    env["PULUMI_HOME"] = str(_home_with_echo(Path(env["PULUMI_HOME"]), folder / "home"))
    project = write_project(folder / "project", program=PROGRAM)
    run_pulumi(["stack", "select", "--create", "dev"], env=env, cwd=project)
    return run_pulumi(["preview", "--stack", "dev", "--policy-pack", str(pack)], env=env, cwd=project, check=False)[1]


def _home_with_echo(home: Path, own: Path) -> Path:
    """The plugins of the checkout, with the AWS provider replaced."""
    shutil.copytree(home / "plugins", own / "plugins")
    script = next((own / "plugins").glob("resource-aws-v*/pulumi-resource-aws"))
    echo = Path(__file__).with_name("echo_provider.py")
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "{echo}"\n')
    return own


def refusals(run: PulumiRun) -> set[tuple[str, str]]:
    """(rule, resource) of every mandatory violation."""
    return set(_REFUSED.findall(run.text))


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("mutants")
    run = preview(folder, {name: (kind, inputs) for name, (kind, inputs, _) in FAMILIES.items()})
    assert "can't run policy" not in run.text
    found = refusals(run)
    assert found, run.text[-3000:]
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mistake_of_each_family_is_refused_by_the_engine(family: str, refused: set[tuple[str, str]]) -> None:
    assert FAMILIES[family][2] <= {rule for rule, name in refused if name == family}


def pack_with(waivers: list[dict[str, str]], folder: Path) -> Path:
    """A copy of the pack with other waivers."""
    pack = folder / "policy"
    shutil.copytree(ROOT / "policy", pack, ignore=shutil.ignore_patterns("__pycache__"))
    (pack / "waivers.yaml").write_text(yaml.safe_dump({"waivers": waivers}))
    return pack


@pytest.mark.parametrize(
    ("resource", "queue_is_refused", "waiver_is_refused"),
    [("urn:pulumi:dev::*::q", False, False), ("urn:pulumi:dev::*::another", True, True)],
    ids=["covers", "covers-nothing"],
)
def test_a_waiver_holds_while_it_covers_something(
    resource: str, queue_is_refused: bool, waiver_is_refused: bool, tmp_path: Path
) -> None:
    from datetime import UTC, datetime, timedelta

    entry: dict[str, Any] = {
        "rule": "sqs-kms",
        "resource": resource,
        "reason": "A queue of synthetic events, for a week.",
        "owner": "imaging-platform",
        "expires": datetime.now(tz=UTC).date() + timedelta(days=7),
    }
    pack = pack_with([entry], tmp_path)
    rules = {rule for rule, _ in refusals(preview(tmp_path / "engine", {"q": ("aws:sqs/queue:Queue", {})}, pack))}
    assert ("sqs-kms" in rules) is queue_is_refused
    assert ("meta-waivers-current" in rules) is waiver_is_refused
