// The pages that links in mails open, as people and mail scanners meet them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer, request as forward } from "node:http";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { Colleague, inContext, launched, PARLEY } from "./driver.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PHONE = { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true };
const PASSWORD = "a long password";
const FORGED = "x".repeat(86);

let number = 0;
let ada;

/** Somebody new whom Ada has invited, and their link's token. */
async function invited(name = "Ines Ferrer") {
  ada ??= await Colleague.signIn("ada@firm.test");
  const email = `guest-${++number}@client.test`;
  const query = "mutation ($input: InviteTeammateInput!) { inviteTeammate(input: $input) { userErrors { message } } }";
  const { inviteTeammate } = await ada.ask(query, { input: { email, name } });
  assert.deepEqual(inviteTeammate.userErrors, []);
  return { email, name, token: await link("INVITATION", email) };
}

/** Somebody new with an account. */
async function member() {
  const { email, token } = await invited();
  const query = "mutation ($input: AcceptInvitationInput!) { acceptInvitation(input: $input) { userErrors { message } } }";
  const { acceptInvitation } = await new Colleague().ask(query, { input: { token, password: PASSWORD } });
  assert.deepEqual(acceptInvitation.userErrors, []);
  return email;
}

/** Answers line by line, see pages_links.py. */
const helper = spawn(process.env.PYTHON, ["-P", "-m", "tests.browser.pages_links"], {
  cwd: new URL("../..", import.meta.url),
  env: { ...process.env, PYTHONPATH: "." },
  stdio: ["pipe", "pipe", "inherit"],
});
const answers = createInterface({ input: helper.stdout })[Symbol.asyncIterator]();
after(() => helper.stdin.end());

/** Lets the time of somebody's links run out. */
async function expire(email) {
  helper.stdin.write(`${email}\n`);
  const { value, done } = await answers.next();
  assert.ok(!done, "the helper has ended");
  return value;
}

const PAGES = { INVITATION: "invitation", SIGN_IN: "sign-in", RESET: "reset" };
const read = new Set();

/** The token of a mail that has not been read yet, as the mail page has it. */
async function link(purpose, email) {
  const address = new RegExp(`${PARLEY}/${PAGES[purpose]}#token=([\\w-]+)`);
  for (;;) {
    const mails = await (await fetch(`${process.env.MAIL_PAGE}/messages`)).json();
    const mail = mails.find((each) => each.to === email && !read.has(each.id) && address.test(each.text));
    if (mail) {
      read.add(mail.id);
      assert.match(mail.html, address);
      return address.exec(mail.text)[1];
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function opened(context, path, address = PARLEY) {
  const page = await context.newPage();
  await page.goto(`${address}/${path}`);
  await page.getByRole("heading").waitFor();
  return page;
}

/** Notes what a window sends. */
function noted(context) {
  const sent = [];
  context.on("request", (request) => sent.push(request));
  return sent;
}

const posts = (sent) => sent.filter((request) => request.method() === "POST");
const button = (page, name) => page.getByRole("button", { name, exact: true });
const field = (page, name) => page.getByRole("textbox", { name });
const heading = (page, name) => page.getByRole("heading", { name, exact: true }).waitFor();
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);

async function accept(page, { name, password = PASSWORD } = {}) {
  if (name) await field(page, "Your name").fill(name);
  await field(page, "Choose a password").fill(password);
  await button(page, "Accept").click();
}

async function signIn(page, email, password) {
  await field(page, "E-mail address").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await button(page, "Sign in").click();
}

test("an invitation is accepted, and the explorer goes on with that sign-in", async () => {
  const { email, token } = await invited();
  await inContext(async (context) => {
    const page = await opened(context, `invitation#token=${token}`);
    await accept(page, { name: "Inés Ferrer" });
    await heading(page, "You are signed in");
    assert.equal(await page.getByText("as Inés Ferrer").textContent(), `as Inés Ferrer ${email}`);
    assert.equal(await focused(page), "You are signed in");
    await page.getByRole("link", { name: "Open the explorer" }).click();
    await page.getByRole("status").getByText("Inés Ferrer").waitFor();
    // Back, or by a reload, the page knows who is there, and what was opened is not open again.
    await page.goBack();
    await heading(page, "You are signed in");
    assert.equal(page.url(), `${PARLEY}/invitation`);
  });
});

test("the inviter's spelling of a name stays where none is given", async () => {
  const { name, token } = await invited("María José Núñez");
  await inContext(async (context) => {
    const page = await opened(context, `invitation#token=${token}`);
    await accept(page);
    await page.getByText(`as ${name}`).waitFor();
  });
});

test("looking at a link spends nothing: not by GET or HEAD, nor by running its scripts", async () => {
  const { token } = await invited();
  for (const method of ["GET", "HEAD"]) {
    for (const separator of ["#", "?"]) {
      assert.equal((await fetch(`${PARLEY}/invitation${separator}token=${token}`, { method })).status, 200);
    }
  }
  await inContext(async (context) => {
    const sent = noted(context);
    for (const path of ["invitation", "sign-in", "reset"]) {
      const page = await opened(context, `${path}#token=${token}`);
      await page.waitForLoadState("networkidle");
    }
    assert.deepEqual(posts(sent), []);
  });
  await inContext(async (context) => {
    const page = await opened(context, `invitation#token=${token}`);
    await accept(page);
    await heading(page, "You are signed in");
  });
});

test("a token goes nowhere but into one POST's body, and stays nowhere", async () => {
  const { token } = await invited();
  await inContext(async (context) => {
    const sent = noted(context);
    const page = await opened(context, `invitation#token=${token}`);
    assert.equal(page.url(), `${PARLEY}/invitation`);
    await accept(page);
    await heading(page, "You are signed in");
    const stored = await page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, history.state]));
    assert.ok(!stored.includes(token));
    assert.equal(await page.evaluate(() => document.documentElement.outerHTML.includes("token=")), false);
    await button(page, "Sign out").click();
    await page.getByRole("link", { name: "Sign in again" }).click();
    await heading(page, "Sign in");
    await page.goBack();
    await heading(page, "Open your invitation");
    await page.goForward();
    await page.goBack();
    await page.reload();
    await heading(page, "Open your invitation");
    assert.equal(page.url(), `${PARLEY}/invitation`);
    const told = [];
    for (const request of sent) {
      const headers = await request.allHeaders();
      assert.ok(!headers.referer);
      // The browser's own note of where it goes has the fragment; the request line has not.
      const { pathname, search } = new URL(request.url());
      assert.ok(![pathname + search, JSON.stringify(headers)].some((text) => text.includes(token)));
      if (request.postData()?.includes(token)) told.push(request.url());
    }
    assert.deepEqual(told, [`${PARLEY}/graphql`]);
  });
});

