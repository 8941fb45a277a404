"""The demo's users: invented, with passwords made for the run, kept in a file that only its owner reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from local.cloud import Cloud
from local.demo.clients import Person, make_person
from local.stack import LocalStack

ROLES = {  # role in the demo -> group and name of the user
    "radiologist": ("radiologist", "radiologist@demo.invalid"),
    "second-reader": ("radiologist", "second-reader@demo.invalid"),
    "admin": ("admin", "admin@demo.invalid"),
}


def demo_people(stack: LocalStack) -> dict[str, Person]:
    """The users of a running stack, made on the first call; later calls answer the same."""
    pool, path = stack.outputs()["user_pool_id"], _file(stack.run)
    kept = kept_people(stack.run)
    if kept and json.loads(path.read_text())["pool"] == pool:
        return {role: Person(who["username"], ROLES[role][0], who["password"]) for role, who in kept.items()}
    cloud = Cloud(stack.client_environment())
    people = {role: make_person(cloud, pool, *who) for role, who in ROLES.items()}
    path.touch(mode=0o600)
    users = {role: {"username": who.username, "password": who.password} for role, who in people.items()}
    path.write_text(json.dumps({"pool": pool, "users": users}))
    return people


def kept_people(run: Path) -> dict[str, Any]:
    """Names and passwords by role; empty before the first demo."""
    path = _file(run)
    return json.loads(path.read_text())["users"] if path.exists() else {}


def _file(run: Path) -> Path:
    return run / "people.json"
