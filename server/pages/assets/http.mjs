/** GraphQL over HTTP, and no more: the status and what was answered. Throws where that is no GraphQL answer. */
export async function post(endpoint, request, headers = {}, signal = undefined) {
  const response = await fetch(endpoint, {
    method: "POST",
    signal,
    headers: {
      // With GraphQL's own type a document that is not valid has the status 400, and browsers log that as an error.
      accept: "application/json",
      "content-type": "application/json",
      ...headers,
    },
    body: JSON.stringify(request),
  });
  const text = await response.text();
  let result;
  try {
    result = JSON.parse(text);
  } catch {
    throw new Error(`The server answered ${response.status} without JSON: ${text.slice(0, 200)}`);
  }
  return { status: response.status, date: Date.parse(response.headers.get("date") ?? ""), result };
}
