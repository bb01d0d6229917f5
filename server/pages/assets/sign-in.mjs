import { post } from "./http.mjs";

// So long before its end a token is renewed: longer than a request takes, and less than a short-lived one lives.
const MARGIN = 30_000;
const MOST_OF_A_LIFE = 0.25;
// Somebody stands before a form: what takes longer is as good as lost, and may be tried again.
const PATIENCE = 30_000;

const USER = "user { name kind email }";
const SESSION = "session { accessToken expiresAt refreshToken }";
const REFRESH = `mutation RefreshSession($input: RefreshSessionInput!) {
  refreshSession(input: $input) { ${SESSION} userErrors { code message } }
}`;
const WHO = `query WhoAmI { viewer { ${USER} } }`;
const OUT = "mutation SignOut { signOut { userErrors { message } } }";

/** There is nobody to speak for any more. Any other Error says only that it could not be found out just now. */
export class SignInEnded extends Error {
  constructor(message = "The sign-in has ended.") {
    super(message);
  }
}

/** A rule said no. `errors`: {code, message, field} of each. */
export class Refused extends Error {
  constructor(errors) {
    super(errors.map(({ message }) => message).join(" "));
    this.errors = errors;
  }
}

/**
 * Who is signed in, in this tab of the browser only: two tabs may be two people, and a refresh token, good once, has
 * one user. Kept in `storage`, so that a reload asks for nothing.
 */
export class SignIn {
  #endpoint;
  #storage;
  #listeners = new Set();
  #renewing = null;

  /** {id, person, accessToken, refreshToken, renewAt}, or null. Pasted tokens are never renewed: two are null. */
  #held = null;
  #shown = { person: null, id: null, notice: null };

  constructor(endpoint, storage) {
    this.#endpoint = endpoint;
    this.#storage = storage;
    this.#held = JSON.parse(storage.getItem(KEY) ?? "null");
    this.#show(null);
  }

  /** For React: the same object until something has changed. */
  get shown() {
    return this.#shown;
  }

  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** By any mutation that signs in. Throws Refused, or an Error that can be shown. */
  async by(name, input) {
    const { payload, date } = await mutate(this.#endpoint, name, input, `${SESSION} viewer { ${USER} }`);
    this.#hold({ id: newId(), person: payload.viewer.user, ...tokensOf(payload.session, date) });
  }

  withPassword(email, password, workspace) {
    return this.by("signIn", { email, password, ...(workspace ? { workspace } : {}) });
  }

  /** Throws an Error that can be shown. */
  async withToken(text) {
    const accessToken = text.trim().replace(/^bearer\s+/i, "");
    const { result } = await post(this.#endpoint, { query: WHO }, bearer(accessToken));
    if (!result.data?.viewer) throw new Error(messageOf(result) ?? "This token belongs to nobody.");
    this.#hold({ id: newId(), person: result.data.viewer.user, accessToken, refreshToken: null, renewAt: null });
  }

  async out() {
    const token = await this.token().catch(() => null);
    this.#hold(null);
    if (token) await post(this.#endpoint, { query: OUT }, bearer(token)).catch(() => null);
  }

  /** Without asking the server: for a copy of this sign-in that belongs to another tab. */
  forget(notice) {
    this.#hold(null, notice);
  }

  /**
   * A token that is good now, or null for nobody. `refused`: one that the server would not take; it is renewed, whatever
   * the clock says. Throws SignInEnded, or an Error where the server can't be asked.
   */
  async token(refused = null) {
    const held = this.#held;
    if (held === null) return null;
    const spent = held.renewAt !== null && Date.now() > held.renewAt;
    if (!spent && held.accessToken !== refused) return held.accessToken;
    // One at a time: the second would come with a refresh token that the first has spent.
    this.#renewing ??= this.#renew(held).finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #renew(held) {
    const ended = "The sign-in has ended. Sign in again.";
    if (!held.refreshToken) {
      this.#hold(null, ended);
      throw new SignInEnded(ended);
    }
    const { result, date } = await post(this.#endpoint, {
      query: REFRESH,
      variables: { input: { refreshToken: held.refreshToken } },
    });
    const session = result.data?.refreshSession?.session;
    // Somebody else has signed in meanwhile: theirs is what counts.
    if (this.#held?.id !== held.id) return this.token();
    if (session) {
      this.#hold({ ...held, ...tokensOf(session, date) });
      return session.accessToken;
    }
    if (!result.data?.refreshSession) throw new Error(messageOf(result) ?? "The sign-in could not be renewed.");
    // The token has not been looked at: it is as good as before.
    const limited = result.data.refreshSession.userErrors.find((error) => error.code === "RATE_LIMITED");
    if (limited) throw new Error(limited.message);
    this.#hold(null, ended);
    throw new SignInEnded(ended);
  }

  #hold(held, notice = null) {
    this.#held = held;
    if (held) this.#storage.setItem(KEY, JSON.stringify(held));
    else this.#storage.removeItem(KEY);
    this.#show(notice);
  }

  #show(notice) {
    const id = this.#held?.id ?? null;
    if (id !== null && id === this.#shown.id) return; // renewed: nobody else has come
    this.#shown = { person: this.#held?.person ?? null, id, notice };
    for (const listener of this.#listeners) listener();
  }
}

export const bearer = (token) => (token ? { authorization: `Bearer ${token}` } : {});

const KEY = "parley:sign-in";

/** `date` is the server's clock: its times are compared with its own, and never with this machine's. */
function tokensOf({ accessToken, refreshToken, expiresAt }, date) {
  const lifetime = Date.parse(expiresAt) - (Number.isNaN(date) ? Date.now() : date);
  const margin = Math.min(MARGIN, lifetime * MOST_OF_A_LIFE);
  return { accessToken, refreshToken, renewAt: Date.now() + lifetime - margin };
}

/** A mutation that needs no token. Throws Refused, or an Error that can be shown. */
export async function mutate(endpoint, name, input, selects = "") {
  const type = name[0].toUpperCase() + name.slice(1);
  const query = `mutation ${type}($input: ${type}Input!) {
    ${name}(input: $input) { ${selects} userErrors { code message field } }
  }`;
  const { result, date } = await post(endpoint, { query, variables: { input } }, {}, AbortSignal.timeout(PATIENCE));
  const payload = result.data?.[name];
  if (!payload) throw new Error(messageOf(result) ?? "The server gave no answer.");
  if (payload.userErrors.length) throw new Refused(payload.userErrors);
  return { payload, date };
}

function messageOf(result) {
  return result.errors?.map((error) => error.message).join(" ");
}

// Not crypto.randomUUID, which plain HTTP has only on this machine.
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
