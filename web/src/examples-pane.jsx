import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useState } from "react";
import { config } from "./config.js";
import { groups } from "./examples.js";
import { fill } from "./fill.js";

/** A plugin of GraphiQL's: ready operations, whose variables are filled in with what the viewer has. */
export function examplesPlugin(fetcher) {
  return { title: "Examples", icon: Icon, content: () => <Pane fetcher={fetcher} /> };
}

function Pane({ fetcher }) {
  const { stop, addTab, updateActiveTabValues, setOperationName } = useGraphiQLActions();
  const { queryEditor, variableEditor } = useGraphiQL(({ queryEditor, variableEditor }) => ({
    queryEditor,
    variableEditor,
  }));
  const [note, setNote] = useState(null);

  async function open(example) {
    const { variables, note } = await prepared(example, fetcher);
    const text = Object.keys(variables).length ? JSON.stringify(variables, null, 2) : "";
    stop(); // a subscription of the tab that is left would go on into the new one
    addTab();
    queryEditor.setValue(example.query);
    variableEditor.setValue(text);
    updateActiveTabValues({ query: example.query, variables: text });
    // GraphiQL finds the name itself, but later; until then it would run the other tab's.
    setOperationName(example.operationName);
    setNote(note && { example, note });
  }

  return (
    <section className="examples" aria-label="Examples">
      <div className="graphiql-doc-explorer-title">Examples</div>
      {[...groups].map(([group, examples]) => (
        <section key={group}>
          <h3>{group}</h3>
          <ul>
            {examples.map((example) => (
              <li key={example.path}>
                <button type="button" disabled={!queryEditor} onClick={() => open(example)}>
                  {example.title}
                </button>
                {note?.example === example ? <p role="status">{note.note}</p> : <p>{example.about}</p>}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </section>
  );
}

async function prepared(example, fetcher) {
  const given = { key: crypto.getRandomValues(new Uint32Array(2)).join("-"), ...signInOf(config.people[0]) };
  let answer = { data: {} };
  if (example.fill) {
    try {
      answer = await fetcher({ query: example.fill, operationName: "Fill" });
    } catch (error) {
      answer = { errors: [error] };
    }
  }
  const { variables, missing } = fill(example.template, { ...answer.data, given });
  return { variables, note: missing.length ? whyMissing(answer) : null };
}

function whyMissing({ errors }) {
  if (!errors) return "You have nothing that fits: the variables are null.";
  const signedOut = errors.some((error) => error.extensions?.code === "UNAUTHENTICATED");
  return signedOut
    ? "Sign in, and open it again: then the variables are filled in."
    : `The variables could not be filled in: ${errors[0].message}`;
}

const signInOf = (person) => ({
  email: person?.email ?? "you@example.com",
  password: person?.password ?? "your password",
});

function Icon(props) {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinejoin="round" {...props}>
      <path d="M5 4h14v16H5z M9 8.5h6 M9 12h6 M9 15.5h3" strokeLinecap="round" />
    </svg>
  );
}
