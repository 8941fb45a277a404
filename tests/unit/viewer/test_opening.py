"""A study's questions are asked before OHIF's turn comes, each once, and OHIF is given the answers, bad ones too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import node

pytestmark = node.needed

# OHIF's data source, with a client that counts what it is asked; what the network answers names the scenario.
OHIF = """
globalThis.window = { config: { defaultDataSourceName: 'platform' } };
const asked = [];
let answers = { series: async () => [{ '0020000E': { Value: ['1.2.1'] } }, { '0020000E': { Value: ['1.2.2'] } }] };
class Client {
  async searchForSeries({ studyInstanceUID }) { asked.push(studyInstanceUID); return answers.series(); }
  async retrieveSeriesMetadata({ seriesInstanceUID }) { asked.push(seriesInstanceUID); return [seriesInstanceUID]; }
}
let client;
const source = {
  initialize: async () => { client = new Client(); },
  getStudyInstanceUIDs: ({ uids }) => uids,
  retrieve: { getWadoDicomWebClient: () => client },
};
const { askAhead, pictureAhead } = await import('./opening.js');
askAhead({ getDataSources: name => (name === 'platform' ? [source] : []) });
const settled = () => new Promise(done => { setTimeout(done); });
const SERIES = { studyInstanceUID: '1.2', queryParams: { includefield: '00080021,00080031,0008103E,00200011' } };
const metadata = uid => client.retrieveSeriesMetadata({ studyInstanceUID: '1.2', seriesInstanceUID: uid });
const tell = found => console.log(JSON.stringify(found));
"""


def play(folder: Path, scenario: str) -> Any:
    return node.run(folder, OHIF + scenario)


def test_series_and_their_metadata_are_asked_for_before_ohif_asks(tmp_path: Path) -> None:
    before, series, metadata, after = play(
        tmp_path,
        """
        await source.initialize({ uids: ['1.2'] });
        await settled();
        const before = [...asked];
        const series = (await client.searchForSeries(SERIES)).length;
        tell([before, series, await metadata('1.2.2'), asked]);
        """,
    )
    assert before == ["1.2", "1.2.1", "1.2.2"]
    assert (series, metadata) == (2, ["1.2.2"])
    assert after == before, "what was there was not asked for again"


def test_an_answer_is_handed_out_once(tmp_path: Path) -> None:
    asked = play(
        tmp_path,
        """
        await source.initialize({ uids: ['1.2'] });
        await settled();
        await metadata('1.2.1');
        await metadata('1.2.1');
        tell(asked);
        """,
    )
    assert asked == ["1.2", "1.2.1", "1.2.2", "1.2.1"], "what changed meanwhile is seen by whoever asks again"


def test_another_question_is_asked_as_it_is(tmp_path: Path) -> None:
    asked = play(
        tmp_path,
        """
        await source.initialize({ uids: ['1.2'] });
        await client.searchForSeries({ ...SERIES, queryParams: { SeriesInstanceUID: '1.2.2' } });
        tell(asked.filter(uid => uid === '1.2'));
        """,
    )
    assert len(asked) == 2


def test_ohif_is_told_that_there_is_no_answer(tmp_path: Path) -> None:
    told = play(
        tmp_path,
        """
        answers.series = async () => { throw new Error('busy'); };
        await source.initialize({ uids: ['1.2'] });
        await settled();
        const first = await client.searchForSeries(SERIES).catch(error => error.message);
        answers.series = async () => [];
        tell([first, await client.searchForSeries(SERIES)]);
        """,
    )
    assert told == ["busy", []], "and may ask again"


def test_a_study_that_is_opened_again_is_not_asked_for_again(tmp_path: Path) -> None:
    opened = "await source.initialize({ uids: ['1.2'] }); await settled();"
    asked = play(tmp_path, f"{opened} {opened} tell(asked);")
    assert asked == ["1.2", "1.2.1", "1.2.2"], "OHIF has it, and would not ask"


def test_the_worklist_asks_for_nothing(tmp_path: Path) -> None:
    assert play(tmp_path, "await source.initialize({ uids: [undefined] }); await settled(); tell(asked);") == []


PICTURE = """
let decide;
let ended = false;
const loaded = [];
const cached = new Set(CACHED);
window.cornerstone = {
  metaData: { get: () => ({ retrieveOptions: { singleFast: 'low' } }) },
  cache: { getImageLoadObject: id => cached.has(id) },
  imageLoader: {
    async loadAndCacheImage(id, { retrieveOptions }) {
      loaded.push([id, retrieveOptions]);
      throw new Error('busy');
    },
  },
};
const subscription = { unsubscribe() { ended = true; } };
const sets = { report: {}, ct: { images: [{ imageId: 'first' }, { imageId: 'next' }] } };
pictureAhead({
  hangingProtocolService: { EVENTS: {}, subscribe: (_, then) => { decide = then; return subscription; } },
  displaySetService: { getDisplaySetByUID: uid => sets[uid] },
});
const matched = uid => ({ displaySetsInfo: uid ? [{ displaySetInstanceUID: uid }] : [] });
const show = uid => decide({ viewportMatchDetails: new Map([['viewport', matched(uid)]]) });
"""


@pytest.mark.parametrize(
    ("shown", "loaded", "ended"),
    [
        (["ct"], [["first", "low"]], True),
        (["", "report", "ct"], [["first", "low"]], True),  # nothing to show yet, or no picture in it
        ([""], [], False),
    ],
)
def test_the_first_picture_is_fetched_once_it_is_decided_what_is_shown(
    tmp_path: Path, shown: list[str], loaded: list[Any], ended: bool
) -> None:
    script = PICTURE.replace("CACHED", "[]") + f"{shown}.forEach(show); await settled(); tell([loaded, ended]);"
    assert play(tmp_path, script) == [loaded, ended]


def test_a_picture_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    script = PICTURE.replace("CACHED", "['first']") + "show('ct'); await settled(); tell(loaded);"
    assert play(tmp_path, script) == []
