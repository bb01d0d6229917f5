// Forms of the pages that links in mails open. Nothing is sent before somebody presses a button: whatever opens links
// to look at them, with or without running scripts, spends none.
import { mutate, Refused, SignIn } from "./sign-in.mjs";

const LOST = "That did not get through. Nothing that you typed is lost: try again.";
const SHORT = "Use 8 characters or more.";
const MISSING = { email: "Enter your e-mail address.", password: "Enter a password." };

const endpoint = new URL("../../graphql", import.meta.url);
const signIn = new SignIn(endpoint, sessionStorage);
const main = document.querySelector("main");
/** The link's, kept here only: neither the address nor the history has it any more. */
let token = null;
let busy = false;

function start() {
  token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  const { person } = signIn.shown;
  if (token) show("token");
  else if (person && !location.pathname.endsWith("/reset")) welcome(person);
  else show("none");
}

function show(name) {
  let shown;
  for (const part of main.querySelectorAll("[data-part]")) {
    part.hidden = part.dataset.part !== name;
    if (!part.hidden) shown = part;
  }
  document.title = `${shown.querySelector("h1").textContent} · Parley`;
  return shown;
}

/** To another part, which is read out from its heading on. */
function go(name) {
  const part = show(name);
  part.querySelector("h1").focus();
  return part;
}

function welcome({ name, email }) {
  fill({ name, email });
  return show("in");
}

function fill(texts) {
  for (const [name, text] of Object.entries(texts)) main.querySelector(`[data-fill=${name}]`).textContent = text ?? "";
}

async function send(event) {
  event.preventDefault();
  if (busy) return;
  const form = event.currentTarget;
  const button = event.submitter ?? form.querySelector("[data-sends]");
  const { sends, takes, then } = button.dataset;
  const fields = takes.split(" ").flatMap((name) => form.elements[name] ?? []);
  const wrong = fields.filter(({ validity }) => !validity.valid);
  tell(form, wrong.map(({ name, validity }) => ({ message: validity.tooShort ? SHORT : MISSING[name], field: [name] })));
  if (wrong.length) return;
  // A password's spaces are its own.
  const given = fields.map(({ name, value }) => [name, name === "password" ? value : value.trim()]);
  const input = Object.fromEntries(given.filter(([, value]) => value));
  if (token) input.token = token;
  await meanwhile(button, async () => {
    try {
      if (then) {
        await mutate(endpoint, sends, input);
        fill({ asked: input.email });
        go(then);
      } else {
        await signIn.by(sends, input);
        token = null;
        form.reset();
        welcome(signIn.shown.person);
        go("in");
      }
    } catch (error) {
      const errors = error instanceof Refused ? error.errors : [{ message: LOST }];
      if (!errors.some(({ field }) => field?.includes("token"))) return tell(form, errors);
      token = null;
      say(go("none").querySelector(".notice"), errors);
    }
  });
}

/** Marks what is wrong, says it, and leads to the first of it. */
function tell(form, errors) {
  let first;
  for (const input of form.querySelectorAll("input")) {
    const own = errors.filter(({ field }) => field?.includes(input.name));
    input.setAttribute("aria-invalid", own.length > 0);
    form.querySelector(`#${input.id}-wrong`).textContent = own.map(({ message }) => message).join(" ");
    if (own.length) first ??= input;
  }
  say(form.querySelector(".summary"), errors);
  if (first?.closest("details")) first.closest("details").open = true;
  first?.focus();
}

function say(place, errors) {
  place.replaceChildren(
    ...errors.map(({ message }) => Object.assign(document.createElement("p"), { textContent: message })),
  );
}

/** Not `disabled`, which would take the focus away. */
async function meanwhile(button, action) {
  const text = button.textContent;
  busy = true;
  main.setAttribute("aria-busy", true);
  button.textContent = "One moment…";
  try {
    await action();
  } finally {
    button.textContent = text;
    main.removeAttribute("aria-busy");
    busy = false;
  }
}

const deeds = {
  show(button) {
    const input = document.getElementById(button.getAttribute("aria-controls"));
    const hidden = input.type === "password";
    input.type = hidden ? "text" : "password";
    button.textContent = hidden ? "Hide password" : "Show password";
  },
  back: () => go("none"),
  out: (button) => !busy && meanwhile(button, () => signIn.out().then(() => go("out"))),
};

for (const form of document.forms) form.addEventListener("submit", send);
for (const button of main.querySelectorAll("[data-does]")) {
  button.addEventListener("click", () => deeds[button.dataset.does](button));
}
// Another link, opened in the same tab.
addEventListener("hashchange", () => location.hash && start());
// A page that comes back as it was left would still hold what it was opened with.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
start();
