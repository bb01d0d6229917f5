import { readExample } from "./example-file.js";

const files = import.meta.glob("../examples/*/*.graphql", { query: "?raw", import: "default", eager: true });

/** By group, in the order of their folders and names. */
export const groups = new Map();

for (const path of Object.keys(files).sort()) {
  const example = readExample(path, files[path]);
  groups.set(example.group, [...(groups.get(example.group) ?? []), example]);
}
