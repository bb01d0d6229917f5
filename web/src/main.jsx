import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./style.css";

import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { createRoot } from "react-dom/client";
import { config, endpoint } from "./config.js";
import { examplesPlugin } from "./examples-pane.jsx";
import { makeFetcher } from "./fetcher.js";
import { Live } from "./live.js";
import { keepToOneTab } from "./own-tab.js";
import { SignIn } from "./sign-in.js";
import { SignInBar } from "./sign-in-bar.jsx";

const WELCOME = `# Welcome to Parley.
#
# Sign in above, open an example on the left, and run it with Ctrl-Enter.
# As you type, the editor suggests what the schema has.

query WhoAmI {
  viewer {
    user { name kind }
    unreadMessageCount
  }
}
`;

const signIn = new SignIn(endpoint, sessionStorage);
await keepToOneTab(signIn);
const live = new Live(endpoint, signIn);
const fetcher = makeFetcher(endpoint, signIn, live);
const examples = examplesPlugin(fetcher);
// Shown to who comes for the first time; afterwards what was left open.
const firstTime = localStorage.getItem("graphiql:visiblePlugin") === null;

createRoot(document.getElementById("explorer")).render(
  <>
    <SignInBar signIn={signIn} live={live} />
    <GraphiQL
      fetcher={fetcher}
      schema={config.introspection ? undefined : null}
      plugins={[examples, HISTORY_PLUGIN]}
      visiblePlugin={firstTime ? examples : undefined}
      defaultQuery={WELCOME}
      defaultEditorToolsVisibility="variables"
    >
      <GraphiQL.Logo>
        <span />
      </GraphiQL.Logo>
    </GraphiQL>
  </>,
);
