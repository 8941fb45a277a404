// A study's first picture waits for three answers in a row (its series, their metadata, the frame), and OHIF asks for each
// when its own parts have come so far. Here each is asked for as soon as what it takes is known, and OHIF finds it there.
import * as images from './images.js';

const SERIES_KEYS = '00080021,00080031,0008103E,00200011'; // those that OHIF asks for: another question would not be its own
const SERIES_UID = '0020000E';

// Makes `client[name]` hand out what was asked for ahead, each once: whoever asks again (after a failure, say) asks anew.
function aheadOf(client, name) {
  const ask = client[name].bind(client);
  const kept = new Map();
  client[name] = options => {
    const key = JSON.stringify(options);
    const answer = kept.get(key) ?? ask(options);
    kept.delete(key);
    return answer;
  };
  return options => {
    const answer = ask(options);
    kept.set(JSON.stringify(options), answer);
    answer.catch(() => {}); // OHIF is told when it asks
    return answer;
  };
}

// DICOMweb's series of a study (PS3.18 section 10.6) and the metadata of each (10.4), all of which OHIF's first picture waits
// for, while OHIF renders its page.
export function askAhead(extensionManager) {
  const opened = new Set(); // OHIF keeps what it was told of a study as long as the page lives
  const [source] = extensionManager.getDataSources(window.config.defaultDataSourceName);
  const { initialize } = source;
  source.initialize = async options => {
    await initialize(options); // a new client each time that a study or the worklist is opened
    const client = source.retrieve.getWadoDicomWebClient();
    const series = aheadOf(client, 'searchForSeries');
    const metadata = aheadOf(client, 'retrieveSeriesMetadata');
    for (const studyInstanceUID of source.getStudyInstanceUIDs(options)) {
      if (!studyInstanceUID || opened.has(studyInstanceUID)) continue;
      opened.add(studyInstanceUID);
      series({ studyInstanceUID, queryParams: { includefield: SERIES_KEYS } }).then(
        found => found.forEach(one => metadata({ studyInstanceUID, seriesInstanceUID: one[SERIES_UID].Value[0] })),
        () => {}, // as above
      );
    }
  };
}

// The low resolution of the first image, once it is decided which series is shown and before there is a canvas for it.
let decided;
export function pictureAhead({ hangingProtocolService, displaySetService }) {
  const { EVENTS } = hangingProtocolService;
  decided?.unsubscribe(); // of a study that was left before it showed anything
  decided = hangingProtocolService.subscribe(EVENTS.PROTOCOL_CHANGED, ({ viewportMatchDetails }) => {
    const [first] = [...viewportMatchDetails.values()].flatMap(one => one.displaySetsInfo);
    const id = first && displaySetService.getDisplaySetByUID(first.displaySetInstanceUID)?.images?.[0]?.imageId;
    if (!id) return; // nothing to show yet, or no picture: a report, a PDF
    decided.unsubscribe();
    images.fetchLow(id);
  });
}
