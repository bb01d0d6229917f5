import { useRef, useState, useSyncExternalStore } from "react";
import { config } from "./config.js";

/** The line above GraphiQL: who is signed in, and as whom one may. */
export function SignInBar({ signIn, live }) {
  const { person, notice } = useSyncExternalStore(
    (listener) => signIn.subscribe(listener),
    () => signIn.shown,
  );
  const cut = useSyncExternalStore(
    (listener) => live.subscribe(listener),
    () => live.cut,
  );
  const [fault, setFault] = useState(null);
  const dialog = useRef(null);

  async function attempt(action) {
    setFault(null);
    try {
      await action();
      dialog.current.close();
    } catch (error) {
      setFault(error.message);
    }
  }

  return (
    <header className="bar">
      <a className="name" href="./">
        Parley
      </a>
      <p role="status" className="who">
        {person ? (
          <>
            <strong>{person.name}</strong> <span>{kindOf(person)}</span>
          </>
        ) : (
          (notice ?? "Nobody is signed in.")
        )}
      </p>
      <nav aria-label="Sign in">
        {config.people.map((each) => (
          <button
            type="button"
            key={each.email}
            title={`${each.email}, ${each.about}`}
            aria-label={`Sign in as ${each.name}`}
            aria-pressed={person?.email === each.email}
            onClick={() => attempt(() => signIn.withPassword(each.email, each.password))}
          >
            {each.name}
          </button>
        ))}
        <button type="button" onClick={() => dialog.current.showModal()}>
          {config.people.length ? "Somebody else…" : "Sign in…"}
        </button>
        {person && (
          <button type="button" onClick={() => attempt(() => signIn.out())}>
            Sign out
          </button>
        )}
      </nav>
      {cut && (
        <p role="status" className="cut">
          Live: connecting again…
        </p>
      )}
      {fault && (
        <p role="alert" className="fault">
          {fault}
        </p>
      )}
      {config.mailPage && (
        <a className="mail" href={config.mailPage}>
          Mail
        </a>
      )}
      <dialog ref={dialog} aria-label="Sign in" onClose={() => setFault(null)}>
        <SignInForms signIn={signIn} attempt={attempt} fault={fault} cancel={() => dialog.current.close()} />
      </dialog>
    </header>
  );
}

function SignInForms({ signIn, attempt, fault, cancel }) {
  function onPassword(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const { email, password, workspace } = Object.fromEntries(new FormData(form));
    attempt(async () => {
      await signIn.withPassword(email, password, workspace.trim());
      form.reset();
    });
  }

  function onToken(event) {
    event.preventDefault();
    const form = event.currentTarget;
    attempt(async () => {
      await signIn.withToken(new FormData(form).get("token"));
      form.reset();
    });
  }

  return (
    <>
      <form onSubmit={onPassword}>
        <h2>Sign in</h2>
        <label>
          Address
          <input name="email" type="email" autoComplete="username" required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete="current-password" required />
        </label>
        <label>
          Workspace <small>only where one address has accounts in several</small>
          <input name="workspace" autoComplete="organization" />
        </label>
        <button type="submit">Sign in</button>
      </form>
      <form onSubmit={onToken}>
        <h2>Or paste a token</h2>
        <label>
          Access token
          <textarea name="token" rows={3} spellCheck={false} required />
        </label>
        <button type="submit">Use this token</button>
      </form>
      {fault && (
        <p role="alert" className="fault">
          {fault}
        </p>
      )}
      <button type="button" onClick={cancel}>
        Cancel
      </button>
    </>
  );
}

function kindOf({ kind, email }) {
  return `${kind === "CLIENT" ? "client" : "internal"}${email ? `, ${email}` : ""}`;
}
