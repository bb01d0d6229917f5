import { parse } from "graphql";

const FILL = "Fill";

/**
 * Reads an example: a file of GraphQL that begins with comments.
 *
 *   # Its title
 *   # What it shows, in a line or two.
 *   # variables: {"roomId": "{{rooms.nodes[].id}}"}      JSON, over several lines where it is long
 *
 * An operation named `Fill` is not shown: it is run first, and finds what goes into the variables (see fill.js).
 */
export function readExample(path, text) {
  const comments = [];
  for (const line of text.split("\n")) {
    if (!line.startsWith("#")) break;
    comments.push(line.slice(1).trim());
  }
  const [head, variables = "{}"] = comments.join("\n").split(/^variables:/m);
  const [title, ...about] = head.trim().split("\n");
  const { definitions } = parse(text);
  const [fill = null] = definitions.filter(isFill);
  const shown = definitions.filter((definition) => !isFill(definition));
  const source = ({ loc }) => text.slice(loc.start, loc.end);
  return {
    path,
    group: groupOf(path),
    title,
    about: about.join(" "),
    operationName: shown[0].name.value,
    query: [...[title, ...about].map((line) => `# ${line}`), "", shown.map(source).join("\n\n"), ""].join("\n"),
    template: JSON.parse(variables),
    fill: fill && source(fill),
  };
}

const isFill = ({ name }) => name?.value === FILL;

/** `2-live/01-open.graphql` is in the group "Live". */
function groupOf(path) {
  const folder = path.split("/").at(-2).replace(/^\d+-/, "").replaceAll("-", " ");
  return folder[0].toUpperCase() + folder.slice(1);
}
