"""Image repositories of ECR: repository, its policy and its lifecycle policy. No image is pulled from them."""

from __future__ import annotations

from ..clients import Aws
from ..facets import Facet
from ..kind import Values
from ..objects import Object


class Repository(Object):
    pulumi_type = "aws:ecr/repository:Repository"
    service, name, name_limit, taggable, local = "ecr", "name", 256, True, "forceDelete"
    rename = {"name": "repositoryName", "encryptionConfigurations": "encryptionConfiguration"}
    create_op, read_op, delete_op, id_at = "create_repository", "describe_repositories", "delete_repository", "{name}"
    body_at, replaces, defaults = "repositories[0]", "encryptionConfigurations", {"imageTagMutability": "MUTABLE"}
    outputs = {"arn": "repositoryArn", "registryId": "registryId", "repositoryUrl": "repositoryUri"}
    tag_key = "resourceArn"

    def key_args(self, aws: Aws, id: str, state: Values) -> Values:
        return {"repositoryName": id}

    def read_args(self, aws: Aws, id: str, known: Values) -> Values:
        return {"repositoryNames": [id]}

    def sent(self, new: Values) -> Values:
        values = super().sent(new)
        if isinstance(listed := values.get("encryptionConfigurations"), list):  # the provider lists the only one
            values["encryptionConfigurations"] = listed[0] if listed else None
        return values

    def refine(self, aws: Aws, id: str, body: Values, found: Values, known: Values) -> None:
        if isinstance(one := found.get("encryptionConfigurations"), dict):
            found["encryptionConfigurations"] = [one]

    def update(self, aws: Aws, id: str, old: Values, new: Values) -> None:
        super().update(aws, id, old, new)
        if self.changed(old, new, "imageTagMutability"):
            mutability = new["imageTagMutability"]
            self.call(aws, "put_image_tag_mutability", repositoryName=id, imageTagMutability=mutability)
        if self.changed(old, new, "imageScanningConfiguration"):
            scanning = new.get("imageScanningConfiguration") or {"scanOnPush": False}
            self.call(aws, "put_image_scanning_configuration", repositoryName=id, imageScanningConfiguration=scanning)

    def delete(self, aws: Aws, id: str, old: Values) -> None:
        self.call(aws, "delete_repository", repositoryName=id, force=bool(old.get("forceDelete")))


class RepositoryPolicy(Facet):
    pulumi_type = "aws:ecr/repositoryPolicy:RepositoryPolicy"
    service, parent, key, policies, rename = "ecr", "repository", "repositoryName", "policy", {"policy": "policyText"}
    put_op, get_op = "set_repository_policy", "get_repository_policy"
    delete_op = "delete_repository_policy"


class LifecyclePolicy(Facet):
    pulumi_type = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    service, parent, key, documents = "ecr", "repository", "repositoryName", "policy"
    rename = {"policy": "lifecyclePolicyText"}
    put_op, get_op = "put_lifecycle_policy", "get_lifecycle_policy"
    delete_op, note = "delete_lifecycle_policy", "kept, never applied"
