/**
 * Puts what an example's `Fill` found into its variables. `{{rooms.nodes[].id}}` is a path into the answer, where
 *
 *   nodes[]      is the first of a list from which the rest of the path leads to something
 *   nodes[flag]  the first of those whose `flag` holds
 *   nodes[-flag] the last of them
 *
 * Gives the variables, and which paths led nowhere; there the variable is null.
 */
export function fill(template, data) {
  const missing = new Set();

  function lookUp(path) {
    const found = follow(data, path.trim().split("."));
    if (found === null) missing.add(path.trim());
    return found;
  }

  function filled(value) {
    if (Array.isArray(value)) return value.map(filled);
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, filled(inner)]));
    }
    if (typeof value !== "string") return value;
    const whole = /^\{\{([^{}]+)\}\}$/.exec(value);
    return whole ? lookUp(whole[1]) : value.replace(/\{\{([^{}]+)\}\}/g, (_, path) => lookUp(path) ?? "");
  }

  return { variables: filled(template), missing: [...missing] };
}

function follow(value, [step, ...rest]) {
  if (value === null || value === undefined) return null;
  if (step === undefined) return value;
  const [, name, list, end, flag] = /^(\w+)(\[(-?)(\w*)\])?$/.exec(step);
  if (list === undefined) return follow(value[name], rest);
  const items = end ? [...(value[name] ?? [])].reverse() : (value[name] ?? []);
  for (const item of items) {
    const found = flag && !item?.[flag] ? null : follow(item, rest);
    if (found !== null) return found;
  }
  return null;
}
