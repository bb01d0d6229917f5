import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { SignIn, SignInEnded } from "../src/sign-in.js";

const MINUTE = 60_000;
// The server's clock is an hour behind this machine's.
const serverNow = () => new Date(Date.now() - 60 * MINUTE);

let storage;
let asked;
let answers;
let count;

beforeEach(() => {
  storage = new Map();
  storage.getItem = (key) => storage.get(key) ?? null;
  storage.setItem = (key, value) => storage.set(key, value);
  storage.removeItem = (key) => storage.delete(key);
  asked = [];
  count = 0;
  answers = {
    signIn: () => ({ session: session(15 * MINUTE), viewer: { user: { name: "Ada", kind: "INTERNAL" } } }),
    refreshSession: () => ({ session: session(15 * MINUTE) }),
    signOut: () => ({}),
  };
  mock.restoreAll();
  mock.timers.reset();
  mock.method(globalThis, "fetch", async (_, { body, headers }) => {
    const { query, variables } = JSON.parse(body);
    const [, field] = /\{\s*(\w+)/.exec(query);
    asked.push({ field, input: variables?.input, authorization: headers.authorization });
    const answer = answers[field]();
    const result = answer.errors ? answer : { data: { [field]: { userErrors: [], ...answer } } };
    return new Response(JSON.stringify(result), { headers: { date: serverNow().toUTCString() } });
  });
});

function session(lifetime) {
  count += 1;
  const expiresAt = new Date(serverNow().getTime() + lifetime).toISOString();
  return { accessToken: `access-${count}`, refreshToken: `refresh-${count}`, expiresAt };
}

async function signedIn() {
  const signIn = new SignIn("http://parley.test/graphql", storage);
  await signIn.withPassword("ada@firm.test", "secret");
  return signIn;
}

const fields = () => asked.map(({ field }) => field);

test("a token that is good is used as it is, whatever this machine's clock says", async () => {
  const signIn = await signedIn();
  assert.equal(await signIn.token(), "access-1");
  assert.deepEqual(fields(), ["signIn"]);
});

test("a token that is about to expire is renewed, once for all who ask", async () => {
  const signIn = await signedIn();
  mock.timers.enable({ apis: ["Date"], now: Date.now() + 14 * MINUTE });
  assert.equal(await signIn.token(), "access-1");
  mock.timers.tick(0.6 * MINUTE);
  assert.deepEqual(await Promise.all([signIn.token(), signIn.token(), signIn.token()]), Array(3).fill("access-2"));
  assert.deepEqual(fields(), ["signIn", "refreshSession"]);
  assert.deepEqual(asked[1].input, { refreshToken: "refresh-1" });
});

test("a token that was refused is renewed; one that has been replaced meanwhile is not renewed again", async () => {
  const signIn = await signedIn();
  assert.equal(await signIn.token("access-1"), "access-2");
  assert.equal(await signIn.token("access-1"), "access-2");
  assert.deepEqual(fields(), ["signIn", "refreshSession"]);
});

test("renewing is not a change of who is signed in", async () => {
  const signIn = await signedIn();
  const listener = mock.fn();
  signIn.subscribe(listener);
  await signIn.token("access-1");
  assert.equal(listener.mock.callCount(), 0);
});

test("a sign-in that has ended is over, and is said to be", async () => {
  const signIn = await signedIn();
  answers.refreshSession = () => ({ session: null, userErrors: [{ message: "No." }] });
  await assert.rejects(signIn.token("access-1"), SignInEnded);
  assert.equal(signIn.shown.person, null);
  assert.match(signIn.shown.notice, /ended/);
  assert.equal(await signIn.token(), null);
});

test("a fault of the server's ends no sign-in", async () => {
  const signIn = await signedIn();
  answers.refreshSession = () => ({ errors: [{ message: "Internal server error" }] });
  await assert.rejects(signIn.token("access-1"), (fault) => !(fault instanceof SignInEnded) && /Internal/.test(fault));
  assert.equal(signIn.shown.person.name, "Ada");
});

test("nor does being told to come again later", async () => {
  const signIn = await signedIn();
  const message = "Too many attempts: try again in 3 seconds.";
  answers.refreshSession = () => ({ session: null, userErrors: [{ code: "RATE_LIMITED", message }] });
  await assert.rejects(signIn.token("access-1"), (fault) => !(fault instanceof SignInEnded) && /3 seconds/.test(fault));
  assert.equal(signIn.shown.person.name, "Ada");
});

test("a reload finds the sign-in again", async () => {
  await signedIn();
  const reloaded = new SignIn("http://parley.test/graphql", storage);
  assert.equal(reloaded.shown.person.name, "Ada");
  assert.equal(await reloaded.token(), "access-1");
});

test("signing out tells the server, and leaves nothing behind", async () => {
  const signIn = await signedIn();
  await signIn.out();
  assert.equal(asked.at(-1).authorization, "Bearer access-1");
  assert.equal(storage.size, 0);
  assert.equal(await signIn.token(), null);
});

test("a wrong password is an error to show", async () => {
  answers.signIn = () => ({ session: null, viewer: null, userErrors: [{ message: "Not right." }] });
  await assert.rejects(signedIn(), /Not right/);
});
