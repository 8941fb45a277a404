// What the reader sees: is the picture on the screen the full one? A mark says so until it is, and full frames are
// filled in behind, nearest first, whenever the reader pauses.
const FULL = 8; // Cornerstone's ImageQualityStatus.FULL_RESOLUTION
const PAUSE_MS = 350;
const SMALL_AT_ONCE = 6;
const FULL_AT_ONCE = 2; // one on the line, one on its way: a slice that the reader jumps to waits behind these
const AGAIN_MS = 5000;
const OWN_WAY_MS = 10_000; // so long at most: who never got an answer is filled in from behind
let services;
let lastMove = 0;
const busy = new Set();
const failed = new Set(); // asked for and not to be had: busy upstream, no right any more, no network

const cs = () => window.cornerstone;

export function activeViewport() {
  const id = services.viewportGridService.getActiveViewportId();
  return id ? services.cornerstoneViewportService.getCornerstoneViewport(id) : undefined;
}

const quality = imageId => cs().cache.getImage(imageId)?.imageQualityStatus ?? 0;
const isStack = viewport => viewport.type === cs().Enums.ViewportType.STACK;

// The image whose pixels are on the screen. Cornerstone moves a stack's index before it has the picture, and keeps the
// picture of another slice under it when loading fails.
const shown = viewport => viewport.getCornerstoneImage();
const isShown = viewport => shown(viewport)?.imageId === viewport.getCurrentImageId();

export function isFull(viewport) {
  if (!viewport) return false;
  if (isStack(viewport)) return isShown(viewport) && shown(viewport).imageQualityStatus === FULL;
  const ids = viewport.getImageIds?.() ?? [];
  return ids.length > 0 && ids.every(id => id && quality(id) === FULL);
}

// What was fetched behind the viewport's back (filled in, or got at last after a failure) comes on the screen.
function present(viewport) {
  if (!isStack(viewport)) return;
  const id = viewport.getCurrentImageId();
  const loaded = id && cs().cache.getImage(id);
  if (loaded && (!isShown(viewport) || shown(viewport).imageQualityStatus < loaded.imageQualityStatus)) {
    viewport.successCallback(id, loaded);
  }
}

export function studyUid() {
  const viewport = activeViewport();
  const id = viewport?.getCurrentImageId?.() ?? viewport?.getImageIds?.()[0];
  return /studies\/([\d.]+)\//.exec(id ?? '')?.[1];
}

function mark(viewport) {
  const element = viewport?.element;
  if (!element) return;
  let badge = element.querySelector(':scope > .platform-quality');
  if (!badge) {
    badge = document.createElement('div');
    badge.className = 'platform-quality';
    badge.setAttribute('role', 'status');
    element.append(badge);
  }
  const full = isFull(viewport);
  const missing = !full && isStack(viewport) && !isShown(viewport) && failed.has(viewport.getCurrentImageId());
  const text = full ? '' : missing ? 'THIS SLICE COULD NOT BE FETCHED: trying again' : 'LOW RESOLUTION: loading';
  if (badge.textContent !== text) badge.textContent = text;
  badge.classList.toggle('missing', missing); // covers what is still there of another slice
  badge.hidden = full;
}

function changed() {
  for (const engine of cs()?.getRenderingEngines?.() ?? []) engine.getViewports().forEach(mark);
  window.dispatchEvent(new Event('platform-quality'));
}

// The nearest image that has nothing yet; once all have a small picture, the nearest that has not the full one.
function nextToFill(viewport) {
  const ids = viewport.getImageIds();
  const here = viewport.getCurrentImageIdIndex();
  let unfinished;
  for (let step = 0; step < ids.length; step += 1) {
    for (const id of step ? [ids[here + step], ids[here - step]] : [ids[here]]) {
      if (!id || busy.has(id)) continue;
      if (!cs().cache.getImageLoadObject(id)) return { id, type: 'singleFast' };
      const known = quality(id);
      if (!unfinished && known > 0 && known < FULL) unfinished = { id, type: 'singleFinal' };
    }
  }
  return unfinished;
}

// The picture that is being looked at is on its way: its line and its cores are not shared with those that nobody sees.
function onItsWay(viewport) {
  const id = viewport.getCurrentImageId();
  return id && !isFull(viewport) && !failed.has(id) && !busy.has(id) && performance.now() - lastMove < OWN_WAY_MS;
}

async function load(id, type) {
  const { retrieveOptions } = cs().metaData.get('imageRetrieveConfiguration', id, 'stack');
  return cs().imageLoader.loadAndCacheImage(id, {
    requestType: 'prefetch', priority: 5, preScale: { enabled: true }, retrieveType: type, retrieveOptions: retrieveOptions[type],
  });
}

// Into the cache, where whoever shows it finds it, on its way or there.
export function fetchLow(id) {
  if (!cs().cache.getImageLoadObject(id)) load(id, 'singleFast').catch(() => {}); // its viewport is told, and asks again
}

async function fill() {
  const viewport = activeViewport();
  if (!viewport || !isStack(viewport) || performance.now() - lastMove < PAUSE_MS || busy.size >= SMALL_AT_ONCE) return;
  if (onItsWay(viewport)) return;
  const next = nextToFill(viewport);
  if (!next || (next.type === 'singleFinal' && busy.size >= FULL_AT_ONCE)) return;
  const { id, type } = next;
  busy.add(id);
  try {
    if (type === 'singleFinal') cs().cache.setPartialImage(id, undefined, true);
    await load(id, type);
    busy.delete(id);
    failed.delete(id);
    present(viewport);
  } catch (error) {
    failed.add(id);
    // it stays as it is and the mark stays on it; asked again after a while, sooner when the reader goes there
    setTimeout(() => busy.delete(id), AGAIN_MS);
  }
  changed();
  fill();
}

export function watch(found) {
  services = found;
  const moved = () => { lastMove = performance.now(); changed(); };
  // Cornerstone's events do not bubble: the capture phase sees them. The first comes before a slice is asked for: from
  // there on nothing else takes its line and its cores.
  document.addEventListener('CORNERSTONE_PRE_STACK_NEW_IMAGE', moved, true);
  document.addEventListener('CORNERSTONE_STACK_NEW_IMAGE', moved, true);
  document.addEventListener('CORNERSTONE_VOLUME_NEW_IMAGE', moved, true);
  document.addEventListener('CORNERSTONE_IMAGE_RENDERED', changed, true);
  setInterval(() => { for (let i = 0; i < SMALL_AT_ONCE; i += 1) fill(); }, 200);
}

function sawFailure(event) {
  failed.add(event.detail.imageId);
  changed();
}

// Volume viewports have no option of their own in app-config.js, and OHIF's 'mpr' protocol brings a loading strategy
// that ignores any: without it the two stages (small pictures of all slices, then the full ones) are followed.
export function progressiveVolumes() {
  cs().eventTarget.addEventListener('CORNERSTONE_IMAGE_LOAD_FAILED', sawFailure); // the same listener is added once
  cs().utilities.imageRetrieveMetadataProvider.add('volume', window.config.platform.volume);
  const protocol = services.hangingProtocolService.getProtocolById('mpr');
  if (protocol) services.hangingProtocolService.addProtocol('mpr', { ...protocol, imageLoadStrategy: undefined });
}
