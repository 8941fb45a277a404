"""Whatever fails after AWS made the object, the engine learns its id; and it learns no secret."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from local.provider import server, wire
from local.provider.clients import Aws
from local.provider.kind import HalfMadeError, Kind, Values
from local.provider.server import Provider

URN = "urn:pulumi:s::p::aws:test/thing:Thing::thing"


class Thing(Kind):
    """Fails where its inputs say so; has no `pulumi_type`, so it is not registered."""

    taggable = True

    def create(self, aws: Aws, new: Values) -> str:
        if new["fails"] == "at once":
            raise RuntimeError(f"no such value: {new['password']}")
        if new["fails"] == "half way":
            raise HalfMadeError("id-1", RuntimeError(f"cannot set {new['password']}"))
        return "id-1"

    def read(self, aws: Aws, id: str, known: Values) -> Values | None:  # noqa: A002
        if known["fails"] == "at reading":
            raise RuntimeError("AccessDenied")
        return {"seen": id, "tagsAll": known["tagsAll"]}


@pytest.fixture
def create(call: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`create(fails)` runs Create with a secret input."""
    monkeypatch.delenv("LOCAL_AWS_OFFLINE", raising=False)
    monkeypatch.setattr(server, "find", lambda token: Thing())
    provider = Provider()
    provider.Configure(pb.ConfigureRequest(args=wire.encode_map({"region": "us-east-1"})), call)

    def run(fails: str) -> Any:
        properties = wire.encode_map(
            {"fails": fails, "password": "hush-hush", "tags": {"k": "v"}}, {"password", "tags"}
        )
        return provider.Create(pb.CreateRequest(urn=URN, properties=properties), call)

    return run


def kept(call: Any) -> pb.ErrorResourceInitFailed:
    """The detail that makes the engine keep a half-made resource."""
    status = status_pb2.Status.FromString(dict(call.metadata)["grpc-status-details-bin"])
    detail = pb.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail


@pytest.mark.parametrize("fails", ["half way", "at reading"])
def test_the_id_of_a_half_made_object_is_handed_over(fails: str, create: Any, call: Any) -> None:
    with pytest.raises(Exception, match="made, but") as caught:
        create(fails)
    assert caught.value.code is grpc.StatusCode.UNKNOWN
    detail = kept(call)
    assert detail.id == "id-1"
    assert wire.secret_keys(detail.inputs) == {"password", "tags"}
    assert "hush-hush" not in str(caught.value) + "".join(detail.reasons)


def test_an_object_that_was_never_made_leaves_nothing_behind(create: Any, call: Any) -> None:
    with pytest.raises(Exception, match=r"creating thing .*no such value: \[secret\]"):
        create("at once")
    assert call.metadata == ()


def test_outputs_that_repeat_secrets_are_secret(create: Any) -> None:
    reply = create("never")
    assert reply.id == "id-1"
    assert wire.secret_keys(reply.properties) == {"password", "tags", "tagsAll"}
    assert wire.decode_map(reply.properties)["region"] == "us-east-1"
