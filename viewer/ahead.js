// Runs with app-config.js, after sign_in.js, on the page that sign-in comes back to. OHIF asks for its parts in a row, each
// when the one before has started, and the line is idle meanwhile. Here they are asked for while the main bundle starts,
// and the code of the sign-in is exchanged before OHIF is there to do it (RFC 6749 section 4.1.3).
(() => {
  const [{ client_id, metadata, redirect_uri }] = window.config.oidc;
  const { pathname, search } = window.location;
  if (pathname !== redirect_uri) return;

  const kinds = { css: 'style', js: 'script', wasm: 'fetch', woff2: 'font' };
  function fetchAhead(path, priority) {
    const kind = kinds[path.split('.').pop()];
    const link = document.createElement('link');
    link.rel = path.startsWith('/platform/') && kind === 'script' ? 'modulepreload' : 'preload';
    if (link.rel === 'preload') link.as = kind;
    if (['fetch', 'font'].includes(kind)) link.crossOrigin = 'anonymous'; // as they are asked for then
    link.fetchPriority = priority;
    link.href = path;
    document.head.append(link);
    return link;
  }
  // They may not hold up the main bundle, and once that starts nothing can be asked for. It is some ten times as large as
  // the first of them: what that one took, of half the line or (HTTP/2) before the bundle, tells when to ask for the rest.
  const REST_OF_BUNDLE = 3;
  const [first, ...others] = window.config.platform.ahead;
  const gauge = fetchAhead(first, 'auto');
  gauge.onload = () => {
    const [timing] = performance.getEntriesByName(gauge.href);
    const took = timing ? timing.responseEnd - timing.responseStart : 0;
    setTimeout(() => others.forEach(path => fetchAhead(path, 'low')), REST_OF_BUNDLE * took);
  };

  const asked = new URLSearchParams(search);
  const code = asked.get('code');
  const kept = JSON.parse(localStorage.getItem(`oidc.${asked.get('state')}`));
  if (!code || kept?.client_id !== client_id) return; // no sign-in that this browser began
  const { code_verifier, redirect_uri: back } = kept;
  const ask = window.fetch.bind(window);
  let answer = ask(metadata.token_endpoint, {
    method: 'POST',
    headers: { Accept: 'application/json', 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'authorization_code', client_id, code, code_verifier, redirect_uri: back }),
  });
  answer.catch(() => {}); // OHIF is told when it asks
  window.fetch = (address, options) => {
    const mine = address === metadata.token_endpoint && new URLSearchParams(options?.body).get('code') === code && answer;
    if (!mine) return ask(address, options);
    answer = undefined; // an answer is read once
    return mine;
  };
})();
