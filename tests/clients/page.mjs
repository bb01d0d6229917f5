// A page of the origin given, in as much of a browser as CORS needs (https://fetch.spec.whatwg.org/#http-cors-protocol):
// asks permission first, sends the query only when it has it, and reads the answer only when the server lets it.
// Prints what the page has come to see, as JSON.
const [, , url, origin, token] = process.argv;
const body = JSON.stringify({ query: '{ hello }' });
const wanted = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };

const allows = (response) => response.headers.get('access-control-allow-origin') === origin;
const words = (text) => (text ?? '').toLowerCase().split(',').map((word) => word.trim());

async function page() {
  const preflight = await fetch(url, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': Object.keys(wanted).sort().join(','),
    },
  });
  const headers = words(preflight.headers.get('access-control-allow-headers'));
  const methods = words(preflight.headers.get('access-control-allow-methods'));
  const granted =
    preflight.ok &&
    allows(preflight) &&
    methods.includes('post') &&
    Object.keys(wanted).every((header) => headers.includes(header));
  if (!granted) return { blocked: 'preflight' };
  const response = await fetch(url, { method: 'POST', headers: { origin, ...wanted }, body });
  if (!allows(response)) return { blocked: 'response' };
  return { status: response.status, vary: response.headers.get('vary'), answer: await response.json() };
}

console.log(JSON.stringify(await page()));
