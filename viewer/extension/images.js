// What the reader sees: is the picture on the screen the full one? A mark says so until it is, and full frames are
// filled in behind, nearest first, whenever the reader pauses.
const FULL = 8; // Cornerstone's ImageQualityStatus.FULL_RESOLUTION
const PAUSE_MS = 350;
const AT_ONCE = 3;
let services;
let lastMove = 0;
let running = 0;
const failed = new Set();

const cs = () => window.cornerstone;

export function activeViewport() {
  const id = services.viewportGridService.getActiveViewportId();
  return id ? services.cornerstoneViewportService.getCornerstoneViewport(id) : undefined;
}

const quality = imageId => cs().cache.getImage(imageId)?.imageQualityStatus ?? 0;
const isStack = viewport => viewport.type === cs().Enums.ViewportType.STACK;

export function isFull(viewport) {
  if (!viewport) return false;
  const ids = isStack(viewport) ? [viewport.getCurrentImageId()] : viewport.getImageIds?.() ?? [];
  return ids.length > 0 && ids.every(id => id && quality(id) === FULL);
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
  const text = full ? '' : 'LOW RESOLUTION: loading';
  if (badge.textContent !== text) badge.textContent = text;
  badge.hidden = full;
}

function changed() {
  for (const engine of cs()?.getRenderingEngines?.() ?? []) engine.getViewports().forEach(mark);
  window.dispatchEvent(new Event('platform-quality'));
}

function nextToFill(viewport) {
  const ids = viewport.getImageIds();
  const here = viewport.getCurrentImageIdIndex();
  for (let step = 0; step < ids.length; step += 1) {
    for (const index of step ? [here + step, here - step] : [here]) {
      const id = ids[index];
      if (id && !failed.has(id) && quality(id) !== FULL) return id;
    }
  }
  return undefined;
}

async function fill() {
  const viewport = activeViewport();
  if (!viewport || !isStack(viewport) || performance.now() - lastMove < PAUSE_MS || running >= AT_ONCE) return;
  const imageId = nextToFill(viewport);
  if (!imageId) return;
  running += 1;
  failed.add(imageId); // not twice at once; taken out again when it has come
  try {
    cs().cache.setPartialImage(imageId, undefined, true);
    await cs().imageLoader.loadAndCacheImage(imageId, {
      requestType: 'prefetch', priority: 5, preScale: { enabled: true },
      retrieveType: 'singleFinal', retrieveOptions: { streaming: false },
    });
    failed.delete(imageId);
  } catch (error) {
    console.warn('a full frame did not come', error?.status ?? ''); // stays low, and says so on the screen
  } finally {
    running -= 1;
    changed();
  }
}

export function watch(found) {
  services = found;
  const moved = () => { lastMove = performance.now(); changed(); };
  // Cornerstone's events do not bubble: the capture phase sees them
  document.addEventListener('CORNERSTONE_STACK_NEW_IMAGE', moved, true);
  document.addEventListener('CORNERSTONE_VOLUME_NEW_IMAGE', moved, true);
  document.addEventListener('CORNERSTONE_IMAGE_RENDERED', changed, true);
  setInterval(() => { for (let i = 0; i < AT_ONCE; i += 1) fill(); }, 150);
}

// Volume viewports have no option of their own in app-config.js, and OHIF's 'mpr' protocol brings a loading strategy
// that ignores any: without it the two stages (small pictures of all slices, then the full ones) are followed.
export function progressiveVolumes() {
  cs().utilities.imageRetrieveMetadataProvider.add('volume', window.config.platform.volume);
  const protocol = services.hangingProtocolService.getProtocolById('mpr');
  if (protocol) services.hangingProtocolService.addProtocol('mpr', { ...protocol, imageLoadStrategy: undefined });
}
