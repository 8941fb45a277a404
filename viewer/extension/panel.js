// The panel VERIFY AS GROUND TRUTH: finding, certainty, notes and who has read; what a model said is never shown, so no
// read leans on it. A custom element, so that OHIF's React needs to know nothing of it. Text goes in by textContent only.
import * as api from './api.js';
import { activeViewport, isFull, studyUid } from './images.js';

const STATES = {
  unread: 'Nobody has read this study yet.',
  'first-read': 'One independent read is locked. A second reader is needed.',
  'your-read': 'Your read is locked. A second reader decides without seeing it.',
  adjudication: 'Two reads differ. A third reader decides.',
  'your-adjudication': 'The two reads differ: your decision becomes the ground truth.',
  verified: 'This study has its ground truth. A new read starts a new round.',
};
const FORM = `
  <h2>Ground truth</h2>
  <p class="state" role="status" aria-live="polite">Loading…</p>
  <form>
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
    <button type="submit" aria-describedby="platform-why">VERIFY AS GROUND TRUTH</button>
    <p id="platform-why" class="why"></p>
  </form>
  <h3>History</h3>
  <ol class="history"></ol>
  <p class="keys">Keys: Alt+P, Alt+N finding · Alt+1, 2, 3 certainty · Alt+G here · Alt+V verify</p>`;

class GroundTruthPanel extends HTMLElement {
  connectedCallback() {
    if (!this.form) {
      this.innerHTML = FORM;
      this.form = this.querySelector('form');
      this.button = this.querySelector('button');
      this.form.addEventListener('submit', event => { event.preventDefault(); this.verify(); });
      this.form.addEventListener('keydown', event => event.stopPropagation()); // letters are text here, not hotkeys
    }
    this.refresh = () => this.show();
    this.keys = event => this.key(event);
    window.addEventListener('platform-quality', this.refresh);
    window.addEventListener('platform-verified', this.reload = () => this.load());
    document.addEventListener('keydown', this.keys, true);
    this.show();
  }

  disconnectedCallback() {
    window.removeEventListener('platform-quality', this.refresh);
    window.removeEventListener('platform-verified', this.reload);
    document.removeEventListener('keydown', this.keys, true);
  }

  show() {
    const uid = studyUid();
    if (uid && uid !== this.uid) {
      this.uid = uid;
      this.load();
    }
    const full = isFull(activeViewport());
    const may = this.reading?.may_read ?? false;
    this.button.disabled = !full || !may || this.busy;
    const why = this.failure || (!this.reading ? '' : !may ? 'You have nothing to decide here now.' : full ? '' : 'Waiting for the full resolution of this picture.');
    const place = this.querySelector('.why');
    if (place.textContent !== why) place.textContent = why;
  }

  async load() {
    const uid = this.uid;
    this.reading = undefined;
    this.failure = '';
    try {
      const study = await api.findStudy(uid);
      const known = await api.labels(study.study_key);
      if (uid !== this.uid) return; // another study was opened meanwhile
      this.key_ = study.study_key;
      this.reading = known.reading;
      this.history(known.labels);
      this.querySelector('.state').textContent = STATES[known.reading.state] ?? known.reading.state;
    } catch (error) {
      this.failure = error.code === 'NOT_ASSIGNED' ? 'This patient is not assigned to you.' : `Not to be had: ${error.message}`;
      this.querySelector('.state').textContent = this.failure;
    }
    this.show();
  }

  history(labels) {
    this.querySelector('.history').replaceChildren(...labels.toReversed().map(label => {
      const item = document.createElement('li');
      const when = new Date(label.created_at).toLocaleString();
      item.textContent = `v${label.version} ${label.state === 'VERIFIED' ? 'GROUND TRUTH' : label.role} · ${label.finding}, ${label.certainty} · ${when}${label.notes ? ` · ${label.notes}` : ''}`;
      return item;
    }));
  }

  async verify() {
    if (this.button.disabled || !this.form.reportValidity()) return;
    const chosen = Object.fromEntries(new FormData(this.form));
    this.busy = true;
    this.show();
    try {
      const label = await api.verify(this.key_, chosen);
      this.form.reset();
      notify('Ground truth', label.state === 'VERIFIED' ? `Version ${label.version} is the ground truth` : 'Your read is locked', 'success');
      window.dispatchEvent(new CustomEvent('platform-verified', { detail: { version: label.version, state: label.state } }));
    } catch (error) {
      notify('Ground truth', error.message, 'error');
    } finally {
      this.busy = false;
      this.show();
    }
  }

  key(event) {
    if (!event.altKey || event.ctrlKey || event.metaKey || !this.isConnected) return;
    const choose = { KeyP: ['finding', 0], KeyN: ['finding', 1], Digit1: ['certainty', 0], Digit2: ['certainty', 1], Digit3: ['certainty', 2] }[event.code];
    if (choose) this.form.elements[choose[0]][choose[1]].click();
    else if (event.code === 'KeyV') this.button.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

let notify = () => {};
export function define(services) {
  notify = (title, message, type) => services.uiNotificationService.show({ title, message, type });
  if (!customElements.get('platform-ground-truth')) customElements.define('platform-ground-truth', GroundTruthPanel);
}
