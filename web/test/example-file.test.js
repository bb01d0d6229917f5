import assert from "node:assert/strict";
import { test } from "node:test";
import { readExample } from "../src/example-file.js";

const FILE = `# Rename a room
# For who
# manages it.
# variables: {
#   "name": "{{rooms.nodes[].name}}"
# }

query Fill {
  rooms { nodes { name } }
}

mutation Rename($name: String!) {
  rename(name: $name) { id } # inside
}

fragment Some on Room { id }
`;

test("an example is its title, what it shows, its variables, what fills them, and what is run", () => {
  assert.deepEqual(readExample("../examples/4-new-rooms/01-rename.graphql", FILE), {
    path: "../examples/4-new-rooms/01-rename.graphql",
    group: "New rooms",
    title: "Rename a room",
    about: "For who manages it.",
    operationName: "Rename",
    query: `# Rename a room
# For who
# manages it.

mutation Rename($name: String!) {
  rename(name: $name) { id } # inside
}

fragment Some on Room { id }
`,
    template: { name: "{{rooms.nodes[].name}}" },
    fill: "query Fill {\n  rooms { nodes { name } }\n}",
  });
});

test("an example without variables needs nothing but a title", () => {
  const { template, fill, about } = readExample("1-read/who.graphql", "# Who am I?\n\nquery Who { viewer { id } }\n");
  assert.deepEqual({ template, fill, about }, { template: {}, fill: null, about: "" });
});
