// OHIF extension as a plain ES module, named in app-config.js: no build, no change to OHIF.
import * as api from './api.js';
import * as images from './images.js';
import { askAhead, pictureAhead } from './opening.js';
import * as panel from './panel.js';
import { searchByPost } from './search.js';

const PHONE = window.matchMedia('(max-width: 760px)');
let services;
let commands;

// A React 18 element as data: React only has to make <platform-ground-truth>.
const element = type => ({ $$typeof: Symbol.for('react.element'), type, key: null, ref: null, props: {}, _owner: null, _store: {} });

function sheet() {
  let found = document.querySelector('dialog.platform-sheet');
  if (!found) {
    found = document.createElement('dialog');
    found.className = 'platform-sheet';
    found.setAttribute('aria-label', 'Ground truth');
    const close = document.createElement('button');
    close.className = 'close';
    close.setAttribute('aria-label', 'Close');
    close.textContent = '×';
    close.addEventListener('click', () => found.close());
    found.addEventListener('keydown', event => { if (event.key === 'Escape') found.close(); });
    found.addEventListener('close', () => document.querySelector('.platform-open')?.focus());
    found.append(close, document.createElement('platform-ground-truth'));
    document.body.append(found);
  }
  return found;
}

// On a phone the side panels would leave no room for the picture: the panel comes as a sheet from below.
function openGroundTruth() {
  const docked = document.querySelector('platform-ground-truth:not(dialog *)');
  if (docked && !PHONE.matches) docked.querySelector('input, button')?.focus();
  else if (PHONE.matches) sheet().show();
  else services.panelService.activatePanel('platform.panelModule.ground-truth', true);
}

// Cornerstone makes seven WebGL contexts before the first picture, one for each of as many stacks, and a volume uses the
// first one only. Making one takes long (100 ms each where it is drawn in software, and phones have memory for few):
// stacks share them in turns, and phones make do with one, as Cornerstone's own setting for them does.
function fewerContexts() {
  const { getConfiguration, setConfiguration } = window.cornerstone;
  const configuration = getConfiguration();
  setConfiguration({ ...configuration, rendering: { ...configuration.rendering, webGlContextCount: PHONE.matches ? 1 : 2 } });
}

function phoneButton() {
  if (document.querySelector('.platform-open')) return;
  const button = document.createElement('button');
  button.className = 'platform-open';
  button.textContent = 'VERIFY';
  button.addEventListener('click', openGroundTruth);
  document.body.append(button);
}

export default {
  id: 'platform',
  preRegistration({ servicesManager, commandsManager, extensionManager }) {
    services = servicesManager.services;
    commands = commandsManager;
    api.use(services);
    searchByPost();
    askAhead(extensionManager);
    panel.define(services);
    fewerContexts();
    const style = document.createElement('link');
    Object.assign(style, { rel: 'stylesheet', href: '/platform/platform.css' });
    document.head.append(style);
    images.watch(services);
    document.addEventListener('keydown', event => {
      if (event.altKey && event.code === 'KeyG') { event.preventDefault(); openGroundTruth(); }
    });
  },
  onModeEnter() { // after Cornerstone's own, which clears what is set here
    document.body.classList.add('platform-reading');
    images.progressiveVolumes();
    pictureAhead(services);
    phoneButton();
    const { viewportGridService } = services;
    const ready = viewportGridService.subscribe(viewportGridService.EVENTS.VIEWPORTS_READY, () => {
      ready.unsubscribe();
      // a finger scrolls through the slices, as a wheel does at a desk; the toolbar has the other tools
      if (PHONE.matches) commands.runCommand('setToolActiveToolbar', { toolName: 'StackScroll', toolGroupIds: ['default'] });
      else services.panelService.activatePanel('platform.panelModule.ground-truth', true);
    });
  },
  onModeExit() {
    document.body.classList.remove('platform-reading');
    document.querySelector('dialog.platform-sheet')?.remove();
    document.querySelector('.platform-open')?.remove();
  },
  getPanelModule: () => [{ name: 'ground-truth', iconName: 'tab-patient-info', iconLabel: 'Truth', label: 'Ground truth', component: () => element('platform-ground-truth') }],
  getCommandsModule: () => ({ definitions: { openGroundTruth: { commandFn: openGroundTruth } }, defaultContext: 'CORNERSTONE' }),
};
