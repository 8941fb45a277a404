"""Every name a type uses exists in the installed pulumi_aws, every operation in botocore's models."""

from __future__ import annotations

from typing import Any

import pytest

from local.provider.clients import connect
from local.provider.kind import Kind
from local.provider.types import load

KINDS = load()
OPERATIONS = ("create_op", "read_op", "update_op", "delete_op", "put_op", "get_op")


def own_names(kind: Kind) -> set[str]:
    names = {*kind.replace_keys, *kind.local.split(), *kind.rename, *kind.defaults, *kind.documents.split()}
    names |= {*kind.policies.split(), *getattr(kind, "outputs", {}), *getattr(kind, "computed", {})}
    names |= {"tags", "tagsAll"} if kind.taggable else set()
    return names - {kind.prefix_key} - (set() if kind.regional else {"region"})


@pytest.mark.parametrize("token", sorted(KINDS))
def test_names_exist_in_the_sdk(token: str, sdk_names: Any) -> None:
    top, nested = sdk_names(token)
    unknown = {name for name in own_names(KINDS[token]) - top if f'"{name}"' not in nested}
    assert not unknown


@pytest.mark.parametrize("token", sorted(KINDS))
def test_region_and_tags_are_declared_as_in_the_sdk(token: str, sdk_names: Any) -> None:
    top, _ = sdk_names(token)
    assert KINDS[token].regional == ("region" in top)
    assert KINDS[token].taggable == ("tagsAll" in top)


@pytest.mark.usefixtures("offline_environment")
@pytest.mark.parametrize("token", sorted(t for t, k in KINDS.items() if not k.recorded))
def test_operations_exist_in_the_service_models(token: str) -> None:
    kind = KINDS[token]
    known = connect("us-east-1").client(kind.service).meta.method_to_api_mapping
    used = {getattr(kind, name, "") for name in OPERATIONS} - {""}
    assert used
    assert used <= known.keys()


@pytest.mark.parametrize("token", sorted(t for t, k in KINDS.items() if k.recorded))
def test_recorded_types_say_why_and_call_nothing(token: str) -> None:
    assert "embedded AWS" in KINDS[token].recorded
    assert KINDS[token].service == ""
