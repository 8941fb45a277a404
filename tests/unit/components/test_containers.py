"""Image repositories: tags that cannot move, pushes by one role, and images by digest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components._base import Context
from components._configuration_models import ContainerSettings
from components.containers import (
    IMAGES,
    ImageRepositories,
    ImageRepositoriesArgs,
    image_addresses,
    lifecycle_policy,
    repository_policy,
)

DIGEST = "sha256:" + "ab" * 32
FOREIGN = f"763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training@{DIGEST}"


def _recorded(record: Any, context: Context, settings: ContainerSettings, *, preview: bool = False) -> Any:
    args = ImageRepositoriesArgs(context=context, key_arn="arn:aws:kms:us-east-1:111122223333:key/k", settings=settings)

    def program() -> dict[str, Any]:
        made = ImageRepositories("containers", args)
        return {"urls": made.repository_urls, "images": made.images}

    return record(program, preview=preview)


def test_each_image_has_a_repository_whose_tags_cannot_move(record: Any, context: Context, preview: bool) -> None:
    recording = _recorded(record, context, ContainerSettings(), preview=preview)
    made = {one.inputs["name"]: one.inputs for one in recording.of("aws:ecr/repository:Repository")}
    assert set(made) == {f"healthcare-imaging-mlops-test-{role}" for role in IMAGES}
    for inputs in made.values():
        assert inputs["imageTagMutability"] == "IMMUTABLE"
        assert inputs["imageScanningConfiguration"] == {"scanOnPush": True}
        assert inputs["encryptionConfigurations"][0]["encryptionType"] == "KMS"
        assert inputs["encryptionConfigurations"][0]["kmsKey"].startswith("arn:aws:kms:")
        assert inputs["forceDelete"] is False
    assert len(recording.of("aws:ecr/repositoryPolicy:RepositoryPolicy")) == len(IMAGES)
    assert len(recording.of("aws:ecr/lifecyclePolicy:LifecyclePolicy")) == len(IMAGES)
    assert not recording.of("aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration")


def test_enhanced_scanning_covers_the_repositories_of_the_project(record: Any, context: Context) -> None:
    recording = _recorded(record, context, ContainerSettings(enhanced_scanning=True))
    scanning = recording.one("aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration").inputs
    assert scanning["scanType"] == "ENHANCED"
    assert scanning["rules"][0]["repositoryFilters"][0]["filter"] == "healthcare-imaging-mlops-*"


def test_only_the_push_role_pushes_and_only_this_account_pulls(context: Context) -> None:
    statements = {one["Sid"]: one for one in json.loads(str(repository_policy(context)))["Statement"]}
    pulls, pushes = statements["PullsOfThisAccount"], statements["NobodyElsePushes"]
    assert pulls["Principal"] == {"AWS": ["arn:aws:iam::111122223333:root"]}
    assert not [action for action in pulls["Action"] if "Put" in action or "Upload" in action]
    assert pushes["Effect"] == "Deny"
    assert pushes["Condition"] == {
        "ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/healthcare-imaging-mlops-test-image-push"}
    }
    assert {"ecr:PutImage", "ecr:InitiateLayerUpload"} <= set(pushes["Action"])


def test_a_digest_means_the_stacks_own_repository_and_a_whole_address_is_taken_as_it_is(context: Context) -> None:
    found = image_addresses(context, ContainerSettings(training=FOREIGN, store_scp=DIGEST))
    assert found == {
        "training": FOREIGN,
        "store_scp": f"111122223333.dkr.ecr.us-east-1.amazonaws.com/healthcare-imaging-mlops-test-store_scp@{DIGEST}",
    }


def test_images_are_known_before_anything_exists(record: Any, context: Context) -> None:
    recording = _recorded(record, context, ContainerSettings(api=DIGEST), preview=True)
    assert recording.values["images"]["api"].endswith(DIGEST)
    assert recording.known["urls"] is False


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [(ContainerSettings(), [14, 100]), (ContainerSettings(keep_images=10, untagged_days=1), [1, 10])],
)
def test_the_lifecycle_takes_its_numbers_from_the_settings(settings: ContainerSettings, numbers: list[int]) -> None:
    rules = json.loads(lifecycle_policy(settings))["rules"]
    assert [rule["selection"]["countNumber"] for rule in rules] == numbers
    assert [rule["rulePriority"] for rule in rules] == [1, 2], "ECR wants the rule over any tag last"


def test_every_repository_has_a_field_in_the_configuration() -> None:
    assert set(IMAGES) <= set(ContainerSettings.model_fields)
