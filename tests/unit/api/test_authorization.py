# ruff: noqa: PLR0917 - cases arrive as arguments
"""The matrix of who is refused: every route by every token that is not a good one, with real signatures."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.testclient import TestClient

from api.app import create_app
from api.container import VerifiedClaims, application
from lambda_shared.errors import ConfigurationError

STUDY = "a" * 32
ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_ours"
OURS, THEIRS = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
LABEL = {"finding": "normal", "certainty": "definite"}
ROUTES = [
    ("POST", "/uploads", {"count": 1}),
    ("GET", "/studies", None),
    ("POST", "/studies/lookup", {"study_instance_uid": "1.2.3"}),
    ("GET", f"/studies/{STUDY}", None),
    ("GET", f"/studies/{STUDY}/labels", None),
    ("POST", f"/studies/{STUDY}/labels", LABEL),
    ("GET", f"/studies/{STUDY}/prediction", None),
    ("GET", "/agreement", None),
    ("GET", "/assignments?reader=person-1", None),
    ("POST", "/assignments", {"reader": "person-1", "patient_keys": ["b" * 32]}),
    ("DELETE", f"/assignments/person-1/{'b' * 32}", None),
    ("GET", "/models", None),
    ("GET", "/models/1/metrics", None),
    ("POST", "/models/1/approval", {"decision": "approve"}),
    ("GET", "/pipeline/executions", None),
    ("GET", "/pipeline/executions/e1", None),
]
IDS = [f"{method} {path.replace(STUDY, 'KEY').replace('b' * 32, 'PATIENT')}" for method, path, _ in ROUTES]


def token(key: Any = OURS, **changed: Any) -> str:
    claims = {
        "sub": "person-1",
        "iss": ISSUER,
        "aud": "client-1",
        "token_use": "id",
        "cognito:groups": ["radiologist"],
        "exp": time.time() + 600,
        **changed,
    }
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm="RS256")


BAD = {
    "no token": "",
    "no token at all": "Bearer",
    "not a token": "Bearer abc",
    "unsigned": "Bearer " + jwt.encode({"sub": "person-1", "iss": ISSUER, "aud": "client-1"}, None, algorithm="none"),
    "expired": "Bearer " + token(exp=time.time() - 60),
    "without an end": "Bearer " + token(exp=None),
    "signed by another pool": "Bearer " + token(THEIRS),
    "another pool": "Bearer " + token(iss=ISSUER.replace("ours", "theirs")),
    "another client": "Bearer " + token(aud="client-9"),
    "access token": "Bearer " + token(token_use="access", aud=None, client_id="client-1"),
    "access token with an audience": "Bearer " + token(token_use="access"),
}


@pytest.fixture
def client(ports: Any) -> TestClient:
    keys: Any = SimpleNamespace(get_signing_key_from_jwt=lambda _: OURS.public_key())
    return TestClient(VerifiedClaims(create_app(ports), ports, keys, ISSUER), raise_server_exceptions=False)


@pytest.mark.parametrize("authorization", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=IDS)
def test_no_route_opens_to_a_token_that_is_not_a_good_one(
    client: TestClient, world: Any, method: str, path: str, body: Any, authorization: str
) -> None:
    answer = client.request(method, path, json=body, headers={"Authorization": authorization} if authorization else {})
    assert answer.status_code == 401
    assert answer.json()["code"] == "NOT_SIGNED_IN"
    assert (world.audited, world.label_versions, world.decisions) == ([], {}, [])


@pytest.mark.parametrize("authorization", [BAD["no token"], BAD["expired"], BAD["another client"]])
def test_a_refused_sign_in_is_recorded(client: TestClient, world: Any, authorization: str) -> None:
    client.get("/studies", headers={"Authorization": authorization} if authorization else {})
    assert world.denied == [("nobody", "signIn", [])]
    assert client.get("/health").status_code == 200
    assert len(world.denied) == 1


def test_a_good_token_opens_what_its_person_may_see_and_a_forged_event_opens_nothing(
    client: TestClient, world: Any
) -> None:
    good = {"Authorization": f"Bearer {token()}"}
    assert client.get(f"/studies/{STUDY}", headers=good).status_code == 200
    assert world.audited == [("person-1", "getStudy", [STUDY])]
    stranger = {"Authorization": f"Bearer {token(sub='stranger')}"}
    assert client.get(f"/studies/{STUDY}", headers=stranger).json()["code"] == "NOT_ASSIGNED"
    assert client.get("/studies", headers={"x-amzn-request-context": "{}", "x-sub": "person-1"}).status_code == 401


def test_the_container_says_what_its_environment_lacks() -> None:
    with pytest.raises(ConfigurationError, match="ISSUER"):
        application({})
