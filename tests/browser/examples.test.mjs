// Every example, as it is opened, gives an answer without a fault.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inWindow } from "./driver.mjs";

test("every example runs for one of the firm's own people", () =>
  inWindow(async (explorer) => {
    await explorer.signInAs("Ada");
    const titles = await explorer.page.locator(".examples li button").allInnerTexts();
    assert.ok(titles.length > 10);
    for (const title of titles) {
      await explorer.openExample(title);
      if ((await explorer.until("operation.graphql")).includes("\nsubscription ")) continue; // see live.test.mjs
      if (title === "Accept an invitation") await putIn(explorer, await invitationOf("ivy@client.test"));
      const { data, errors } = await explorer.answer();
      assert.equal(errors, undefined, title);
      for (const [field, value] of Object.entries(data)) {
        assert.notEqual(value, null, `${title}: ${field}`);
        assert.deepEqual(value.userErrors ?? [], [], title);
      }
    }
  }));

/** The token of the link that "Invite a client" has had mailed, as somebody copies it there. */
async function invitationOf(email) {
  for (;;) {
    const mails = await (await fetch(`${process.env.MAIL_PAGE}/messages`)).json();
    const mail = mails.find(({ to }) => to === email);
    if (mail) return /#token=([\w-]+)/.exec(mail.text)[1];
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function putIn(explorer, token) {
  const { input } = JSON.parse(await explorer.until("variables.json"));
  await explorer.setVariables({ input: { ...input, token } });
}