test("a link that is used, expired, replaced, cut short or forged is said to be, with the way on", async () => {
  const { email, token } = await invited();
  const fresh = () => inviteAgain(email);
  const refused = async (path, press, next) =>
    inContext(async (context) => {
      const page = await opened(context, path);
      await press(page);
      await heading(page, next);
      await page.getByRole("alert").filter({ hasText: /./ }).waitFor();
      const said = await page.getByRole("alert").filter({ hasText: /./ }).textContent();
      assert.equal(await focused(page), next);
      return said;
    });
  const second = await fresh();
  await refused(`invitation#token=${token}`, accept, "Open your invitation"); // replaced
  await refused(`invitation#token=${second.slice(0, -4)}`, accept, "Open your invitation");
  await refused(`invitation#token=${FORGED}`, accept, "Open your invitation");
  await refused(`invitation#token=${encodeURIComponent("<b>%")}`, accept, "Open your invitation");
  await expire(email);
  await refused(`invitation#token=${second}`, accept, "Open your invitation");
  const third = await fresh();
  await inContext(async (context) => {
    const page = await opened(context, `invitation#token=${third}`);
    await accept(page);
    await heading(page, "You are signed in");
  });
  await refused(`invitation#token=${third}`, accept, "Open your invitation"); // used
  // A link of another kind opens nothing, and the pages for signing in lead to another one.
  const press = (name) => async (page) => {
    if (name !== "Sign in") await field(page, "New password").fill(PASSWORD);
    await button(page, name).click();
  };
  await refused(`sign-in#token=${third}`, press("Sign in"), "Sign in");
  await refused(`reset#token=${third}`, press("Save and sign in"), "Forgot your password?");
});

async function inviteAgain(email) {
  const query = "mutation ($input: InviteTeammateInput!) { inviteTeammate(input: $input) { userErrors { message } } }";
  await ada.ask(query, { input: { email, name: "Ines Ferrer" } });
  return link("INVITATION", email);
}

test("one signs in by a link that one asks for, once, and signs out for good", async () => {
  const email = await member();
  await inContext(async (context) => {
    const page = await opened(context, "sign-in");
    await field(page, "E-mail address").fill(` ${email} `);
    await button(page, "Mail me a link instead").click();
    await heading(page, "Look into your mail");
    await page.getByText(email).waitFor();
    await button(page, "Back").click();
    assert.equal(await field(page, "E-mail address").inputValue(), ` ${email} `);
    // In the same tab: only the fragment is another one, and nothing is loaded.
    const token = await link("SIGN_IN", email);
    await page.goto(`${PARLEY}/sign-in#token=${token}`);
    await page.getByText("The link in your mail signs you in, once.").waitFor();
    assert.equal(page.url(), `${PARLEY}/sign-in`);
    await button(page, "Sign in").click();
    await heading(page, "You are signed in");
    const kept = await page.evaluate(() => JSON.parse(sessionStorage.getItem("parley:sign-in")));
    await Colleague.with(kept.accessToken).ask("{ viewer { user { name } } }");
    await button(page, "Sign out").click();
    await heading(page, "You are signed out");
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    await assert.rejects(Colleague.with(kept.accessToken).ask("{ viewer { user { name } } }"));
  });
});

