"""Cloud Control forwards the types it knows and refuses the rest by name."""

from __future__ import annotations

import asyncio
import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from local.aws import cloud_control

TYPE = "AWS::Tests::Thing"


class Thing:
    """One resource type, in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def create(self, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        self.kept["id-1"] = {**properties, "ThingId": "id-1"}
        return "id-1", self.kept["id-1"]

    def read(self, identifier: str) -> dict[str, Any]:
        if identifier not in self.kept:
            raise cloud_control.ResourceError("ResourceNotFoundException", "not there")
        return self.kept[identifier]

    def update(self, identifier: str, patch: list[dict[str, Any]]) -> dict[str, Any]:
        raise cloud_control.ResourceError("NotUpdatableException", "create-only")

    def delete(self, identifier: str) -> None:
        self.read(identifier)
        del self.kept[identifier]

    def identifiers(self) -> list[str]:
        return list(self.kept)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`call(operation, **data)` through the installed handler; ministack's own part is a recorder."""
    own = SimpleNamespace(
        _record_request=lambda event: event,
        _progress_event=lambda operation, status, **rest: {"Operation": operation, "OperationStatus": status, **rest},
    )
    services = ModuleType("ministack.services")
    services.cloudcontrol = own  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ministack", ModuleType("ministack"))
    monkeypatch.setitem(sys.modules, "ministack.services", services)
    monkeypatch.setattr(cloud_control, "_types", {TYPE: Thing()})

    async def recorded(*_: Any) -> Any:
        return 200, {}, b'{"by": "ministack"}'

    app = SimpleNamespace(SERVICE_HANDLERS={"cloudcontrol": recorded})
    cloud_control.install(app)

    def run(operation: str, **data: Any) -> Any:
        headers = {"x-amz-target": f"CloudApiService.{operation}"}
        body = json.dumps(data).encode()
        status, _, answer = asyncio.run(app.SERVICE_HANDLERS["cloudcontrol"]("POST", "/", headers, body, {}))
        return status, json.loads(answer)

    return run


def test_a_known_type_lives_and_ends(call: Any) -> None:
    _, made = call("CreateResource", TypeName=TYPE, DesiredState='{"Name": "n"}')
    event = made["ProgressEvent"]
    assert (event["Operation"], event["OperationStatus"], event["identifier"]) == ("CREATE", "SUCCESS", "id-1")
    _, read = call("GetResource", TypeName=TYPE, Identifier="id-1")
    assert json.loads(read["ResourceDescription"]["Properties"]) == {"Name": "n", "ThingId": "id-1"}
    assert len(call("ListResources", TypeName=TYPE)[1]["ResourceDescriptions"]) == 1
    call("DeleteResource", TypeName=TYPE, Identifier="id-1")
    status, gone = call("GetResource", TypeName=TYPE, Identifier="id-1")
    assert (status, gone["__type"].split("#")[1]) == (400, "ResourceNotFoundException")


def test_an_unknown_type_is_refused_by_name(call: Any) -> None:
    status, answer = call("CreateResource", TypeName="AWS::Nope::Thing", DesiredState="{}")
    assert status == 400
    assert answer["__type"].endswith("#TypeNotFoundException")
    assert "AWS::Nope::Thing" in answer["Message"]


def test_a_create_only_property_cannot_be_updated(call: Any) -> None:
    patch = json.dumps([{"op": "replace", "path": "/Name", "value": "m"}])
    _, answer = call("UpdateResource", TypeName=TYPE, Identifier="id-1", PatchDocument=patch)
    assert answer["__type"].endswith("#NotUpdatableException")


def test_status_questions_go_to_ministack(call: Any) -> None:
    assert call("GetResourceRequestStatus", RequestToken="t")[1] == {"by": "ministack"}
