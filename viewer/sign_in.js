// Runs with app-config.js, before OHIF is there: a page without a signed-in person goes to the sign-in page at once,
// instead of loading and starting all of OHIF for that and again afterwards. It leaves what oidc-client-ts and OHIF leave
// themselves (code flow with PKCE, RFC 7636), so /callback is OHIF's own. If anything fails here, OHIF signs in as ever.
(async () => {
  const [{ authority, client_id, metadata, redirect_uri, scope }] = window.config.oidc;
  const { origin, pathname, search } = window.location;
  if ([redirect_uri, '/login', '/logout'].includes(pathname)) return;
  const random = bytes => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), byte => byte.toString(16).padStart(2, '0')).join('');
  const [state, code_verifier, back] = [random(16), random(48), new URL(redirect_uri, origin).href];
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(code_verifier));
  const code_challenge = btoa(String.fromCharCode(...new Uint8Array(digest))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  sessionStorage.setItem('ohif-redirect-to', JSON.stringify({ pathname, search }));
  localStorage.setItem(`oidc.${state}`, JSON.stringify({
    id: state, created: Math.floor(Date.now() / 1000), request_type: 'si:r', code_verifier, authority, client_id, redirect_uri: back, scope,
  }));
  const asked = { client_id, redirect_uri: back, response_type: 'code', scope, state, code_challenge, code_challenge_method: 'S256' };
  window.location.replace(`${metadata.authorization_endpoint}?${new URLSearchParams(asked)}`);
})().catch(() => {});
