"""Cognito user pools and what lives in them."""

from __future__ import annotations

from typing import Any

from ..clients import Aws
from ..kind import Values
from ..objects import Object
from ..shapes import fit


class UserPool(Object):
    """Schema attributes are fixed at create here; MFA settings have an operation of their own."""

    pulumi_type = "aws:cognito/userPool:UserPool"
    service, key, name, name_limit, taggable = "cognito-idp", "UserPoolId", "name", 128, True
    create_op, read_op, update_op = "create_user_pool", "describe_user_pool", "update_user_pool"
    delete_op, id_at, body_at = "delete_user_pool", "UserPool.Id", "UserPool"
    replaces = "aliasAttributes usernameAttributes usernameConfiguration schemas"
    local = "mfaConfiguration softwareTokenMfaConfiguration webAuthnConfiguration emailMfaConfiguration"
    rename = {"name": "PoolName", "schemas": "Schema"}
    outputs = {"arn": "Arn", "endpoint": "cognito-idp.{aws.region}.amazonaws.com/{id}", "domain": "Domain"}
    tag_key = "ResourceArn"
    note = "a changed schema replaces the pool (the real provider adds attributes in place)"

    @property
    def replace_keys(self) -> set[str]:
        return super().replace_keys - {"name"}

    def sent(self, new: Values) -> Values:
        values = super().sent(new)
        policies = {k: values.pop(k) for k in ("passwordPolicy", "signInPolicy") if k in values}
        tags = {"userPoolTags": values.pop("tags")} if "tags" in values else {}
        return {**values, **tags, **({"policies": policies} if policies else {})}

    def updatable(self, values: Values) -> Values:
        return {k: v for k, v in super().updatable(values).items() if k != "userPoolTags"}

    def update_args(self, aws: Aws, id: str, old: Values, new: Values) -> Values:
        return super().update_args(aws, id, old, new) | {"UserPoolTags": new.get("tagsAll") or {}}

    def after_create(self, aws: Aws, id: str, new: Values) -> None:
        if self.mfa(aws, new):
            self.call(aws, "set_user_pool_mfa_config", UserPoolId=id, **self.mfa(aws, new))

    def mfa(self, aws: Aws, new: Values) -> Values:
        """Parameters of set_user_pool_mfa_config; empty when the program says nothing about MFA."""
        given = {k: new[k] for k in self.local.split() if new.get(k) is not None}
        shape = aws.shape("cognito-idp", "set_user_pool_mfa_config")
        return fit(shape, given, {"mfaConfiguration": "MfaConfiguration"})

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        policies: Any = found.pop("policies", None) or {}
        found.update(policies)
        found.pop("userPoolTags", None)
        found["creationDate"] = str(body.get("CreationDate"))
        found["lastModifiedDate"] = str(body.get("LastModifiedDate"))
        if self.mfa(aws, known):
            live = self.call(aws, "get_user_pool_mfa_config", UserPoolId=id)
            found["mfaConfiguration"] = live.get("MfaConfiguration", "OFF")

    def read_tags(self, aws: Aws, target: str, body: Values) -> Values:
        return body.get("UserPoolTags") or {}

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        super().update(aws, id, old, new)
        if self.changed(old, new, *self.local.split()):
            self.call(aws, "set_user_pool_mfa_config", UserPoolId=id, **self.mfa(aws, new))


class UserPoolClient(Object):
    pulumi_type = "aws:cognito/userPoolClient:UserPoolClient"
    service, name, name_limit, replaces = "cognito-idp", "name", 128, "userPoolId generateSecret"
    keys = {"UserPoolId": "{userPoolId}", "ClientId": "{id}"}
    create_op, read_op = "create_user_pool_client", "describe_user_pool_client"
    update_op, delete_op = "update_user_pool_client", "delete_user_pool_client"
    id_at, body_at, rename = "UserPoolClient.ClientId", "UserPoolClient", {"name": "ClientName"}
    outputs = {"clientSecret": "ClientSecret"}

    @property
    def replace_keys(self) -> set[str]:
        return super().replace_keys - {"name"}


class UserGroup(Object):
    pulumi_type = "aws:cognito/userGroup:UserGroup"
    service, name, name_limit, replaces = "cognito-idp", "name", 128, "userPoolId"
    create_op, read_op, update_op, delete_op = "create_group", "get_group", "update_group", "delete_group"
    keys = {"UserPoolId": "{userPoolId}", "GroupName": "{name}"}
    id_at, body_at, rename = "{userPoolId}/{name}", "Group", {"name": "GroupName"}
    note = "the embedded AWS has no UpdateGroup: a changed group fails there"


class UserPoolDomain(Object):
    pulumi_type = "aws:cognito/userPoolDomain:UserPoolDomain"
    service, replaces, id_at = "cognito-idp", "domain userPoolId", "{domain}"
    create_op, read_op = "create_user_pool_domain", "describe_user_pool_domain"
    update_op, delete_op = "update_user_pool_domain", "delete_user_pool_domain"
    keys = {"Domain": "{domain}", "UserPoolId": "{userPoolId}"}
    outputs = {
        "s3Bucket": "S3Bucket",
        "cloudfrontDistribution": "CloudFrontDistribution",
        "cloudfrontDistributionArn": "CloudFrontDistribution",
        "cloudfrontDistributionZoneId": "Z2FDTNDATAQYW2",  # Route 53: the zone of every CloudFront distribution
        "version": "Version",
        "awsAccountId": "{aws.account}",
    }

    def sent(self, new: Values) -> Values:
        values = super().sent(new)
        certificate = values.pop("certificateArn", None)
        return values | ({"customDomainConfig": {"certificateArn": certificate}} if certificate is not None else {})

    def read_args(self, aws: Aws, id: str, known: Values) -> Values:
        return {"Domain": id}

    def describe(self, aws: Aws, id: str, known: Values) -> Values | None:
        body = super().describe(aws, id, known) or {}
        return body.get("DomainDescription") or None

    def output(self, aws: Aws, id: str, place: str, body: Values, state: Values) -> Any:
        return place if place.startswith("Z2FD") else super().output(aws, id, place, body, state)


class ResourceServer(Object):
    pulumi_type = "aws:cognito/resourceServer:ResourceServer"
    service, replaces, id_at = "cognito-idp", "userPoolId identifier", "{userPoolId}|{identifier}"
    create_op, read_op = "create_resource_server", "describe_resource_server"
    update_op, delete_op, body_at = "update_resource_server", "delete_resource_server", "ResourceServer"
    keys = {"UserPoolId": "{userPoolId}", "Identifier": "{identifier}"}

    def updatable(self, values: Values) -> Values:
        return {"name": values.get("name"), **super().updatable(values)}

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        names = [scope["ScopeName"] for scope in body.get("Scopes") or []]
        found["scopeIdentifiers"] = [f"{body['Identifier']}/{name}" for name in names]
