// The panel VERIFY AS GROUND TRUTH: finding, certainty, notes and who has read; what a model said comes only after the
// reader's own read is locked (the API refuses it before), so no read leans on it. A custom element, so that OHIF's React needs to know nothing of it. Text goes in by textContent only.
import * as api from './api.js';
import { activeViewport, isFull, studyUid } from './images.js';
import * as reads from './reads.js';

const AGAIN_MS = 5000;
const WAITING = 'Waiting for the full resolution of this picture.';
const MISSING = 'Not sent: choose a finding and how certain you are.';
const NOTHING_TO_DO = 'You have nothing to decide here now.';

const STATES = {
  unread: 'Nobody has read this study yet.',
  'first-read': 'One independent read is locked. A second reader is needed.',
  'your-read': 'Your read is locked. A second reader decides without seeing it.',
  adjudication: 'Two reads differ. A third reader decides.',
  'your-adjudication': 'The two reads differ: your decision becomes the ground truth.',
  verified: 'This study has its ground truth. A new read starts a new round.',
};
// What a read that was just taken makes of the study, before the API is asked how it stands.
const stateAfter = label => STATES[label.state === 'VERIFIED' ? 'verified' : label.role === 'first' ? 'your-read' : 'adjudication'];
const SILENT = {
  NO_MODEL_IN_SERVICE: '',
  NOTHING_JUDGED: 'The model in service cannot judge this study.',
  READ_FIRST: '', // somebody began a new round meanwhile
};
const sentence = said => `Model version ${said.model_version}: ${said.finding}, ${Math.round(said.probability * 100)} % pneumonia on average of ${said.images_judged} of ${said.images_usable} images (from ${Math.round(said.threshold * 100)} % on it says pneumonia).`;
const FORM = `
  <h2>Ground truth</h2>
  <p class="state" role="status" aria-live="polite">Loading…</p>
  <form>
    <div class="entries">
      <fieldset><legend>Finding</legend>
        <label><input type="radio" name="finding" value="pneumonia" required> <span><u>P</u>neumonia</span></label>
        <label><input type="radio" name="finding" value="normal"> <span><u>N</u>ormal</span></label>
      </fieldset>
      <fieldset><legend>Certainty</legend>
        <label><input type="radio" name="certainty" value="definite" required> Definite</label>
        <label><input type="radio" name="certainty" value="probable"> Probable</label>
        <label><input type="radio" name="certainty" value="possible"> Possible</label>
      </fieldset>
      <label class="notes">Notes <textarea name="notes" maxlength="2000" rows="3"></textarea></label>
    </div>
    <button type="submit">VERIFY AS GROUND TRUTH</button>
    <p class="why" role="status" aria-live="assertive"></p>
  </form>
  <p class="model" role="status" aria-live="polite"></p>
  <h3>History</h3>
  <ol class="history"></ol>
  <div class="agreement"></div>
  <p class="keys">Keys: Alt+P, Alt+N finding · Alt+1, 2, 3 certainty · Alt+G here · Alt+V verify</p>`;

class GroundTruthPanel extends HTMLElement {
  connectedCallback() {
    if (!this.form) this.build();
    const on = (target, type, listener, options) => target.addEventListener(type, listener, { ...options, signal: this.gone.signal });
    this.gone = new AbortController();
    on(window, 'platform-quality', () => this.show());
    on(window, 'platform-read', () => { this.fill(); this.show(); });
    on(window, 'platform-verified', event => this.answered(event.detail));
    on(document, 'keydown', event => this.key(event), { capture: true });
    this.show();
  }

  disconnectedCallback() {
    this.gone.abort();
  }

  build() {
    this.innerHTML = FORM;
    this.form = this.querySelector('form');
    this.button = this.querySelector('button');
    this.place = this.querySelector('.why');
    this.form.addEventListener('submit', event => { event.preventDefault(); this.verify(); });
    this.form.addEventListener('keydown', event => event.stopPropagation()); // letters are text here, not hotkeys
    this.form.addEventListener('input', () => { this.missing = ''; if (this.uid) reads.edit(this.uid, this.entries()); });
    this.form.addEventListener('invalid', () => { this.missing = MISSING; this.show(); }, true);
  }

  entries() {
    const { finding = '', certainty = '', notes = '' } = Object.fromEntries(new FormData(this.form));
    return { finding, certainty, notes };
  }

  // The read of this study as it is kept: also what another panel of the page was told.
  fill() {
    if (!this.uid) return;
    const read = reads.of(this.uid);
    for (const input of this.form.querySelectorAll('input')) input.checked = read[input.name] === input.value;
    if (this.form.elements.notes.value !== read.notes) this.form.elements.notes.value = read.notes;
  }

  // Why VERIFY would not be taken now; '' if it would.
  blocked() {
    if (!this.reading) return 'Not ready yet: the state of this study is being asked for.';
    if (!this.reading.may_read) return NOTHING_TO_DO;
    return isFull(activeViewport()) ? '' : WAITING;
  }

