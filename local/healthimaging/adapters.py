"""The service's ports on ministack: IAM of the caller, roles by STS sessions, S3 over TLS, the default event bus."""

# pyright: reportMissingImports=false
# ministack lives in the environment of the embedded AWS only.

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import cached_property
from typing import Any

from local.healthimaging.errors import AccessDeniedError, ValidationError
from local.healthimaging.ports import Document, RoleStorage, StorageError, StoredObject

_SERVICE_PRINCIPAL = "medical-imaging.amazonaws.com"
_SESSION_SECONDS = 12 * 3600
_caller: ContextVar[str] = ContextVar("healthimaging_caller", default="")


class RequestAccess:
    """IAM for the request that the running task serves."""

    def __init__(self, region: str) -> None:
        self._region = region

    @staticmethod
    def enter(access_key: str) -> None:
        """Note whose request is being served; the signature itself was pinned by ministack."""
        _caller.set(access_key)

    def require(self, action: str, resource: str) -> None:
        """Ask ministack's evaluator: signature, identity policies, boundaries and session policies."""
        from ministack.core import iam_evaluator

        # a policy may let a role be passed to this service alone (condition iam:PassedToService)
        context = {"iam:PassedToService": _SERVICE_PRINCIPAL} if action == "iam:PassRole" else None
        denied = iam_evaluator.enforce(
            _caller.get(), action, "medical-imaging", self._region, resource_arn=resource, service_context=context
        )
        if denied is None:
            return
        if isinstance(denied, iam_evaluator.AuthError):
            raise AccessDeniedError(denied.message)
        raise AccessDeniedError(
            f"User: {denied.principal_arn} is not authorized to perform: {action} on resource: {resource}"
        )


class StsRoles:
    """Assumes a role as the service principal does: only if its trust policy names the service."""

    def __init__(self, endpoint: str, bundle: str, region: str, account: str) -> None:
        self._endpoint = endpoint
        self._bundle = bundle
        self._region = region
        self._account = account
        self._lock = threading.Lock()
        self._session: Any = None

    def assume(self, role_arn: str, session_name: str) -> RoleStorage:
        """S3 as the role; raises ValidationError for an unknown role, AccessDeniedError for one without trust."""
        from ministack.core.responses import request_scope
        from ministack.services import iam, sts

        name = role_arn.rsplit("/", 1)[-1]
        with request_scope(self._account, self._region):
            role = iam._roles.get(name)
        if role is None:
            raise ValidationError("The dataAccessRoleArn names no role of this account")
        if not trusts(role.get("AssumeRolePolicyDocument"), _SERVICE_PRINCIPAL):
            raise AccessDeniedError(f"The dataAccessRoleArn does not let {_SERVICE_PRINCIPAL} assume it")
        key, secret, token = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(32)
        sts.register_session(
            key,
            {
                "Arn": f"arn:aws:sts::{self._account}:assumed-role/{name}/{session_name[:64]}",
                "UserId": f"{role.get('RoleId', name)}:{session_name[:64]}",
                "SecretAccessKey": secret,
                "SessionToken": token,
                "Expiration": time.time() + _SESSION_SECONDS,
            },
        )
        return S3AsRole(lambda: self._client(key, secret, token))

    def _client(self, key: str, secret: str, token: str) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 3}, read_timeout=120)
        with self._lock:  # one session: it keeps the service model, and making clients of it is not thread-safe
            self._session = self._session or boto3.Session(region_name=self._region)
            return self._session.client(
                "s3",
                endpoint_url=self._endpoint,
                verify=self._bundle,
                config=config,
                aws_access_key_id=key,
                aws_secret_access_key=secret,
                aws_session_token=token,
            )


def trusts(document: Any, principal: str) -> bool:
    """Whether a role's trust policy lets a service principal call sts:AssumeRole (conditions are not looked at)."""
    policy = json.loads(document) if isinstance(document, str) else document or {}
    statements = policy.get("Statement", [])
    allowed = False
    for statement in [statements] if isinstance(statements, dict) else statements:
        who = statement.get("Principal", {})
        named = who.get("Service", []) if isinstance(who, dict) else [who]
        services = [named] if isinstance(named, str) else named
        actions = statement.get("Action", [])
        actions = [actions] if isinstance(actions, str) else actions
        if principal in services and {"sts:AssumeRole", "sts:*", "*"} & set(actions):
            if statement.get("Effect") == "Deny":
                return False
            allowed = True
    return allowed


class S3AsRole:
    """S3 of the embedded AWS with a role's session; IAM decides each call."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect

    @cached_property
    def _client(self) -> Any:
        return self._connect()

    def list(self, bucket: str, prefix: str) -> Iterator[StoredObject]:
        """Every object below the prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        iterator = iter(pages)
        while True:
            page = self._guard("ListObjectsV2", lambda: next(iterator, None))
            if page is None:
                return
            for one in page.get("Contents", []):
                yield StoredObject(one["Key"], one["Size"])

    def read(self, bucket: str, key: str) -> bytes:
        """A whole object."""

        def get() -> bytes:  # the body is read inside the guard: it may break off too
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()

        return self._guard("GetObject", get)

    def write(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        """Put an object."""
        self._guard(
            "PutObject",
            lambda: self._client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type),
        )

    @staticmethod
    def _guard(operation: str, call: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return call()
        except ClientError as error:
            raise StorageError(error.response["Error"]["Code"], operation) from error
        except BotoCoreError as error:
            raise StorageError(type(error).__name__, operation) from error


class DefaultBus:
    """Puts the service's events on the default bus, as only a service may (source aws.*)."""

    def __init__(self, region: str, account: str) -> None:
        self._region = region
        self._account = account

    def publish(self, detail_type: str, detail: Document, resources: list[str]) -> None:
        """Send one event; rules are matched and targets called before this returns."""
        from ministack.core.responses import request_scope
        from ministack.services import eventbridge

        entry = {
            "Source": "aws.medical-imaging",
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Resources": resources,
        }
        with request_scope(self._account, self._region):
            eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
