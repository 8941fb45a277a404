"""The way to the sign-in page before OHIF is loaded: what it leaves behind is what oidc-client-ts would have left.

app-config.js runs in Node.js with a stand-in for the browser; without Node.js these are skipped.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from viewer import configuration

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="no Node.js on PATH (Debian: apt-get install nodejs)")
ORIGIN = "https://viewer.example.org"
SIGN_IN = configuration.SignIn(issuer="https://issuer/pool", client_id="viewer-1", authorize_origin="https://sign-in")

BROWSER = """
const kept = { local: {}, session: {} };
const store = name => ({ setItem: (key, value) => { kept[name][key] = value; } });
Object.assign(globalThis, { localStorage: store('local'), sessionStorage: store('session') });
const { origin, pathname, search } = new URL(process.argv[2]);
let went = '';
globalThis.window = globalThis;
globalThis.location = { origin, pathname, search, replace: to => { went = to; } };
"""
TELL = "\nsetTimeout(() => console.log(JSON.stringify({ went, ...kept })), 200);\n"


def visit(folder: Path, address: str, first: str = "") -> dict[str, Any]:
    """What a page at the address did before OHIF."""
    script = folder / "page.js"
    script.write_text(BROWSER + first + configuration.text(ORIGIN, SIGN_IN) + TELL)
    command = [str(NODE), str(script), address]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_page_without_a_person_goes_to_the_sign_in_page_and_can_come_back(tmp_path: Path) -> None:
    did = visit(tmp_path, f"{ORIGIN}/viewer?StudyInstanceUIDs=1.2.3")
    address = urlsplit(did["went"])
    asked = {name: value for name, [value] in parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}{address.path}" == "https://sign-in/oauth2/authorize"
    assert "1.2.3" not in did["went"], "the study's UID stays in the tab"
    assert json.loads(did["session"]["ohif-redirect-to"]) == {
        "pathname": "/viewer",
        "search": "?StudyInstanceUIDs=1.2.3",
    }
    [(name, left)] = did["local"].items()
    state = json.loads(left)
    assert (name, state["id"]) == (f"oidc.{asked['state']}", asked["state"])
    assert {key: state[key] for key in ("authority", "client_id", "redirect_uri")} == {
        "authority": SIGN_IN.issuer,
        "client_id": "viewer-1",
        "redirect_uri": f"{ORIGIN}/callback",
    }
    assert (asked["response_type"], asked["redirect_uri"]) == ("code", state["redirect_uri"])
    assert 43 <= len(state["code_verifier"]) <= 128, "RFC 7636 section 4.1"
    digest = hashlib.sha256(state["code_verifier"].encode()).digest()
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert asked["code_challenge_method"] == "S256"


def test_no_two_visits_share_a_secret(tmp_path: Path) -> None:
    states = [json.loads(next(iter(visit(tmp_path, ORIGIN)["local"].values()))) for _ in range(2)]
    assert states[0]["id"] != states[1]["id"]
    assert states[0]["code_verifier"] != states[1]["code_verifier"]


@pytest.mark.parametrize("path", ["/callback?code=1&state=2", "/logout", "/login?iss=x"])
def test_the_pages_of_the_sign_in_itself_stay(tmp_path: Path, path: str) -> None:
    assert visit(tmp_path, ORIGIN + path) == {"went": "", "local": {}, "session": {}}


def test_where_nothing_can_be_kept_ohif_signs_in_as_ever(tmp_path: Path) -> None:
    forbidden = "globalThis.sessionStorage = { setItem() { throw new Error('SecurityError'); } };\n"
    assert visit(tmp_path, ORIGIN, forbidden)["went"] == ""
