"""A read in the browser's hands: kept until the API has it, sent again under one id, never another person's.

`viewer/extension/reads.js` runs in Node.js with a stand-in for the browser; without Node.js these are skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import node

pytestmark = node.needed

# What a browser gives: a tab's storage, a window with events, a network whose answers the scenario names.
BROWSER = """
const kept = new Map(Object.entries(JSON.parse(process.argv[2] ?? '{}')));
globalThis.sessionStorage = new Proxy({
  getItem: key => kept.get(key) ?? null,
  setItem: (key, value) => kept.set(key, value),
  removeItem: key => kept.delete(key),
}, { ownKeys: () => [...kept.keys()], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }) });
const page = { config: { platform: { api: '/api' } }, location: { pathname: '/viewer' } };
globalThis.window = Object.assign(new EventTarget(), page);
globalThis.setTimeout = then => { queueMicrotask(then); };
const sent = [];
let answers = [];
globalThis.fetch = async (url, { body }) => {
  sent.push(JSON.parse(body));
  const [status, content] = answers.shift() ?? [0];
  if (!status) throw new TypeError('Failed to fetch');
  return { ok: status < 300, status, json: async () => content };
};
const api = await import('./api.js');
const become = sub => api.use({ userAuthenticationService: { getUser: () => ({ id_token: 't', profile: { sub } }) } });
become('anna');
const reads = await import('./reads.js');
const LABEL = { version: 3, state: 'READ' };
const ENTRIES = { finding: 'normal', certainty: 'definite', notes: 'clear' };
const tell = found => console.log(JSON.stringify({ ...found, kept: Object.fromEntries(kept) }));
"""


def play(folder: Path, scenario: str, kept: dict[str, str] | None = None) -> Any:
    """What a scenario told, and what the tab holds after it."""
    return node.run(folder, BROWSER + scenario, json.dumps(kept or {}))


FAIL = """
reads.edit('1.2', ENTRIES);
await reads.send('1.2', 'key');
"""


def test_what_is_chosen_stays_with_its_study_and_with_its_person(tmp_path: Path) -> None:
    told = play(
        tmp_path,
        """
        reads.edit('1.2', ENTRIES);
        const other = reads.of('1.3').finding;
        become('berta');
        tell({ mine: reads.of('1.2').finding, other });
        """,
    )
    assert (told["mine"], told["other"]) == ("", "")
    assert told["kept"] == {}, "the next person in this tab finds nothing of the one before"


def test_without_a_network_it_is_tried_three_times_under_one_id_and_then_said_and_kept(tmp_path: Path) -> None:
    told = play(tmp_path, FAIL + "tell({ sent, read: reads.of('1.2') });")
    assert len(told["sent"]) == 3
    assert len({one["request_id"] for one in told["sent"]}) == 1
    assert told["read"]["status"] == "failed"
    assert "NOT SAVED" in told["read"]["message"]
    assert json.loads(told["kept"]["platform-read:anna:1.2"])["notes"] == "clear"


def test_a_retry_after_a_reload_is_the_same_read_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = play(tmp_path, FAIL + "tell({ sent });")
    after = play(
        tmp_path,
        """
        answers = [[201, LABEL]];
        const made = await reads.send('1.2', 'key');
        tell({ made, sent, read: reads.of('1.2') });
        """,
        before["kept"],
    )
    assert after["sent"][0] == before["sent"][0]
    assert (after["made"]["version"], after["read"]["status"], after["kept"]) == (3, "saved", {})


def test_a_page_that_was_left_while_saving_says_that_it_does_not_know(tmp_path: Path) -> None:
    saving = {"finding": "normal", "certainty": "definite", "notes": "", "status": "saving", "study_key": "key"}
    told = play(tmp_path, "tell({ read: reads.of('1.2') });", {"platform-read:anna:1.2": json.dumps(saving)})
    assert (told["read"]["status"], told["read"]["finding"]) == ("failed", "normal")


def test_another_content_is_another_read(tmp_path: Path) -> None:
    told = play(
        tmp_path,
        FAIL
        + """
        reads.edit('1.2', { ...ENTRIES, finding: 'pneumonia' });
        answers = [[201, LABEL]];
        await reads.send('1.2', 'key');
        tell({ sent });
        """,
    )
    assert told["sent"][-1]["finding"] == "pneumonia"
    assert told["sent"][-1]["request_id"] != told["sent"][0]["request_id"]


@pytest.mark.parametrize(
    ("answers", "tries", "status"),
    [
        ("[[500, {}], [429, {}], [201, LABEL]]", 3, "saved"),
        ("[[401, {}], [201, LABEL]]", 2, "saved"),  # a token just being renewed
        ("[[201, undefined], [201, LABEL]]", 2, "saved"),  # an answer that broke off
        ("[[409, { code: 'READ_IS_LOCKED', title: 'locked' }]]", 1, "refused"),
        ("[[422, { code: 'INVALID_REQUEST', title: 'bad' }]]", 1, "failed"),
    ],
)
def test_what_may_pass_is_tried_again_and_a_refusal_is_said_at_once(
    tmp_path: Path, answers: str, tries: int, status: str
) -> None:
    told = play(tmp_path, f"answers = {answers};" + FAIL + "tell({ sent, read: reads.of('1.2') });")
    assert (len(told["sent"]), told["read"]["status"]) == (tries, status)


def test_a_second_press_while_saving_sends_nothing_and_the_network_coming_back_sends_it(tmp_path: Path) -> None:
    told = play(
        tmp_path,
        """
        reads.edit('1.2', ENTRIES);
        await Promise.all([reads.send('1.2', 'key'), reads.send('1.2', 'key')]);
        const first = sent.length;
        answers = [[201, LABEL]];
        const saved = new Promise(done => window.addEventListener('platform-verified', done));
        window.dispatchEvent(new Event('online'));
        await saved;
        tell({ first, all: sent.length, read: reads.of('1.2') });
        """,
    )
    assert (told["first"], told["all"], told["read"]["status"]) == (3, 4, "saved")


def test_leaving_with_an_unsaved_read_is_asked_about_and_signing_out_clears_the_tab(tmp_path: Path) -> None:
    told = play(
        tmp_path,
        FAIL
        + """
        const leave = new Event('beforeunload', { cancelable: true });
        window.dispatchEvent(leave);
        window.location.pathname = '/logout';
        window.dispatchEvent(new Event('pagehide'));
        tell({ asked: leave.defaultPrevented });
        """,
    )
    assert (told["asked"], told["kept"]) == (True, {})