  show() {
    const uid = studyUid();
    if (uid && uid !== this.uid) {
      this.uid = uid;
      this.reading = undefined;
      this.missing = '';
      this.history([]);
      this.model('');
      this.fill();
      this.load();
    }
    const read = this.uid ? reads.of(this.uid) : {};
    const saving = read.status === 'saving';
    const blocked = this.mayRetry(read) ? '' : this.blocked();
    this.pressed &&= blocked !== '';
    const label = saving ? 'SAVING…' : read.status === 'failed' ? 'RETRY' : 'VERIFY AS GROUND TRUTH';
    if (this.button.textContent !== label) this.button.textContent = label;
    // never `disabled`: that would drop the keyboard's focus, and swallow a tap without a word
    this.button.setAttribute('aria-disabled', String(saving || blocked !== ''));
    this.querySelector('.entries').inert = saving;
    const said = read.message || this.missing || (this.pressed ? `Not sent: ${blocked}` : this.reading ? blocked : '');
    if (this.place.textContent !== said) this.place.textContent = said;
    this.place.dataset.status = read.status ?? '';
  }

  // A retry needs no new look at the picture: it was decided on the full one.
  mayRetry(read) {
    return read.status === 'failed' && Boolean(read.study_key);
  }

  answered({ uid, label }) {
    if (uid !== this.uid) return;
    if (label) { // whatever becomes of the question for all of them
      this.history([...this.labels, label]);
      this.state(stateAfter(label));
      this.reading = undefined; // what it said is of before
    }
    agreement = undefined;
    this.load();
  }

  async load() {
    const uid = this.uid;
    const turn = this.turn = {}; // an older answer must not overwrite a newer one
    try {
      const study = await api.findStudy(uid);
      const found = await api.labels(study.study_key);
      if (turn !== this.turn || uid !== this.uid) return;
      this.study = study.study_key;
      this.reading = found.reading;
      this.history(found.labels);
      this.state(STATES[found.reading.state] ?? found.reading.state);
      this.agree();
      this.hear(uid);
    } catch (error) {
      if (turn !== this.turn || uid !== this.uid) return;
      const again = api.isPassing(error);
      this.state(error.code === 'NOT_ASSIGNED' ? 'This patient is not assigned to you.' : `Not to be had: ${error.message}${again ? '; trying again' : ''}`);
      if (again) setTimeout(() => { if (turn === this.turn && this.isConnected) this.load(); }, AGAIN_MS);
    }
    this.show();
  }

  // What the model in service says, once it may be heard: a figure beside the read, never a reason to hold it up.
  async hear(uid) {
    if (!this.reading.model_visible) { this.model(''); return; }
    const turn = this.turn;
    const text = await api.prediction(this.study).then(sentence, error => SILENT[error.code] ?? `The model's answer is not to be had: ${error.message}.`);
    if (turn === this.turn && uid === this.uid) this.model(text);
  }

  model(text) {
    this.querySelector('.model').textContent = text;
  }

  state(text) {
    this.querySelector('.state').textContent = text;
  }

  history(labels) {
    this.labels = labels;
    this.querySelector('.history').replaceChildren(...labels.toReversed().map(label => {
      const item = document.createElement('li');
      const what = `${label.state === 'VERIFIED' ? 'GROUND TRUTH' : label.role}${label.role !== 'consensus' && label.reader === api.person() ? ' (you)' : ''}`;
      const when = new Date(label.created_at).toLocaleString();
      item.textContent = `v${label.version} ${what} · ${label.finding}, ${label.certainty} · ${when}${label.notes ? ` · ${label.notes}` : ''}`;
      return item;
    }));
  }

  // How far the person agrees with the other readers; an administrator is told of all.
  async agree() {
    agreement ??= api.agreement().catch(() => ({ agreements: [] })); // a figure beside the point: left out
    const found = await agreement;
    const name = subject => (subject === api.person() ? 'You' : subject === '*' ? 'all others' : subject.slice(0, 8));
    this.querySelector('.agreement').replaceChildren(...found.agreements.map(one => {
      const line = document.createElement('p');
      const kappa = one.kappa === null ? '' : `, kappa ${one.kappa.toFixed(2)}`;
      line.textContent = `Agreement: ${one.readers.map(name).join(' and ')} ${Math.round(one.observed * one.rounds)} of ${one.rounds} rounds${kappa}`;
      return line;
    }));
  }

  async verify() {
    const uid = this.uid;
    const read = reads.of(uid);
    if (read.status === 'saving' || (read.status === 'failed' && reads.signInAgain())) return;
    const retry = this.mayRetry(read);
    this.pressed = !retry && this.blocked() !== '';
    this.show();
    if (this.pressed || !this.form.reportValidity()) return;
    const made = await reads.send(uid, retry ? read.study_key : this.study);
    if (!this.isConnected || this.offsetParent === null) notify('Ground truth', reads.of(uid).message, made ? 'success' : 'error');
  }

  key(event) {
    if (!event.altKey || event.ctrlKey || event.metaKey || this.offsetParent === null) return;
    const choose = { KeyP: ['finding', 0], KeyN: ['finding', 1], Digit1: ['certainty', 0], Digit2: ['certainty', 1], Digit3: ['certainty', 2] }[event.code];
    if (choose) this.form.elements[choose[0]][choose[1]].click();
    else if (event.code === 'KeyV') this.button.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

let agreement; // asked for once a page and after each own read: the API goes over all reads for it
let notify = () => {};
export function define(services) {
  notify = (title, message, type) => services.uiNotificationService.show({ title, message, type });
  if (!customElements.get('platform-ground-truth')) customElements.define('platform-ground-truth', GroundTruthPanel);
}
