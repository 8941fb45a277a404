// In every page that the bench opens: at each animation frame a look at the pixels on the canvas, 64 x 64 of them as
// samples of the whole picture. Which slice they are, and how good, says the viewport; that they are on the canvas, they say.
(() => {
  const SIDE = 64, PICTURE_LEVELS = 40, FULL = 8; // grey levels that no empty canvas has; ImageQualityStatus.FULL_RESOLUTION
  const small = Object.assign(document.createElement('canvas'), { width: SIDE, height: SIDE });
  const context = small.getContext('2d');
  context.imageSmoothingEnabled = false; // samples, no averages
  const now = () => performance.timeOrigin + performance.now();
  const viewport = () => window.cornerstone?.getRenderingEngines?.()[0]?.getViewports()[0];
  const canvas = () => { const found = document.querySelector('.cornerstone-canvas'); return found?.width ? found : null; };

  function digest(data) {
    const levels = new Set();
    let hash = 2166136261;
    for (let i = 0; i < data.length; i += 4) {
      levels.add(data[i]);
      hash = Math.imul(hash ^ data[i], 16777619) >>> 0;
    }
    return { hash, levels: levels.size };
  }

  // The image that was given to the canvas last; of a quality, if it is the one that was asked for.
  function shown() {
    const seen = viewport();
    const image = seen?.getCornerstoneImage?.();
    if (!image) return null;
    const right = image.imageId === seen.getCurrentImageId();
    return { id: image.imageId, index: seen.getCurrentImageIdIndex(), quality: right ? image.imageQualityStatus ?? 0 : 0 };
  }

  function look() {
    const source = canvas();
    if (!source) return null;
    const began = performance.now();
    context.clearRect(0, 0, SIDE, SIDE);
    context.drawImage(source, 0, 0, SIDE, SIDE);
    const seen = digest(context.getImageData(0, 0, SIDE, SIDE).data);
    bench.costs.push(performance.now() - began);
    return { ...seen, ...shown() };
  }

  const bench = window.bench = {
    begin() {
      Object.assign(bench, { costs: [], before: look()?.hash, low: undefined, first: undefined, full: undefined, slices: new Set(), start: now(), on: true });
    },
    // Outside of any timing: all pixels, then all pixels once more after drawing the viewport's image anew.
    async check() {
      const source = canvas();
      const all = () => digest(source.getContext('2d').getImageData(0, 0, source.width, source.height).data).hash;
      const frame = () => new Promise(requestAnimationFrame);
      const before = all();
      viewport().render();
      await frame();
      await frame();
      await frame();
      return { same: before === all(), ...shown() };
    },
  };
  bench.begin();
  requestAnimationFrame(function frame() {
    requestAnimationFrame(frame);
    if (!bench.on) return;
    const seen = look();
    if (!seen?.id || seen.levels <= PICTURE_LEVELS || seen.hash === bench.before) return;
    if (seen.hash !== bench.last) bench.slices.add(seen.id); // while scrolling, also one that was passed already
    bench.last = seen.hash;
    if (!seen.quality) return;
    bench.first ??= now();
    if (seen.quality < FULL) bench.low = seen.hash;
    else if (seen.hash !== bench.low) bench.full ??= now();
    bench.on = bench.scrolling || !bench.full;
  });
})();
