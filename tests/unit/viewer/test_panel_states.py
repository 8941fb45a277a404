"""What the panel says: what VERIFY made of the study, before the API is asked again, and what the model said.

`viewer/extension/panel.js` runs in Node.js with a stand-in for the browser; without Node.js these are skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import node

pytestmark = node.needed

# A page whose elements keep what they are given, and a network that never answers.
BROWSER = """
globalThis.window = Object.assign(new EventTarget(), { config: { platform: { api: '/api' } }, location: {} });
globalThis.document = Object.assign(new EventTarget(), { createElement: () => ({}) });
globalThis.sessionStorage = {};
globalThis.fetch = () => new Promise(() => {});
globalThis.HTMLElement = class {
  parts = {};
  querySelector(name) { return this.parts[name] ??= { textContent: '', replaceChildren(...all) { this.all = all; } }; }
};
let Panel;
globalThis.customElements = { get: () => undefined, define: (name, found) => { Panel = found; } };
const api = await import('./api.js');
api.use({ userAuthenticationService: { getUser: () => ({ id_token: 't', profile: { sub: 'anna' } }) } });
(await import('./panel.js')).define({});
const panel = new Panel();
panel.uid = '1.2';
panel.history([]);
panel.reading = { state: 'unread', may_read: true };
panel.state('Nobody has read this study yet.');
"""
ANSWERED = """
panel.answered({ uid: process.argv[2], label: JSON.parse(process.argv[3]) });
const history = panel.querySelector('.history').all.length;
console.log(JSON.stringify([panel.querySelector('.state').textContent, history, panel.reading ? '' : panel.blocked()]));
process.exit(0);
"""
HEARD = """
const [status, content] = JSON.parse(process.argv[2]);
const asked = [];
globalThis.fetch = async url => { asked.push(url); return { ok: status < 300, status, json: async () => content }; };
panel.study = 'key';
panel.reading = { model_visible: process.argv[3] === 'visible' };
await panel.hear('1.2');
console.log(JSON.stringify([panel.querySelector('.model').textContent, asked]));
process.exit(0);
"""


def play(folder: Path, scenario: str, *arguments: str) -> Any:
    """What a scenario told of the panel."""
    return node.run(folder, BROWSER + scenario, *arguments)


def said(folder: Path, label: dict[str, str], uid: str = "1.2") -> list[str | int]:
    """The first line, the length of the history and why VERIFY is not ready, right after a read was taken."""
    entries = {"version": 1, "reader": "anna", "finding": "normal", "certainty": "definite", "notes": "", **label}
    return play(folder, ANSWERED, uid, json.dumps(entries))


@pytest.mark.parametrize(
    ("label", "line"),
    [
        ({"role": "single", "state": "VERIFIED"}, "This study has its ground truth."),
        ({"role": "first", "state": "READ"}, "Your read is locked."),
        ({"role": "second", "state": "READ"}, "Two reads differ."),
        ({"role": "consensus", "state": "VERIFIED"}, "This study has its ground truth."),
        ({"role": "adjudicator", "state": "VERIFIED"}, "This study has its ground truth."),
    ],
)
def test_the_first_line_never_says_unread_after_a_read(tmp_path: Path, label: dict[str, str], line: str) -> None:
    state, history, blocked = said(tmp_path, label)
    assert str(state).startswith(line)
    assert history == 1
    assert str(blocked).startswith("Not ready yet"), "what was known of the study before the read is void"


def test_a_read_of_another_study_changes_nothing_here(tmp_path: Path) -> None:
    state, history, _ = said(tmp_path, {"role": "single", "state": "VERIFIED"}, uid="9.9")
    assert (state, history) == ("Nobody has read this study yet.", 0)


PREDICTION = {
    "model_version": 3,
    "finding": "pneumonia",
    "probability": 0.914,
    "threshold": 0.5,
    "images_judged": 8,
    "images_usable": 400,
}


def test_what_the_model_says_is_not_even_asked_for_before_ones_own_read(tmp_path: Path) -> None:
    assert play(tmp_path, HEARD, json.dumps([200, PREDICTION]), "hidden") == ["", []]


def test_what_the_model_says_is_told_with_its_version_and_what_it_rests_on(tmp_path: Path) -> None:
    line, asked = play(tmp_path, HEARD, json.dumps([200, PREDICTION]), "visible")
    assert asked == ["/api/studies/key/prediction"]
    for part in ("Model version 3: pneumonia", "91 %", "8 of 400 images", "50 %"):
        assert part in line


@pytest.mark.parametrize(
    ("status", "code", "line"),
    [
        (404, "NO_MODEL_IN_SERVICE", ""),
        (403, "READ_FIRST", ""),
        (409, "NOTHING_JUDGED", "The model in service cannot judge this study."),
        (503, "MODEL_CHANGING", "The model's answer is not to be had: Try again in a moment."),
    ],
)
def test_a_model_that_says_nothing_holds_nothing_up(tmp_path: Path, status: int, code: str, line: str) -> None:
    problem = {"code": code, "title": "Try again in a moment"}
    assert play(tmp_path, HEARD, json.dumps([status, problem]), "visible")[0] == line
