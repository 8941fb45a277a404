// A reader's own read of each study, from the first click until the API has it. It outlives the panel (which goes with
// its tab), the page (a reload, the way over the sign-in page) and the network: in the tab's session storage, under the
// person's subject, until it is saved or the person signs out.
import * as api from './api.js';

const PREFIX = 'platform-read:';
const WAITS_MS = [1000, 4000]; // between the tries of one press
const REFUSED = {
  READ_IS_LOCKED: 'Not saved: your read of this round is locked already, see the history.',
  NOT_ASSIGNED: 'Not saved: this patient is no longer assigned to you. What you entered is kept.',
};
const NOTHING = { finding: '', certainty: '', notes: '', request_id: '', study_key: '', status: 'draft', message: '' };
const known = new Map();

const keyOf = uid => `${PREFIX}${api.person()}:${uid}`;
const wait = ms => new Promise(done => { setTimeout(done, ms); });

function stored(key) {
  if (!api.person()) return {};
  try {
    for (const other of Object.keys(sessionStorage)) { // somebody else had this tab before
      if (other.startsWith(PREFIX) && !other.startsWith(`${PREFIX}${api.person()}:`)) sessionStorage.removeItem(other);
    }
    const found = JSON.parse(sessionStorage.getItem(key) ?? '{}');
    return found.status === 'saving' ? { ...found, ...failure('the page was left before the answer came') } : found;
  } catch {
    return {}; // a browser that keeps nothing: the page's own memory has to do
  }
}

const failure = why => ({ status: 'failed', message: `NOT SAVED: ${why}. What you entered is kept: press RETRY.` });

export function of(uid) {
  const key = keyOf(uid);
  if (!known.has(key)) known.set(key, { ...NOTHING, ...stored(key) });
  return known.get(key);
}

function put(key, changes) {
  const read = { ...known.get(key), ...changes };
  known.set(key, read);
  try {
    if (read.finding || read.certainty || read.notes) sessionStorage.setItem(key, JSON.stringify(read));
    else sessionStorage.removeItem(key);
  } catch {
    // full or forbidden: kept in memory
  }
  window.dispatchEvent(new Event('platform-read'));
}

// What the form says now. Another content is another read: it gets an id of its own when it is sent.
export function edit(uid, entries) {
  const read = of(uid);
  if (read.status === 'saving' || Object.entries(entries).every(([name, value]) => read[name] === value)) return;
  put(keyOf(uid), { ...entries, request_id: '', status: 'draft', message: '' });
}

// Send it until the API has it or says no; answers the label, or undefined with the reason in the read. However often
// it is sent, it is one read: the API knows it by its request_id.
export async function send(uid, studyKey) {
  const key = keyOf(uid);
  const read = of(uid);
  if (read.status === 'saving') return undefined;
  const { finding, certainty, notes } = read;
  const label = { finding, certainty, notes, request_id: read.request_id || crypto.randomUUID() };
  put(key, { request_id: label.request_id, study_key: studyKey, status: 'saving', message: 'Saving…' });
  for (let tries = 0; ; tries += 1) {
    try {
      const made = await api.verify(studyKey, label);
      const what = made.state === 'VERIFIED' ? `version ${made.version} is the ground truth` : 'your read is locked';
      put(key, { ...NOTHING, status: 'saved', message: `Saved: ${what}.` });
      answered(uid, made);
      return made;
    } catch (error) {
      if (!api.isPassing(error) || tries === WAITS_MS.length) {
        const said = REFUSED[error.code];
        put(key, said ? { status: 'refused', message: said } : failure(error.status === 401 ? 'your session has ended' : error.message));
        answered(uid);
        return undefined;
      }
      put(key, { message: 'Saving: no answer yet, trying again…' });
      await wait(WAITS_MS[tries]);
    }
  }
}

// The network is back: what the reader pressed VERIFY for goes out.
window.addEventListener('online', () => {
  for (const [key, read] of known) {
    const [subject, uid] = key.slice(PREFIX.length).split(':');
    if (read.status === 'failed' && read.study_key && subject === api.person()) send(uid, read.study_key);
  }
});

const answered = (uid, label) => window.dispatchEvent(new CustomEvent('platform-verified', { detail: { uid, label } }));

let leaving = false; // on purpose, with everything kept
export function signInAgain() {
  leaving = api.signInAgain();
  return leaving;
}

const unsent = () => [...known.values()].some(read => read.status === 'saving' || read.status === 'failed');
const signingOut = () => window.location.pathname === '/logout';
window.addEventListener('beforeunload', event => { if (!leaving && unsent()) event.preventDefault(); });
window.addEventListener('pagehide', () => {
  if (!signingOut()) return;
  for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
});