test("an address that nobody has is answered like any other", () =>
  inContext(async (context) => {
    for (const [path, name] of [["sign-in", "Mail me a link instead"], ["reset", "Mail me a link"]]) {
      const page = await opened(context, path);
      await field(page, "E-mail address").fill("nobody@nowhere.test");
      await button(page, name).click();
      await heading(page, "Look into your mail");
    }
  }));

test("what is no address is said to be none, and no link is promised", () =>
  inContext(async (context) => {
    const sent = noted(context);
    for (const [path, name] of [["sign-in", "Mail me a link instead"], ["reset", "Mail me a link"]]) {
      const page = await opened(context, path);
      await field(page, "E-mail address").fill("nobody.nowhere.test");
      await button(page, name).click();
      await page.getByRole("alert").getByText("Enter your e-mail address.").waitFor();
      assert.equal(await focused(page), "email");
    }
    assert.deepEqual(posts(sent), []);
  }));

test("one signs in by password; a wrong one is said, and nothing typed is lost", async () => {
  const email = await member();
  await inContext(async (context) => {
    const page = await opened(context, "sign-in");
    await signIn(page, email, "wrong password");
    await page.getByRole("alert").filter({ hasText: /./ }).waitFor();
    assert.equal(await field(page, "E-mail address").inputValue(), email);
    await page.getByText("My address has accounts in several firms").click();
    await field(page, "The firm’s name").fill("Northwind Studio");
    await signIn(page, email, PASSWORD);
    await heading(page, "You are signed in");
    await page.reload();
    await heading(page, "You are signed in");
    // In another tab nobody is.
    await heading(await opened(context, "sign-in"), "Sign in");
  });
});

test("a forgotten password is replaced, and the old one opens nothing", async () => {
  const email = await member();
  await inContext(async (context) => {
    const page = await opened(context, "sign-in");
    await page.getByRole("link", { name: "Forgot your password?" }).click();
    await field(page, "E-mail address").fill(email);
    await button(page, "Mail me a link").click();
    await heading(page, "Look into your mail");
    const reset = await opened(context, `reset#token=${await link("RESET", email)}`);
    await field(reset, "New password").fill("short");
    await button(reset, "Save and sign in").click();
    await reset.locator("#password-wrong").getByText("Use 8 characters or more.").waitFor();
    assert.equal(await focused(reset), "password");
    await button(reset, "Show password").click();
    assert.equal(await reset.locator("#password").getAttribute("type"), "text");
    // Spaces are a password's own, also while it is shown.
    await field(reset, "New password").fill("  another password ");
    await button(reset, "Save and sign in").click();
    await heading(reset, "You are signed in");
    await Colleague.signIn(email, "  another password ");
    const other = await opened(context, "sign-in");
    await signIn(other, email, PASSWORD);
    await other.getByRole("alert").filter({ hasText: /./ }).waitFor();
    await signIn(other, email, "  another password ");
    await heading(other, "You are signed in");
  });
});

test("what a rule refuses stands at its field, and the link is good for the next try", async () => {
  const { token } = await invited();
  await inContext(async (context) => {
    const page = await opened(context, `invitation#token=${token}`);
    await button(page, "Accept").click();
    await page.locator("#password-wrong").getByText("Enter a password.").waitFor();
    await accept(page, { name: "x".repeat(300) });
    await page.locator("#name-wrong").filter({ hasText: /./ }).waitFor();
    assert.equal(await focused(page), "name");
    assert.equal(await page.locator("#name").getAttribute("aria-invalid"), "true");
    assert.equal(await page.locator("#password").getAttribute("aria-invalid"), "false");
    await accept(page, { name: "Ines" });
    await page.getByText("as Ines").waitFor();
  });
});

test("by keyboard alone", async () => {
  const { token } = await invited();
  await inContext(async (context) => {
    const page = await opened(context, `invitation#token=${token}`);
    const stops = [];
    for (let stop = 0; stop < 4; stop++) {
      await page.keyboard.press("Tab");
      stops.push(await focused(page));
      assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "solid");
      if (stops.at(-1) === "name") await page.keyboard.type("Ines");
      if (stops.at(-1) === "password") await page.keyboard.type(PASSWORD);
      if (stops.at(-1) === "Show password") await page.keyboard.press("Space");
    }
    assert.deepEqual(stops, ["name", "password", "Show password", "Accept"]);
    assert.equal(await page.locator("#password").getAttribute("type"), "text");
    await page.keyboard.press("Enter");
    await heading(page, "You are signed in");
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "Open the explorer");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await heading(page, "You are signed out");
  });
  const email = await member();
  await inContext(async (context) => {
    const page = await opened(context, "sign-in");
    await page.keyboard.press("Tab");
    await page.keyboard.type(email);
    await page.keyboard.press("Tab");
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press("Enter"); // signs in, and asks for no link
    await heading(page, "You are signed in");
  });
});

