import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { parse } from "graphql";
import { Live } from "../src/live.js";
import { SignInEnded } from "../src/sign-in.js";

const QUERY = "subscription Live { messageAdded(roomId: 1) { cursor } }";
const REFUSED = 4403;

/** A server that takes one token, and gives each subscription one event. */
class FakeSocket {
  static OPEN = 1;
  static good = "good";
  static opened = 0;
  static sent = [];
  readyState = 0;

  constructor() {
    FakeSocket.opened += 1;
    queueMicrotask(() => {
      this.readyState = FakeSocket.OPEN;
      this.onopen();
    });
  }

  send(text) {
    const { type, id, payload } = JSON.parse(text);
    FakeSocket.sent.push(type);
    queueMicrotask(() => {
      if (type === "connection_init") {
        if (payload.authorization === `Bearer ${FakeSocket.good}`) this.#say({ type: "connection_ack" });
        else this.close(REFUSED);
      }
      if (type === "subscribe") this.#say({ type: "next", id, payload: { data: {} } });
    });
  }

  #say(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  close(code, reason) {
    this.readyState = 2;
    queueMicrotask(() => this.onclose?.({ code, reason }));
  }
}

const before = globalThis.WebSocket;
beforeEach(() => {
  globalThis.WebSocket = FakeSocket;
  FakeSocket.opened = 0;
  FakeSocket.sent = [];
});
afterEach(() => (globalThis.WebSocket = before));

/** Answers in their order to who asks for a token, and what was asked. An Error is thrown. */
function signInThatGives(...answers) {
  const asked = [];
  return {
    asked,
    shown: { id: "cleo" },
    subscribe() {},
    async token(refused) {
      asked.push(refused);
      const answer = answers[asked.length - 1];
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

/** What comes first: {next}, {error} or {complete}. */
function first(signIn) {
  const live = new Live(new URL("http://parley.test/graphql"), signIn);
  let stop;
  const heard = new Promise((resolve) => {
    stop = live.run({ query: QUERY }, parse(QUERY), {
      next: (next) => resolve({ next }),
      error: (error) => resolve({ error }),
      complete: () => resolve({ complete: true }),
    });
  });
  return heard.finally(() => stop());
}

test("a token that can't be renewed just now is asked for again", async () => {
  const signIn = signInThatGives(new TypeError("fetch failed"), new Error("The server answered 502"), "good");
  assert.deepEqual(await first(signIn), { next: { data: {} } });
  assert.equal(FakeSocket.opened, 3);
  assert.deepEqual(FakeSocket.sent.slice(0, 2), ["connection_init", "subscribe"]);
});

test("a sign-in that has ended ends what runs, and says so", async () => {
  const signIn = signInThatGives(new SignInEnded(), "good");
  assert.deepEqual(await first(signIn), { error: { message: "The sign-in has ended." } });
  assert.equal(signIn.asked.length, 1);
});

test("a token that is refused is renewed, however often that fails", async () => {
  const signIn = signInThatGives("old", new TypeError("fetch failed"), "good");
  assert.deepEqual(await first(signIn), { next: { data: {} } });
  assert.deepEqual(signIn.asked, [null, "old", "old"]);
});
