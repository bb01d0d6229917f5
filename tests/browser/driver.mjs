// What the browser's tests share: a browser that notes all that must not happen, the explorer's parts, and people who
// use the API without a browser.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { after, before } from "node:test";
import { chromium } from "playwright-core";

export const PARLEY = process.env.PARLEY;
const ROOT = ["--no-sandbox"]; // Chromium's sandbox is not there for root, nor in most containers
const SIZE = { width: 1280, height: 800 };

let browser;

export const launched = (...more) =>
  chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--disable-dev-shm-usage", ...(process.getuid() === 0 ? ROOT : []), ...more],
  });

before(async () => {
  browser = await launched();
});

after(() => browser?.close());

/** A window with nothing stored; `use` gets its explorer. Fails where the console, a policy or a host complained. */
export function inWindow(use, { address = PARLEY, ...options } = {}) {
  return inContext(async (context) => use(await Explorer.open(context, address)), { address, ...options });
}

/** The same for a window that has nothing open yet. `expected`: what the console may say all the same. */
export async function inContext(use, { address = PARLEY, expected, ...options } = {}) {
  const context = await browser.newContext({ viewport: SIZE, ...options });
  const faults = [];
  try {
    await context.exposeBinding("refusedByPolicy", (_, what) => faults.push(`policy: ${what}`));
    await context.addInitScript(() =>
      addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
        globalThis.refusedByPolicy(`${violatedDirective} ${blockedURI}`),
      ),
    );
    context.on("console", (message) => {
      const fault = ["error", "warning"].includes(message.type()) && !expected?.test(message.text());
      if (fault) faults.push(`console: ${message.text()}`);
    });
    context.on("weberror", (error) => faults.push(`exception: ${error.error()}`));
    context.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (origin !== address && !["data:", "blob:"].includes(protocol)) faults.push(`request to ${request.url()}`);
    });
    await use(context);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
}

export class Explorer {
  /** What went over its sockets, newest last: {sent, received} of parsed frames. */
  frames = { sent: [], received: [] };
  #heard = new EventEmitter();

  static async open(context, address) {
    const explorer = new Explorer();
    explorer.address = address;
    explorer.page = await context.newPage();
    explorer.page.on("websocket", (socket) => {
      assert.ok(socket.url().startsWith(address.replace("http", "ws")), socket.url());
      socket.on("framesent", ({ payload }) => explorer.#note("sent", payload));
      socket.on("framereceived", ({ payload }) => explorer.#note("received", payload));
    });
    await explorer.page.goto(`${address}/graphql`);
    await explorer.ready();
    return explorer;
  }

  async ready() {
    await this.page.locator(".graphiql-query-editor .view-line").first().waitFor();
  }

  button(name) {
    return this.page.getByRole("button", { name, exact: typeof name === "string" });
  }

  async signInAs(name) {
    await this.button(`Sign in as ${name}`).click();
    await this.page.locator(".who strong").getByText(name).waitFor();
  }

  async openExample(title) {
    await this.page.locator(".examples").getByRole("button", { name: title, exact: true }).click();
    await this.until("operation.graphql", `# ${title}\n`);
  }

  /** Waits for a frame of this type. */
  async frame(way, type) {
    while (!this.frames[way].some((frame) => frame.type === type)) await once(this.#heard, "frame");
  }

  #note(way, payload) {
    this.frames[way].push(JSON.parse(payload));
    this.#heard.emit("frame");
  }

  token() {
    return this.page.evaluate(() => JSON.parse(sessionStorage.getItem("parley:sign-in")).accessToken);
  }

  /** Another document, in place of what is in the editor. */
  async write(document) {
    await this.#put("operation.graphql", document);
    await this.page.locator(".graphiql-query-editor .monaco-editor").click();
    await this.page.keyboard.press("Control+End");
  }

  async setVariables(variables) {
    await this.#put("variables.json", JSON.stringify(variables));
  }

  async #put(editor, text) {
    await this.page.evaluate(
      ({ editor, text }) =>
        globalThis.__MONACO.editor
          .getModels()
          .find(({ uri }) => uri.path.endsWith(editor))
          .setValue(text),
      { editor, text },
    );
  }

  async chooseTheme(name) {
    await this.button("Open settings dialog").click();
    await this.button(name).click();
    await this.page.keyboard.press("Escape");
  }

  async run() {
    await this.button(/^Execute query/).click();
  }

  /** Runs it, and gives the answer. */
  async answer() {
    await this.run();
    return JSON.parse(await this.until("response.json"));
  }

  /** Waits until the text of an editor has all of these in it (none: until it has a text), and gives the text. */
  async until(editor, ...parts) {
    const found = await this.page.waitForFunction(
      ({ editor, parts }) => {
        const models = globalThis.__MONACO?.editor.getModels() ?? [];
        const text = models.find(({ uri }) => uri.path.endsWith(editor))?.getValue();
        return text && parts.every((part) => text.includes(part)) ? { text } : null;
      },
      { editor, parts },
    );
    return (await found.jsonValue()).text;
  }
}

/** Somebody at another machine, who uses the API by HTTP. */
export class Colleague {
  static async signIn(email, password = "parley-demo") {
    const colleague = new Colleague();
    const input = { email, password };
    const query = "mutation ($input: SignInInput!) { signIn(input: $input) { session { accessToken } } }";
    colleague.token = (await colleague.ask(query, { input })).signIn.session.accessToken;
    return colleague;
  }

  static with(token) {
    return Object.assign(new Colleague(), { token });
  }

  async ask(query, variables) {
    const headers = { "content-type": "application/json" };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    const body = JSON.stringify({ query, variables });
    const { data, errors } = await (await fetch(`${PARLEY}/graphql`, { method: "POST", headers, body })).json();
    assert.equal(errors, undefined);
    return data;
  }

  async send(roomId, body) {
    const query = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { userErrors { message } } }";
    const { sendMessage } = await this.ask(query, { input: { roomId, body } });
    assert.deepEqual(sendMessage.userErrors, []);
  }
}
