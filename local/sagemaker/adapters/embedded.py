"""The ports on ministack in this process: roles, rights, events and metrics inside, S3 and Lambda by boto3.

boto3 goes through the front door with the session of the role in question, so a missing right fails as on AWS.
"""

# ministack lives in the environment of the embedded AWS only.
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.sagemaker.adapters import logs
from local.sagemaker.adapters.storage import BotoStore
from local.sagemaker.errors import AccessDeniedError, ThrottledError, ValidationError
from local.sagemaker.names import Scope
from local.sagemaker.ports import Credentials, FunctionReply, ObjectStore

SERVICE_PRINCIPAL = "sagemaker.amazonaws.com"
SESSION_SECONDS = 12 * 3600
_FUNCTION_SECONDS = 600  # a Lambda step may take ten minutes


class EmbeddedCloud:
    """Cloud (see ports) of one embedded AWS."""

    def __init__(self, scope: Scope, endpoint: str, ca_bundle: Path) -> None:
        self._scope, self._endpoint, self._ca_bundle = scope, endpoint, ca_bundle
        self._session = boto3.Session(region_name=scope.region)
        self._lock = threading.Lock()
        self._clients = lru_cache(maxsize=24)(self._make_client)

    def assume(self, role_arn: str, session_name: str) -> Credentials:
        """Session of the role, if its trust policy names the service principal of SageMaker."""
        from ministack.core.responses import request_scope
        from ministack.services import iam, sts

        with request_scope(self._scope.account, self._scope.region):
            role = iam._roles.get(role_arn.rsplit("/", 1)[-1])
            if role is None or role.get("Arn") != role_arn:
                raise ValidationError(f"Could not assume role {role_arn}: it does not exist")
            if not self._trusts_service(role.get("AssumeRolePolicyDocument", "{}"), role_arn):
                raise ValidationError(
                    f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
                    f"'{SERVICE_PRINCIPAL}' to assume the role"
                )
            arn = f"arn:aws:sts::{self._scope.account}:assumed-role/{role_arn.rsplit('/', 1)[-1]}/{session_name}"
            credentials = Credentials(
                access_key_id=iam._gen_session_access_key(),
                secret_access_key=iam._gen_secret(),
                session_token=iam._gen_session_token(),
                principal_arn=arn,
            )
            sts.register_session(
                credentials.access_key_id,
                {
                    "Arn": arn,
                    "UserId": f"{role.get('RoleId', '')}:{session_name}",
                    "SecretAccessKey": credentials.secret_access_key,
                    "SessionToken": credentials.session_token,
                    "Expiration": time.time() + SESSION_SECONDS,
                    "AccountId": self._scope.account,
                    "PrincipalType": "AssumedRole",
                },
            )
        return credentials

    def _trusts_service(self, document: str | dict[str, Any], role_arn: str) -> bool:
        from ministack.core import iam_evaluator

        # ministack's own evaluator takes any Service principal for any service: here the name must be the right one.
        trust = json.loads(document) if isinstance(document, str) else document
        statements = trust.get("Statement") or []
        context = iam_evaluator.EvalContext(
            principal_arn=SERVICE_PRINCIPAL,
            principal_type="Service",
            principal_account=self._scope.account,
            action="sts:AssumeRole",
            resource_arn=role_arn,
            region=self._scope.region,
            service_context={
                "aws:sourceaccount": self._scope.account,
                "aws:sourcearn": f"arn:aws:sagemaker:{self._scope.region}:{self._scope.account}:*",
            },
        )
        allowed = False
        for statement in [statements] if isinstance(statements, dict) else statements:
            principal = statement.get("Principal")
            services = principal.get("Service", []) if isinstance(principal, dict) else []
            named = SERVICE_PRINCIPAL in ([services] if isinstance(services, str) else services)
            actions = statement.get("Action", [])
            actions = [actions] if isinstance(actions, str) else actions
            matches = iam_evaluator._action_matches("sts:AssumeRole", actions, [])
            if named and matches and iam_evaluator._conditions_met(statement.get("Condition", {}), context):
                if statement.get("Effect") == "Deny":
                    return False
                allowed = True
        return allowed

    def authorize(
        self, caller: Credentials, action: str, resource: str, context: Mapping[str, Any] | None = None
    ) -> None:
        """IAM's answer for one action. Raises AccessDeniedError in the service's words."""
        from ministack.core import iam_evaluator
        from ministack.core.responses import request_scope

        service = action.partition(":")[0]
        with request_scope(self._scope.account, self._scope.region):
            denied = iam_evaluator.enforce(
                caller.access_key_id, action, service, self._scope.region, resource, dict(context or {})
            )
        if denied is None:
            return
        if isinstance(denied, iam_evaluator.AuthError):
            raise AccessDeniedError(denied.message)
        because = (
            "with an explicit deny in an identity-based policy"
            if denied.decision == "Deny"
            else f"because no identity-based policy allows the {action} action"
        )
        raise AccessDeniedError(
            f"User: {denied.principal_arn} is not authorized to perform: {action} on resource: {resource} {because}"
        )

    def storage(self, caller: Credentials) -> ObjectStore:
        """S3 with these keys."""
        return BotoStore(self._client("s3", caller))

    def invoke_function(self, caller: Credentials, arn: str, payload: Any) -> FunctionReply:
        """Synchronous Lambda invocation with these keys."""
        try:
            answer = self._client("lambda", caller).invoke(FunctionName=arn, Payload=json.dumps(payload).encode())
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            if code in ("TooManyRequestsException", "ThrottlingException"):
                raise ThrottledError(message) from error
            if code in ("AccessDeniedException", "AccessDenied"):
                raise AccessDeniedError(message) from error
            raise ValidationError(f"{code}: {message}") from error
        content = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError"):
            kind = content.get("errorType") if isinstance(content, dict) else None
            return FunctionReply(payload=None, error=str(kind or answer["FunctionError"]))
        return FunctionReply(payload=content)

    def put_logs(self, caller: Credentials, group: str, stream: str, lines: Sequence[tuple[int, str]]) -> None:
        """Append lines with the caller's rights."""
        logs.append(self._scope, partial(self.authorize, caller), group, stream, lines)

    def put_metrics(
        self, namespace: str, values: Iterable[tuple[str, float, str]], dimensions: Mapping[str, str]
    ) -> None:
        """Metrics of the service itself, then the alarms on them."""
        from ministack.core.responses import request_scope
        from ministack.services import cloudwatch

        with request_scope(self._scope.account, self._scope.region):
            for name, value, unit in values:
                cloudwatch.record_metric(namespace, name, value, unit, dict(dimensions))
            cloudwatch._evaluate_all_alarms()

    def alarm_states(self, caller: Credentials, names: Sequence[str]) -> dict[str, str]:
        """Looked at with the caller's right to describe each of them."""
        from ministack.core.responses import request_scope
        from ministack.services import cloudwatch

        for name in names:
            arn = f"arn:aws:cloudwatch:{self._scope.region}:{self._scope.account}:alarm:{name}"
            self.authorize(caller, "cloudwatch:DescribeAlarms", arn)
        with request_scope(self._scope.account, self._scope.region):
            return {name: str(cloudwatch._alarms[name]["StateValue"]) for name in names if name in cloudwatch._alarms}

    def emit(self, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]) -> None:
        """One event with source aws.sagemaker, put by the service itself."""
        from ministack.core.responses import request_scope
        from ministack.services import eventbridge

        entry = {
            "Source": "aws.sagemaker",
            "DetailType": detail_type,
            "Detail": json.dumps(dict(detail)),
            "Resources": list(resources),
            "EventBusName": "default",
        }
        with request_scope(self._scope.account, self._scope.region):
            eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)

    def environment(self, caller: Credentials) -> dict[str, str]:
        """Keys of the role, endpoint and trust anchor for a job process."""
        return {
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_CA_BUNDLE": str(self._ca_bundle),
            "REQUESTS_CA_BUNDLE": str(self._ca_bundle),
            "AWS_REGION": self._scope.region,
            "AWS_DEFAULT_REGION": self._scope.region,
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "AWS_ACCESS_KEY_ID": caller.access_key_id,
            "AWS_SECRET_ACCESS_KEY": caller.secret_access_key,
            "AWS_SESSION_TOKEN": caller.session_token,
        }

    def _client(self, service: str, caller: Credentials) -> Any:
        with self._lock:  # boto3 sessions are not safe for making clients in several threads
            return self._clients(service, caller)

    def _make_client(self, service: str, caller: Credentials) -> Any:
        return self._session.client(
            service,  # pyright: ignore[reportArgumentType, reportCallIssue] - a name, not one of the literals
            endpoint_url=self._endpoint,
            verify=str(self._ca_bundle),
            aws_access_key_id=caller.access_key_id,
            aws_secret_access_key=caller.secret_access_key,
            aws_session_token=caller.session_token,
            config=Config(
                s3={"addressing_style": "path"},
                inject_host_prefix=False,
                read_timeout=_FUNCTION_SECONDS,
                retries={"mode": "standard", "total_max_attempts": 1 if service == "lambda" else 3},
            ),
        )