test("pressed twice, it is sent once", async () => {
  const { token } = await invited();
  await inContext(async (context) => {
    const sent = noted(context);
    const held = withResolvers();
    await context.route("**/graphql", async (route) => {
      await held.promise;
      await route.continue();
    });
    const page = await opened(context, `invitation#token=${token}`);
    await accept(page);
    await button(page, "One moment…").click();
    await page.locator("#password").press("Enter");
    await page.locator("main[aria-busy=true]").waitFor();
    held.resolve();
    await heading(page, "You are signed in");
    assert.equal(posts(sent).length, 1);
  });
});

function withResolvers() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}

test("without a connection nothing typed is lost, and the next try works", async () => {
  const { token } = await invited();
  await inContext(
    async (context) => {
      const page = await opened(context, `invitation#token=${token}`);
      await context.setOffline(true);
      await accept(page, { name: "Ines" });
      await page.getByText("That did not get through.").waitFor();
      assert.equal(await field(page, "Your name").inputValue(), "Ines");
      await context.setOffline(false);
      await button(page, "Accept").click();
      await page.getByText("as Ines").waitFor();
    },
    { expected: /ERR_INTERNET_DISCONNECTED/ },
  );
});

/** Everything that a page can show, for who looks at it: [what, page]. */
async function* sights(context) {
  for (const path of ["invitation", "sign-in", "reset"]) {
    const bare = await opened(context, path);
    yield [path, bare];
    const page = await opened(context, `${path}#token=${FORGED}`);
    yield [`${path} by a link`, page];
    if (path === "sign-in") await page.goto(`${PARLEY}/sign-in`);
    if (path === "sign-in") await page.reload();
    await page.locator("form:visible button[data-sends]").first().click();
    yield [`${path}, with what is wrong`, page];
    if (path === "invitation") continue;
    await bare.getByText("My address has accounts in several firms").click();
    yield [`${path} with everything open`, bare];
    await field(bare, "E-mail address").fill(`${"a".repeat(200)}@nowhere.test`);
    await bare.getByRole("button", { name: /^Mail me a link/ }).click();
    await heading(bare, "Look into your mail");
    yield [`${path}, sent`, bare];
  }
}

for (const colorScheme of ["light", "dark"]) {
  test(`it can be read by everybody, in ${colorScheme}, and on the smallest phone`, () =>
    inContext(
      async (context) => {
        for await (const [what, page] of sights(context)) {
          const width = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.equal(width, PHONE.viewport.width, `${what} scrolls sideways`);
          await page.evaluate(AXE);
          const { violations } = await page.evaluate(() => globalThis.axe.run());
          assert.deepEqual(
            violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`),
            [],
            what,
          );
        }
      },
      { ...PHONE, colorScheme },
    ));
}

test("behind a path of somebody's proxy it works the same", async () => {
  const { token } = await invited();
  const proxy = createServer((request, response) => {
    if (!request.url.startsWith("/chat/")) return response.writeHead(404).end();
    const options = { method: request.method, headers: request.headers };
    const onward = forward(PARLEY + request.url.slice("/chat".length), options, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  const address = process.env.PROXY;
  await new Promise((listening) => proxy.listen(new URL(address).port, "127.0.0.1", listening));
  try {
    await inContext(
      async (context) => {
        const page = await opened(context, `chat/invitation#token=${token}`, address);
        assert.equal(page.url(), `${address}/chat/invitation`);
        await accept(page);
        await heading(page, "You are signed in");
        await button(page, "Sign out").click();
        await page.getByRole("link", { name: "Sign in again" }).click();
        await page.getByRole("link", { name: "Forgot your password?" }).click();
        await heading(page, "Forgot your password?");
        assert.equal(page.url(), `${address}/chat/reset`);
      },
      { address },
    );
  } finally {
    proxy.closeAllConnections();
    await new Promise((closed) => proxy.close(closed));
  }
});

test("without scripts a page says that it needs them", async () => {
  const browser = await launched("--blink-settings=scriptEnabled=false");
  try {
    const page = await browser.newPage();
    for (const path of ["invitation", "sign-in", "reset"]) {
      await page.goto(`${PARLEY}/${path}`);
      await page.locator("noscript p").waitFor(); // which a locator by text passes over
      assert.equal(await page.getByText("One moment…").isVisible(), false);
    }
  } finally {
    await browser.close();
  }
});
