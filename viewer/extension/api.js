// Calls of the radiologist API, which takes the ID token (it names the groups); images take the access token.
const LONGEST_MS = 35_000; // API Gateway itself gives up after 29 s
const PASSING = new Set([0, 401, 408, 425, 429]); // no answer at all, a token just being renewed, too busy: 5xx are too
let services;

export const use = found => { services = found; };

const user = () => services.userAuthenticationService.getUser();
export const person = () => user()?.profile?.sub ?? '';
export const isPassing = error => PASSING.has(error.status) || error.status >= 500;

// Away to the sign-in page if the session has ended; answers whether it has.
export function signInAgain() {
  if (!user()?.expired) return false;
  services.userAuthenticationService.handleUnauthenticated();
  return true;
}

async function call(method, path, body, options = {}) {
  const answer = await fetch(`${window.config.platform.api}${path}`, {
    method,
    headers: { Authorization: `Bearer ${user()?.id_token}`, ...(body ? { 'Content-Type': 'application/json' } : {}) },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(LONGEST_MS),
    ...options,
  }).catch(() => { throw Object.assign(new Error('the platform does not answer'), { status: 0 }); });
  const content = await answer.json().catch(() => undefined);
  if (answer.ok && content !== undefined) return content;
  // an answer that broke off says nothing about what was done: asked again, the API repeats it
  const status = answer.ok ? 0 : answer.status;
  throw Object.assign(new Error(content?.title || `HTTP ${answer.status}`), { status, code: content?.code });
}

// The UID goes in a body: a URL would leave it in logs and in the history.
export const findStudy = uid => call('POST', '/studies/lookup', { study_instance_uid: uid });
export const labels = key => call('GET', `/studies/${key}/labels`);
export const prediction = key => call('GET', `/studies/${key}/prediction`);
export const agreement = () => call('GET', '/agreement');
// goes out even if the page is left meanwhile
export const verify = (key, label) => call('POST', `/studies/${key}/labels`, label, { keepalive: true });
