"""boto3 clients of a running local stack, as its deploy user."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config


class Cloud:
    """boto3 clients for the endpoint, certificate bundle and keys in `env`."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self._session = boto3.Session(
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            region_name=env["AWS_DEFAULT_REGION"],
        )
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A boto3 client, made once."""
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service,
                endpoint_url=self.env["AWS_ENDPOINT_URL"],
                verify=self.env["AWS_CA_BUNDLE"],
                config=Config(
                    s3={"addressing_style": "path"},
                    signature_version="s3v4" if service == "s3" else None,
                    inject_host_prefix=False,
                    read_timeout=120,
                    max_pool_connections=16,
                ),
            )
        return self._clients[service]

    def resource(self, service: str) -> Any:
        """A boto3 resource (DynamoDB tables with Python types)."""
        return self._session.resource(
            service, endpoint_url=self.env["AWS_ENDPOINT_URL"], verify=self.env["AWS_CA_BUNDLE"]
        )
