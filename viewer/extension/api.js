// Calls of the radiologist API, which takes the ID token (it names the groups); images take the access token.
let services;

export const use = found => { services = found; };

async function call(method, path, body) {
  const user = services.userAuthenticationService.getUser();
  const answer = await fetch(`${window.config.platform.api}${path}`, {
    method,
    headers: { Authorization: `Bearer ${user?.id_token}`, ...(body ? { 'Content-Type': 'application/json' } : {}) },
    body: body && JSON.stringify(body),
  });
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(content.title || `HTTP ${answer.status}`), { status: answer.status, code: content.code });
  return content;
}

// The UID goes in a body: a URL would leave it in logs and in the history.
export const findStudy = uid => call('POST', '/studies/lookup', { study_instance_uid: uid });
export const labels = key => call('GET', `/studies/${key}/labels`);
export const verify = (key, label) => call('POST', `/studies/${key}/labels`, label);
