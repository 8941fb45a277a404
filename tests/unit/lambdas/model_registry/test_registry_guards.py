# ruff: noqa: F811 - fixtures arrive as arguments
"""Guarded updates of the endpoint, and updates that SageMaker undid."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import model_registry.handler as entry
from lambda_shared.errors import ConfigurationError
from model_registry.adapters import SageMakerHosting
from model_registry.decisions import DynamoDecisions
from model_registry.ports import Decision
from model_registry.service import Registry
from model_registry.settings import Settings
from tests.unit.lambdas.model_registry.test_registry import (  # noqa: F401 - fixtures
    GROUP,
    PLAN,
    FakeSageMaker,
    Recorder,
    build,
    passed,
    recorder,
    sagemaker,
)

GUARDS = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "endpoint-errors"}]}}


@pytest.fixture
def guarded(sagemaker: FakeSageMaker, recorder: Recorder, meter: Any, clock: Any) -> Registry:
    """Version 1 is in service, updates are guarded."""
    hosting = SageMakerHosting(sagemaker, replace(PLAN, deployment=GUARDS, instance_count=2))
    made = replace(build(sagemaker, recorder, meter, clock), hosting=hosting)
    made.deploy(1, "admin-1")
    return made


def undo(sagemaker: FakeSageMaker, number: int, reason: str = "") -> None:
    """SageMaker goes back to the configuration of that version."""
    assert sagemaker.endpoint is not None
    earlier = next(name for name in sagemaker.configs if name.startswith(f"{GROUP}-v{number}-"))
    sagemaker.endpoint.update(EndpointConfigName=earlier, EndpointStatus="InService", FailureReason=reason)


def test_an_update_names_the_alarms_that_undo_it(guarded: Registry, sagemaker: FakeSageMaker) -> None:
    assert sagemaker.endpoint is not None and "DeploymentConfig" not in sagemaker.endpoint
    guarded.passed(passed(2))
    assert sagemaker.endpoint["DeploymentConfig"] == GUARDS
    (variant,) = sagemaker.configs[sagemaker.endpoint["EndpointConfigName"]]["ProductionVariants"]
    assert variant["InitialInstanceCount"] == 2


def test_a_rollback_is_not_undone_by_the_alarms_of_what_it_replaces(
    guarded: Registry, sagemaker: FakeSageMaker
) -> None:
    guarded.passed(passed(2))
    assert sagemaker.endpoint is not None
    del sagemaker.endpoint["DeploymentConfig"]
    guarded.rollback(1, "errors", "admin-1")
    assert "DeploymentConfig" not in sagemaker.endpoint


def test_into_a_trial_and_out_of_it_nothing_is_guarded(guarded: Registry, sagemaker: FakeSageMaker) -> None:
    guarded.trial(2, "is it better?", "admin-1")
    assert sagemaker.endpoint is not None and "DeploymentConfig" not in sagemaker.endpoint
    assert guarded.endpoint_changed() == {"status": "as-decided"}
    guarded.end_trial(2, "enough", "admin-1")
    assert "DeploymentConfig" not in sagemaker.endpoint


def test_an_update_that_sagemaker_undid_withdraws_its_version_once(
    guarded: Registry, sagemaker: FakeSageMaker, recorder: Recorder
) -> None:
    guarded.passed(passed(2))
    undo(sagemaker, 1, "Alarm endpoint-errors is in ALARM")
    assert guarded.endpoint_changed()["decision"] == "deployment-undone"
    assert [package["ModelApprovalStatus"] for package in sagemaker.packages.values()] == ["Approved", "Rejected"]
    assert "endpoint-errors" in sagemaker.packages[2]["ApprovalDescription"]
    assert recorder.steps[-1] == ("deployment-undone", 2, "sagemaker")
    assert recorder.told[-1] == "Deployment of model version 2 undone"
    assert recorder.events[-1][0].model_version == 1
    steps, told = list(recorder.steps), list(recorder.told)
    assert guarded.endpoint_changed()["decision"] == "withdrawn-already", "SageMaker may send an event twice"
    assert (recorder.steps, recorder.told) == (steps, told)


def test_a_rollback_that_was_undone_withdraws_nothing_and_is_told(
    guarded: Registry, sagemaker: FakeSageMaker, recorder: Recorder
) -> None:
    guarded.passed(passed(2))
    guarded.rollback(1, "drift", "admin-1")
    undo(sagemaker, 2)
    assert guarded.endpoint_changed()["decision"] == "deployment-undone"
    assert sagemaker.packages[1]["ModelApprovalStatus"] == "Approved"
    assert recorder.told[-1] == "Deployment of model version 1 undone"


@pytest.mark.parametrize("status", ["Updating", "RollingBack", "SystemUpdating"])
def test_nothing_is_concluded_while_the_endpoint_changes(
    guarded: Registry, sagemaker: FakeSageMaker, status: str
) -> None:
    guarded.passed(passed(2))
    undo(sagemaker, 1)
    assert sagemaker.endpoint is not None
    sagemaker.endpoint["EndpointStatus"] = status
    assert guarded.endpoint_changed() == {"status": "as-decided"}


def test_a_good_end_no_endpoint_and_an_early_event_change_nothing(
    guarded: Registry, sagemaker: FakeSageMaker, recorder: Recorder
) -> None:
    guarded.passed(passed(2))
    assert guarded.endpoint_changed() == {"status": "as-decided"}
    recorder.steps = recorder.steps[:1]  # the event overtook the record of version 2's deployment
    assert guarded.endpoint_changed() == {"status": "as-decided"}
    sagemaker.endpoint = None
    assert guarded.endpoint_changed() == {"status": "as-decided"}


@pytest.mark.parametrize(("name", "status"), [(GROUP, "as-decided"), ("another", "not-ours")])
def test_the_event_of_another_endpoint_is_none_of_ours(
    guarded: Registry, monkeypatch: pytest.MonkeyPatch, name: str, status: str
) -> None:
    monkeypatch.setattr(entry, "registry", lambda: guarded)
    event = {"detail-type": "SageMaker Endpoint State Change", "detail": {"EndpointName": name}}
    assert entry.handler.__wrapped__(event, None) == {"status": status}


def test_the_newest_entry_of_a_step_is_found(metrics_table: Any, clock: Any) -> None:
    record = DynamoDecisions(metrics_table, clock)
    assert record.last("deployed") is None
    for step, version in (("deployed", 1), ("deployed", 2), ("approved", 3)):
        record.record(Decision(step=step, version=version, actor="a", reason="r"))  # pyright: ignore[reportArgumentType]
    assert record.last("deployed") == 2


@pytest.mark.parametrize("text", ["{", "3"])
def test_a_deployment_configuration_that_is_none_is_named(text: str) -> None:
    values = {key.name.upper(): "true" if key.type == "bool" else "3" for key in _fields()}
    with pytest.raises(ConfigurationError, match="DEPLOYMENT_CONFIG"):
        Settings.from_env({**values, "DEPLOYMENT_CONFIG": text}).deployment()


def _fields() -> Any:
    from dataclasses import fields

    return fields(Settings)
