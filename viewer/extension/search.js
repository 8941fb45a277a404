// OHIF searches with names and numbers of patients in the URL, where logs on the way would keep them. DICOMweb lets a
// search be a POST as well (PS3.18 section 10.6 with 8.3.1.4): the very same keys travel in the body.
const SEARCH = /\/dicom-web\/studies$/;

export function searchByPost() {
  const { open, send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function moved(method, url, ...rest) {
    const target = new URL(url, window.location.href);
    if (method.toUpperCase() === 'GET' && SEARCH.test(target.pathname) && target.search) {
      this.platformSearch = target.searchParams.toString();
      return open.call(this, 'POST', target.pathname, ...rest);
    }
    return open.call(this, method, url, ...rest);
  };
  XMLHttpRequest.prototype.send = function moved(body) {
    if (this.platformSearch === undefined) return send.call(this, body);
    this.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
    return send.call(this, this.platformSearch);
  };
}
