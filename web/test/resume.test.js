import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "graphql";
import { isSubscription, resuming } from "../src/resume.js";

const WITH = "subscription Live($after: String) { messageAdded(roomId: 1, after: $after) { cursor } }";
const WITHOUT = "subscription Live { messageAdded(roomId: 1) { cursor } }";

test("the cursor that was shown last goes into the payload that is sent again", () => {
  const { payload, shown } = resuming({ query: WITH, variables: { after: "first" } }, parse(WITH));
  assert.equal(payload.variables.after, "first");
  shown({ data: { messageAdded: { cursor: "second" } } });
  shown({ data: { renamed: { cursor: "third" } } });
  assert.equal(payload.variables.after, "third");
});

test("what was asked for stays as it was", () => {
  const asked = { query: WITH, variables: { after: "first" } };
  resuming(asked, parse(WITH)).shown({ data: { messageAdded: { cursor: "second" } } });
  assert.equal(asked.variables.after, "first");
});

test("a document without $after is sent as it is", () => {
  const asked = { query: WITHOUT };
  const { payload, shown } = resuming(asked, parse(WITHOUT));
  shown({ data: { messageAdded: { cursor: "second" } } });
  assert.equal(payload, asked);
  assert.equal(asked.variables, undefined);
});

test("an event without a cursor, or without data, changes nothing", () => {
  const { payload, shown } = resuming({ query: WITH, variables: { after: "first" } }, parse(WITH));
  shown({ data: { messageAdded: { message: { id: 1 } } } });
  shown({ errors: [{ message: "No." }], data: null });
  assert.equal(payload.variables.after, "first");
});

test("of several operations the named one says what it is", () => {
  const document = parse(`query Other { viewer { id } } ${WITH}`);
  assert.equal(isSubscription(document, "Live"), true);
  assert.equal(isSubscription(document, "Other"), false);
  assert.equal(isSubscription(document, undefined), false);
});
