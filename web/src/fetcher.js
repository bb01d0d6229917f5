import { parse } from "graphql";
import { post } from "./http.js";
import { isSubscription } from "./resume.js";
import { bearer } from "./sign-in.js";

const UNAUTHORIZED = 401;

/** How GraphiQL runs an operation: by HTTP, or live where it is a subscription. */
export function makeFetcher(endpoint, signIn, live) {
  return (request, { headers } = {}) => {
    const document = parsed(request.query);
    if (document && isSubscription(document, request.operationName)) {
      return { subscribe: (observer) => ({ unsubscribe: live.run(request, document, observer) }) };
    }
    // GraphiQL shows all of an Error, and the places in our files say nothing to who reads it.
    return posted(endpoint, signIn, request, headers).catch(({ message }) => Promise.reject({ message }));
  };
}

async function posted(endpoint, signIn, request, headers) {
  const token = await signIn.token();
  const { status, result } = await post(endpoint, request, { ...bearer(token), ...headers });
  if (status !== UNAUTHORIZED || !token) return result;
  const renewed = await signIn.token(token);
  return (await post(endpoint, request, { ...bearer(renewed), ...headers })).result;
}

/** Null where the text is none of GraphQL: the server explains it better. */
function parsed(query) {
  try {
    return parse(query);
  } catch {
    return null;
  }
}
