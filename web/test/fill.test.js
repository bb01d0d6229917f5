import assert from "node:assert/strict";
import { test } from "node:test";
import { fill } from "../src/fill.js";

const data = {
  rooms: {
    nodes: [
      { id: "a", mine: false, messages: { nodes: [] } },
      { id: "b", mine: true, messages: { nodes: [{ id: "1", mine: true }, { id: "2", mine: true }, { id: "3" }] } },
    ],
  },
};

const filled = (value) => fill({ value }, data).variables.value;

test("a path leads through lists to the first that fits", () => {
  assert.equal(filled("{{rooms.nodes[].id}}"), "a");
  assert.equal(filled("{{rooms.nodes[mine].id}}"), "b");
  assert.equal(filled("{{rooms.nodes[-].id}}"), "b");
});

test("a list in which the rest leads nowhere is passed over", () => {
  assert.equal(filled("{{rooms.nodes[].messages.nodes[mine].id}}"), "1");
  assert.equal(filled("{{rooms.nodes[].messages.nodes[-mine].id}}"), "2");
});

test("what leads nowhere is null, and is named", () => {
  assert.deepEqual(fill({ a: "{{users.nodes[].id}}", b: 1 }, data), {
    variables: { a: null, b: 1 },
    missing: ["users.nodes[].id"],
  });
});

test("a path within a text is put into it, and what is no text stays as it is", () => {
  assert.deepEqual(filled({ text: "room {{rooms.nodes[].id}}!", list: ["{{rooms.nodes[].id}}"], none: null }), {
    text: "room a!",
    list: ["a"],
    none: null,
  });
});
