import { createClient } from "graphql-ws";
import { bearer, SignInEnded } from "./sign-in.js";
import { resuming } from "./resume.js";

const FORBIDDEN = 4403; // the token has expired, or its sign-in has ended
const LONGEST_WAIT = 5_000;

/** Subscriptions, over one socket that belongs to who is signed in. It is opened with the first of them. */
export class Live {
  #endpoint;
  #signIn;
  #client;
  #who;
  #running = 0;
  #cut = false;
  #listeners = new Set();

  constructor(endpoint, signIn) {
    this.#endpoint = Object.assign(new URL(endpoint), { protocol: endpoint.protocol.replace("http", "ws") });
    this.#signIn = signIn;
    this.#who = signIn.shown.id;
    this.#client = this.#connect();
    signIn.subscribe(() => this.#changeWho());
  }

  /** Whether it is trying to get the socket back. */
  get cut() {
    return this.#cut;
  }

  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Gives what ends it. The observer's `error` gets what can be shown. */
  run(request, document, observer) {
    const { payload, shown } = resuming(request, document);
    const ended = (tell) => {
      this.#running -= 1;
      if (this.#running === 0) this.#show(false);
      tell();
    };
    this.#running += 1;
    return this.#client.subscribe(payload, {
      next(result) {
        shown(result);
        observer.next(result);
      },
      error: (fault) => ended(() => observer.error(readable(fault))),
      complete: () => ended(() => observer.complete()),
    });
  }

  #connect() {
    const who = this.#who;
    let token = null;
    let refused = null;
    const client = createClient({
      url: this.#endpoint.href,
      connectionParams: async () => {
        try {
          token = await this.#signIn.token(refused);
        } catch (fault) {
          if (fault instanceof SignInEnded) throw fault;
          // The server can't be asked just now, which counts as a cut. Thrown, it would close the socket with 4500, which
          // graphql-ws takes for final, also where that close comes late and meets the next attempt.
          client.terminate();
          return null;
        }
        // What one person asked for is never asked in the name of another.
        if (this.#who !== who) throw new SignInEnded();
        return bearer(token);
      },
      // For ever, since servers and networks come back, and people who have signed out don't.
      retryAttempts: Infinity,
      shouldRetry: (fault) => !(fault instanceof SignInEnded),
      retryWait: (retries) => wait(Math.min(LONGEST_WAIT, 200 * 2 ** retries) * (0.5 + Math.random() / 2)),
      on: {
        connected: () => this.#show(false),
        closed: (event) => {
          if (event.code === FORBIDDEN) refused = token;
          this.#show(this.#running > 0);
        },
      },
    });
    return client;
  }

  /**
   * What runs for one person ends when another signs in, or nobody. A sign-in that has ended by itself is left to fail:
   * then what ran shows why.
   */
  #changeWho() {
    const { id, notice } = this.#signIn.shown;
    if (id === this.#who) return;
    const before = this.#client;
    this.#who = id;
    this.#client = this.#connect();
    // A client that is only just connecting says by a rejection that it won't.
    if (notice === null) Promise.resolve(before.dispose()).catch(() => null);
  }

  #show(cut) {
    if (this.#cut === cut) return;
    this.#cut = cut;
    for (const listener of this.#listeners) listener();
  }
}

function readable(fault) {
  if (Array.isArray(fault)) return fault; // GraphQL's own
  if (fault instanceof Error) return { message: fault.message };
  return { message: `The connection was closed: ${fault.code ?? ""} ${fault.reason ?? ""}`.trim() };
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
