"""What the provider would name at random is named: two previews of one program have to be equal (`make compare`)."""

from __future__ import annotations

from typing import Any


def test_a_permission_has_a_name_of_its_own(program: Any) -> None:
    found = [one.inputs for one in program.of("aws:lambda/permission:Permission")]
    assert found
    assert all(one.get("statementId") for one in found)
    named = [(one["function"], one["statementId"]) for one in found]
    assert len(set(named)) == len(named)
