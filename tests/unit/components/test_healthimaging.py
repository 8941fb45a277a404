"""The data store and the role that import jobs run as."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from components._base import Context
from components.healthimaging import HealthImagingStore, HealthImagingStoreArgs, datastore_property

STORE = "aws:cloudcontrol/resource:Resource"


@pytest.fixture
def program(context: Context) -> Callable[..., Callable[[], dict[str, Any]]]:
    """Makes a program with a data store."""

    def make(**changes: Any) -> Callable[[], dict[str, Any]]:
        def run() -> dict[str, Any]:
            args = {
                "context": context,
                "imaging_key_arn": "arn:aws:kms:us-east-1:111122223333:key/imaging",
                "phi_key_arn": "arn:aws:kms:us-east-1:111122223333:key/phi",
                "ingestion_bucket_name": "landing",
                "ingestion_bucket_arn": "arn:aws:s3:::landing",
                **changes,
            }
            store = HealthImagingStore("images", HealthImagingStoreArgs(**args))
            return {name: getattr(store, name) for name in sorted(store.output_names())}

        return run

    return make


def test_the_data_store_lies_under_our_key(record: Any, program: Any, preview: bool) -> None:
    store = record(program(), preview=preview).one(STORE).inputs
    assert store["typeName"] == "AWS::HealthImaging::Datastore"
    state = json.loads(store["desiredState"])
    assert state["KmsKeyArn"].endswith("key/imaging"), "AWS's own key could not be cut off in a breach"
    assert state["DatastoreName"] == "healthcare-imaging-mlops-test-images"


def test_only_tags_that_never_change_are_on_the_data_store(record: Any, program: Any) -> None:
    state = json.loads(record(program()).one(STORE).inputs["desiredState"])
    assert set(state["Tags"]) == {"project", "data-class"}, "a new owner must not replace the clinical archive"


def test_outputs_come_from_cloud_control(record: Any, program: Any) -> None:
    values = record(program()).values
    assert values["datastore_id"] == "0123456789abcdef0123456789abcdef"
    assert values["datastore_arn"].endswith(f"datastore/{values['datastore_id']}")
    assert values["streaming_endpoint"] == (
        f"https://runtime-medical-imaging.us-east-1.amazonaws.com/datastore/{values['datastore_id']}"
    )
    assert values["dicomweb_endpoint"].startswith("https://dicom-medical-imaging.us-east-1.")
    assert values["ingestion_bucket_name"] == "landing"


def test_a_preview_does_not_invent_an_id(record: Any, program: Any) -> None:
    recording = record(program(), preview=True)
    assert not recording.known["datastore_id"]
    assert not recording.known["streaming_endpoint"]


def test_an_answer_without_an_id_is_an_error_not_an_empty_text() -> None:
    with pytest.raises(KeyError, match="DatastoreId"):
        datastore_property('{"DatastoreName": "images"}', "DatastoreId")


def test_import_jobs_read_staged_images_and_write_results_and_nothing_else(record: Any, program: Any) -> None:
    statements = record(program()).policy("aws:iam/rolePolicy:RolePolicy", "images-import-role-policy")
    assert statements["ReadStagedImages"]["Resource"] == ["arn:aws:s3:::landing/import-input/*"]
    assert statements["WriteImportResults"]["Resource"] == ["arn:aws:s3:::landing/import-output/*"]
    assert statements["ListImportFolders"]["Condition"] == {
        "StringLike": {"s3:prefix": ["import-input/*", "import-output/*"]}
    }
    key = statements["UseTheBucketKeyThroughS3"]
    assert key["Resource"] == ["arn:aws:kms:us-east-1:111122223333:key/phi"]
    assert key["Condition"] == {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    assert len(statements) == 4, "what is unchecked or quarantined cannot be imported"


def test_only_healthimaging_for_our_own_data_stores_may_run_as_the_import_role(record: Any, program: Any) -> None:
    role = record(program()).one("aws:iam/role:Role", "images-import-role").inputs
    (trust,) = json.loads(role["assumeRolePolicy"])["Statement"]
    assert trust["Principal"] == {"Service": ["medical-imaging.amazonaws.com"]}
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "111122223333"},
        "ArnLike": {"aws:SourceArn": "arn:aws:medical-imaging:us-east-1:111122223333:datastore/*"},
    }


@pytest.mark.parametrize("protected", [True, False])
def test_the_engine_refuses_to_delete_a_protected_data_store(record: Any, program: Any, protected: bool) -> None:
    assert record(program(deletion_protection=protected)).one(STORE).protect is protected


def test_protection_is_what_a_stack_gets_without_asking(record: Any, program: Any) -> None:
    assert record(program()).one(STORE).protect
