"""What runs: Lambda, Step Functions, SageMaker, API Gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from hipaa_pack import sections
from hipaa_pack.reads import UNKNOWN, Values, at, document, is_off, is_set, is_true, listed
from hipaa_pack.rule import CompanionRule, ResourceRule, Rule

_FUNCTION = ("aws:lambda/function:Function",)
_MACHINE = ("aws:sfn/stateMachine:StateMachine",)
_STAGE = ("aws:apigateway/stage:Stage",)


def _in_vpc(values: Values) -> Iterator[str]:
    for name in ("subnetIds", "securityGroupIds"):
        if not is_set(at(values, f"vpcConfig.{name}")):
            yield f"vpcConfig.{name} must be set"


def _environment_key(values: Values) -> Iterator[str]:
    if is_set(at(values, "environment.variables")) and not is_set(at(values, "kmsKeyArn")):
        yield "kmsKeyArn must be set when there are environment variables"


_SECRET_WORDS = ("password", "secretkey", "secret_key", "api_key", "apikey", "private_key", "access_key", "token")


def _no_secret_environment(values: Values) -> Iterator[str]:
    variables = at(values, "environment.variables")
    if not isinstance(variables, dict):
        return
    for name in cast("Values", variables):
        if any(word in name.lower() for word in _SECRET_WORDS):
            yield "an environment variable looks like a secret: pass the ARN of a Secrets Manager secret"


def _permission(values: Values) -> Iterator[str]:
    principal = at(values, "principal")
    if principal == "*":
        yield "everybody may invoke the function"
    scoped = is_set(at(values, "sourceArn")) or is_set(at(values, "sourceAccount"))
    if isinstance(principal, str) and principal.endswith(".amazonaws.com") and not scoped:
        yield "a service may invoke the function for anyone: set sourceArn or sourceAccount"


def _function_url(values: Values) -> Iterator[str]:
    if at(values, "authorizationType") not in ("AWS_IAM", UNKNOWN):
        yield "a function URL needs AWS_IAM"


def _machine_logs(values: Values) -> Iterator[str]:
    level = at(values, "loggingConfiguration.level")
    if level is not UNKNOWN and level not in ("ALL", "ERROR"):
        yield "loggingConfiguration.level must be ALL or ERROR"
    if not is_set(at(values, "loggingConfiguration.logDestination")):
        yield "loggingConfiguration.logDestination must be set"


def _no_payload(values: Values) -> Iterator[str]:
    if is_true(at(values, "loggingConfiguration.includeExecutionData")):
        yield "includeExecutionData writes inputs and outputs into the log"


def _machine_key(values: Values) -> Iterator[str]:
    kind = at(values, "encryptionConfiguration.type")
    if kind is not UNKNOWN and kind != "CUSTOMER_MANAGED_KMS_KEY":
        yield "encryptionConfiguration.type must be CUSTOMER_MANAGED_KMS_KEY: history keeps inputs for 90 days"


def _pipeline_jobs(values: Values) -> Iterator[str]:
    """Each job of a SageMaker pipeline keeps its volumes and results under our keys."""
    for step in _steps((document(at(values, "pipelineDefinition")) or {}).get("Steps")):
        arguments = cast("Values", step.get("Arguments") or {})
        if step.get("Type") == "Processing":
            volume = at(arguments, "ProcessingResources.ClusterConfig.VolumeKmsKeyId")
            outputs = listed(at(arguments, "ProcessingOutputConfig.KmsKeyId"))
        elif step.get("Type") == "Training":
            volume = at(arguments, "ResourceConfig.VolumeKmsKeyId")
            outputs = listed(at(arguments, "OutputDataConfig.KmsKeyId"))
        else:
            continue
        if not is_set(volume):
            yield f"step {step.get('Name')}: VolumeKmsKeyId must be set"
        if not outputs:
            yield f"step {step.get('Name')}: the KmsKeyId of its output must be set"


def _pipeline_network(values: Values) -> Iterator[str]:
    for step in _steps((document(at(values, "pipelineDefinition")) or {}).get("Steps")):
        arguments = cast("Values", step.get("Arguments") or {})
        if step.get("Type") == "Processing":
            network = at(arguments, "NetworkConfig.VpcConfig.Subnets")
        elif step.get("Type") == "Training":
            network = at(arguments, "VpcConfig.Subnets")
        else:
            continue
        if not is_set(network):
            yield f"step {step.get('Name')}: it must run in the VPC"


def _steps(found: Any) -> Iterator[Values]:
    for step in cast("list[Values]", found or []):
        yield step
        for branch in ("IfSteps", "ElseSteps"):
            yield from _steps(at(step, f"Arguments.{branch}"))


def _settings_of_methods(values: Values) -> Iterator[str]:
    if is_true(at(values, "settings.dataTraceEnabled")):
        yield "dataTraceEnabled writes whole requests and answers into the log"
    if is_true(at(values, "settings.cachingEnabled")) and is_off(at(values, "settings.cacheDataEncrypted")):
        yield "a cache must be encrypted"
    level = at(values, "settings.loggingLevel")
    if level is not UNKNOWN and level not in ("ERROR", "INFO"):
        yield "loggingLevel must be ERROR or INFO"


def _access_log(values: Values) -> Iterator[str]:
    if not is_set(at(values, "accessLogSettings.destinationArn")):
        yield "accessLogSettings.destinationArn must be set"
    written = at(values, "accessLogSettings.format")
    if isinstance(written, str) and ("$input" in written or "$context.authorizer.claims.email" in written):
        yield "the access log must not carry bodies or e-mail addresses"


def _authorized(values: Values) -> Iterator[str]:
    body = document(at(values, "body"))
    for path, operations in cast("Values", (body or {}).get("paths") or {}).items():
        for method, operation in cast("Values", operations).items():
            if method in ("options", "parameters") or path == "/health" or not isinstance(operation, dict):
                continue
            if not (cast("Values", operation).get("security") or (body or {}).get("security")):
                yield f"{method.upper()} {path} asks nobody who they are"


def _method_auth(values: Values) -> Iterator[str]:
    if at(values, "authorization") == "NONE" and at(values, "httpMethod") != "OPTIONS":
        yield "a method without authorization"


RULES: list[Rule] = [
    ResourceRule(
        id="lambda-vpc",
        says="a function runs in the VPC",
        sections=sections.NETWORK,
        sources=("N:LambdaInsideVPC", "K:117"),
        remedy="Use components.function.PlatformFunction, or set vpc_config.",
        types=_FUNCTION,
        check=_in_vpc,
    ),
    ResourceRule(
        id="lambda-env-kms",
        says="a function's environment is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        sources=("K:173",),
        remedy="Set kms_key_arn.",
        types=_FUNCTION,
        check=_environment_key,
    ),
    ResourceRule(
        id="lambda-no-secret-env",
        says="a function's environment holds no secrets",
        sections=(*sections.ACCESS, *sections.AUTHENTICATION),
        sources=("K:45",),
        remedy="Pass the ARN of a secret and read it at run time.",
        types=_FUNCTION,
        check=_no_secret_environment,
    ),
    CompanionRule(
        id="lambda-dlq",
        says="an event that a function cannot handle is kept",
        sections=sections.AUDIT,
        sources=("N:LambdaDLQ", "K:116"),
        remedy="Use components.function.PlatformFunction, or set dead_letter_config or an EventInvokeConfig.",
        types=_FUNCTION,
        companions=("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",),
        link="functionName",
        identity=("id", "name", "arn"),
        exempt=lambda function: is_set(at(function, "deadLetterConfig.targetArn")),
    ),
    ResourceRule(
        id="lambda-permission-scoped",
        says="who may invoke a function is named",
        sections=sections.NETWORK,
        sources=("N:LambdaFunctionPublicAccessProhibited", "K:301", "K:364"),
        remedy="Name the principal, and sourceArn or sourceAccount for a service.",
        grade="critical",
        types=("aws:lambda/permission:Permission",),
        check=_permission,
    ),
    ResourceRule(
        id="lambda-url-auth",
        says="no function is reachable by a URL without authentication",
        sections=(*sections.NETWORK, *sections.AUTHENTICATION),
        sources=("K:258",),
        remedy="Set authorization_type=AWS_IAM, or use the API.",
        grade="critical",
        types=("aws:lambda/functionUrl:FunctionUrl",),
        check=_function_url,
    ),
    ResourceRule(
        id="sfn-logging",
        says="a state machine logs its executions",
        sections=sections.AUDIT,
        sources=("K:285",),
        remedy="Set logging_configuration.",
        types=_MACHINE,
        check=_machine_logs,
    ),
    ResourceRule(
        id="sfn-no-exec-data",
        says="a state machine's log carries no payloads",
        sections=sections.MINIMUM_NECESSARY,
        remedy="Set include_execution_data=False (checkov's CKV_AWS_285 asks for the opposite: not here).",
        types=_MACHINE,
        check=_no_payload,
    ),
    ResourceRule(
        id="sfn-cmk",
        says="a state machine's history is encrypted by a key of our own",
        sections=sections.ENCRYPTION,
        remedy="Set encryption_configuration with type CUSTOMER_MANAGED_KMS_KEY.",
        types=_MACHINE,
        check=_machine_key,
    ),
    ResourceRule(
        id="sm-pipeline-kms",
        says="training and processing keep volumes and results under keys of our own",
        sections=sections.ENCRYPTION,
        sources=("K:98", "K:367", "K:369"),
        remedy="Set the KMS keys in training.definition.PipelineConfig.",
        types=("aws:sagemaker/pipeline:Pipeline",),
        check=_pipeline_jobs,
    ),
    ResourceRule(
        id="sm-pipeline-vpc",
        says="training and processing run in the VPC",
        sections=sections.NETWORK,
        sources=("K:370",),
        remedy="Set subnets and security groups in training.definition.PipelineConfig.",
        types=("aws:sagemaker/pipeline:Pipeline",),
        check=_pipeline_network,
    ),
    ResourceRule(
        id="apigw-methods",
        says="API methods log errors and never whole requests",
        sections=(*sections.AUDIT, *sections.MINIMUM_NECESSARY),
        sources=("N:APIGWExecutionLoggingEnabled", "N:APIGWCacheEnabledAndEncrypted", "K:276", "K:308"),
        remedy="Set logging_level=ERROR and data_trace_enabled=False.",
        types=("aws:apigateway/methodSettings:MethodSettings",),
        check=_settings_of_methods,
    ),
    ResourceRule(
        id="apigw-access-log",
        says="every call of the API is recorded without its content",
        sections=(*sections.AUDIT, *sections.MINIMUM_NECESSARY),
        sources=("K:76",),
        remedy="Set access_log_settings with the platform's format.",
        types=_STAGE,
        check=_access_log,
    ),
    CompanionRule(
        id="apigw-exec-log",
        says="every stage has method settings",
        sections=sections.AUDIT,
        sources=("N:APIGWExecutionLoggingEnabled", "K2:4"),
        remedy="Add an aws.apigateway.MethodSettings for */*.",
        types=_STAGE,
        companions=("aws:apigateway/methodSettings:MethodSettings",),
        link="stageName",
        identity=("stageName",),
    ),
    ResourceRule(
        id="apigw-body-auth",
        says="every operation of an OpenAPI body asks who is calling",
        sections=(*sections.AUTHENTICATION, *sections.ACCESS),
        sources=("K:59", "K2:70"),
        remedy="Add security to the operation or to the document; /health alone may be open.",
        grade="critical",
        types=("aws:apigateway/restApi:RestApi",),
        check=_authorized,
    ),
    ResourceRule(
        id="apigw-method-auth",
        says="no method is open",
        sections=(*sections.AUTHENTICATION, *sections.ACCESS),
        sources=("K:59", "K2:70"),
        remedy="Set authorization.",
        grade="critical",
        types=("aws:apigateway/method:Method",),
        check=_method_auth,
    ),
]
