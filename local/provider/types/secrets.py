"""Secrets Manager."""

from __future__ import annotations

from ..clients import Aws
from ..kind import Values, is_gone
from ..objects import Object, tag_map


class Secret(Object):
    pulumi_type = "aws:secretsmanager/secret:Secret"
    service, key, id_at, name, name_limit, taggable = "secretsmanager", "SecretId", "ARN", "name", 512, True
    local = "policy recoveryWindowInDays forceOverwriteReplicaSecret"
    policies, defaults = "policy", {"recoveryWindowInDays": 30, "forceOverwriteReplicaSecret": False}
    create_op, read_op, update_op, delete_op = "create_secret", "describe_secret", "update_secret", "delete_secret"
    outputs = {"arn": "ARN", "name": "Name"}
    tag_key, tag_target = "SecretId", "id"

    def after_create(self, aws: Aws, id: str, new: Values) -> None:
        if new.get("policy"):
            self.call(aws, "put_resource_policy", SecretId=id, ResourcePolicy=new["policy"])

    def describe(self, aws: Aws, id: str, known: Values) -> Values | None:
        body = super().describe(aws, id, known)
        return None if body is None or body.get("DeletedDate") else body

    def read_tags(self, aws: Aws, target: str, body: Values) -> Values:
        return tag_map(body.get("Tags") or [])

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        if known.get("policy"):
            found["policy"] = self.call(aws, "get_resource_policy", SecretId=id).get("ResourcePolicy")

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        super().update(aws, id, old, new)
        if self.changed(old, new, "policy"):
            if new.get("policy"):
                self.call(aws, "put_resource_policy", SecretId=id, ResourcePolicy=new["policy"])
            else:
                self.call(aws, "delete_resource_policy", SecretId=id)

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        days = int(30 if old.get("recoveryWindowInDays") is None else old["recoveryWindowInDays"])
        how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        self.call(aws, "delete_secret", SecretId=id, **how)


class SecretVersion(Object):
    """A version cannot be changed or deleted on its own: a new value is a new version, the old one loses its stage."""

    pulumi_type = "aws:secretsmanager/secretVersion:SecretVersion"
    service, replaces = "secretsmanager", "secretId secretString secretBinary"
    create_op, read_op, local = "put_secret_value", "get_secret_value", "secretBinary versionStages"
    note = "versionStages other than AWSCURRENT are refused; write-only values (secretStringWo) are refused"

    def create_args(self, aws: Aws, new: Values) -> Values:
        import base64

        binary = {"SecretBinary": base64.b64decode(new["secretBinary"])} if new.get("secretBinary") else {}
        return super().create_args(aws, new) | binary

    def problems(self, aws: Aws, new: Values) -> list[tuple[str, str]]:
        stages = new.get("versionStages")
        bad = isinstance(stages, list) and stages not in ([], ["AWSCURRENT"])
        return super().problems(aws, new) + ([("versionStages", "only AWSCURRENT is supported locally")] if bad else [])

    def identify(self, reply: Values, new: Values) -> str:
        return f"{new['secretId']}|{reply['VersionId']}"

    def key_args(self, aws: Aws, id: str, state: Values) -> Values:
        secret, _, version = id.rpartition("|")
        return {"SecretId": secret, "VersionId": version}

    def describe(self, aws: Aws, id: str, known: Values) -> Values | None:
        try:
            return self.call(aws, "get_secret_value", **self.key_args(aws, id, known))
        except Exception as error:
            if is_gone(error) or "marked for deletion" in str(error):
                return None
            raise

    def from_api(self, aws: Aws, body: Values, known: Values) -> Values:
        found: Values = {"secretId": id_of(known, body), "arn": body["ARN"], "versionId": body["VersionId"]}
        if "SecretString" in body and "secretBinary" not in known:
            found["secretString"] = body["SecretString"]
        return found | {"secretArn": body["ARN"], "versionStages": body.get("VersionStages") or []}

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        """Only `versionStages` can differ, and it has one allowed value."""

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        """Secrets Manager drops versions without stages itself; the current one goes with its secret."""


def id_of(known: Values, body: Values) -> str:
    """The secret as the program named it (ARN or name)."""
    return known.get("secretId") or body["ARN"]
