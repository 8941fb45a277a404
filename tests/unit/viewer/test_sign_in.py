"""The way to the sign-in page and back before OHIF is there: what it leaves behind is what oidc-client-ts would have
left, and what it fetches ahead is what OHIF asks for afterwards.

app-config.js runs in Node.js with a stand-in for the browser; without Node.js these are skipped.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fixtures import node
from viewer import configuration

pytestmark = node.needed
ORIGIN = "https://viewer.example.org"
SIGN_IN = configuration.SignIn(issuer="https://issuer/pool", client_id="viewer-1", authorize_origin="https://sign-in")

BROWSER = """
const kept = { local: {}, session: {} };
const store = name => ({
  setItem: (key, value) => { kept[name][key] = value; },
  getItem: key => kept[name][key] ?? null,
});
Object.assign(globalThis, { localStorage: store('local'), sessionStorage: store('session') });
const { origin, pathname, search } = new URL(process.argv[2]);
let went = '';
globalThis.window = globalThis;
globalThis.location = { origin, pathname, search, replace: to => { went = to; } };
const links = [], fetched = [], told = [];
performance.getEntriesByName = () => [{ responseStart: 10, responseEnd: 12 }];
globalThis.document = {
  createElement: () => ({}),
  head: { append: link => { links.push(link); setTimeout(() => link.onload?.()); } },
};
globalThis.fetch = async (address, options) => fetched.push([address, options.body.toString()]);
"""
TELL = "\nsetTimeout(() => console.log(JSON.stringify({ went, ...kept, links, fetched, told })), 200);\n"


def visit(folder: Path, address: str, first: str = "", then: str = "") -> dict[str, Any]:
    """What a page at the address did before OHIF; `then` is what OHIF does."""
    return node.run(folder, BROWSER + first + configuration.text(ORIGIN, SIGN_IN) + then + TELL, address)


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
    did = visit(tmp_path, ORIGIN + path)
    assert (did["went"], did["local"], did["session"], did["fetched"]) == ("", {}, {}, [])


def test_where_nothing_can_be_kept_ohif_signs_in_as_ever(tmp_path: Path) -> None:
    forbidden = "globalThis.sessionStorage = { setItem() { throw new Error('SecurityError'); } };\n"
    assert visit(tmp_path, ORIGIN, forbidden)["went"] == ""


KEPT = (
    "kept.local['oidc.s1'] = JSON.stringify({ client_id: '%s', code_verifier: 'v1', redirect_uri: '%s/callback' });\n"
)
TOKEN = f"{ORIGIN}/oauth2/token"
EXCHANGE = {
    "redirect_uri": f"{ORIGIN}/callback",
    "grant_type": "authorization_code",
    "code": "c1",
    "code_verifier": "v1",
    "client_id": "viewer-1",
}


def exchanging(form: dict[str, str]) -> str:
    """OHIF asking for tokens."""
    body = f"new URLSearchParams({json.dumps(form)})"
    return f"fetch({json.dumps(TOKEN)}, {{ method: 'POST', body: {body} }}).then(answer => told.push(answer));\n"


@pytest.mark.parametrize("first", ["", "performance.getEntriesByName = () => [];\n"], ids=["timed", "not timed"])
def test_what_ohif_loads_is_asked_for_before_it_asks_and_as_it_asks(tmp_path: Path, first: str) -> None:
    ahead = configuration.config(ORIGIN, SIGN_IN)["platform"]["ahead"]
    links = visit(tmp_path, f"{ORIGIN}/callback?code=c1&state=s1", first)["links"]
    assert [link["href"] for link in links] == ahead
    assert [link["fetchPriority"] for link in links] == ["auto", *["low"] * (len(ahead) - 1)]
    how = {link["href"]: (link["rel"], link.get("as"), link.get("crossOrigin")) for link in links}
    assert how["/platform/extension.js"] == ("modulepreload", None, None)
    assert how["/platform/platform.css"] == ("preload", "style", None)
    assert how["/37fa160cc3a47cfd.wasm"] == ("preload", "fetch", "anonymous")
    assert how["/a34f9d1faa5f3315.woff2"] == ("preload", "font", "anonymous")
    assert how["/1206.bundle.786e5b556f903028.js"] == ("preload", "script", None)
    assert visit(tmp_path, ORIGIN)["links"] == [], "a page that goes to sign in fetches nothing"


def test_the_first_part_is_waited_for_since_it_tells_how_fast_the_line_is(tmp_path: Path) -> None:
    never = "document.head.append = link => links.push(link);\n"
    assert len(visit(tmp_path, f"{ORIGIN}/callback?code=c1&state=s1", never)["links"]) == 1


def test_a_code_is_exchanged_once_and_ohif_gets_the_answer(tmp_path: Path) -> None:
    twice = exchanging(EXCHANGE) + exchanging(EXCHANGE)
    did = visit(tmp_path, f"{ORIGIN}/callback?code=c1&state=s1", KEPT % ("viewer-1", ORIGIN), twice)
    assert [address for address, _ in did["fetched"]] == [TOKEN, TOKEN]
    assert {name: value for name, [value] in parse_qs(did["fetched"][0][1]).items()} == EXCHANGE
    assert did["told"] == [1, 2], "the second is a request of its own"


def test_another_exchange_than_the_one_that_was_made_goes_its_own_way(tmp_path: Path) -> None:
    refresh = exchanging({"grant_type": "refresh_token", "client_id": "viewer-1", "refresh_token": "r1"})
    did = visit(tmp_path, f"{ORIGIN}/callback?code=c1&state=s1", KEPT % ("viewer-1", ORIGIN), refresh)
    assert did["told"] == [2]


@pytest.mark.parametrize(
    ("search", "first"),
    [
        ("code=c1&state=s1", ""),
        ("code=c1&state=s1", KEPT % ("viewer-2", ORIGIN)),
        ("error=access_denied&state=s1", KEPT % ("viewer-1", ORIGIN)),
    ],
    ids=["not begun in this browser", "begun for another client", "refused"],
)
def test_nothing_is_exchanged_for_a_sign_in_that_this_browser_did_not_begin(
    tmp_path: Path, search: str, first: str
) -> None:
    assert visit(tmp_path, f"{ORIGIN}/callback?{search}", first)["fetched"] == []
