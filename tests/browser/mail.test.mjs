// The page of caught mail, as people see it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Colleague, inContext } from "./driver.mjs";

const { MAIL_PAGE } = process.env;
const SANDBOXED = /Blocked script execution in '.*\/html'/; // the driver's own, which a mail's frame keeps out as well

for (const colorScheme of ["light", "dark"]) {
  test(`a mail stands on the ground that its letters are made for, in ${colorScheme}`, async () => {
    const id = await invitation(`guest-${colorScheme}@client.test`);
    await inContext(
      async (context) => {
        const page = await context.newPage();
        await page.goto(`${MAIL_PAGE}/mail/${id}`);
        await page.frameLocator("iframe").getByRole("link", { name: "Accept the invitation" }).waitFor();
        const picture = await page.locator("iframe").screenshot();
        const blank = await context.newPage();
        const shade = await blank.evaluate(commonest, picture.toString("base64"));
        assert.equal(shade < 128, colorScheme === "dark", `its ground has ${shade} of 255`);
      },
      { address: MAIL_PAGE, expected: SANDBOXED, colorScheme },
    );
  });
}

/** Invites somebody, and gives the id that their mail has here. */
async function invitation(email) {
  const ada = await Colleague.signIn("ada@firm.test");
  const query = "mutation ($input: InviteTeammateInput!) { inviteTeammate(input: $input) { userErrors { message } } }";
  const { inviteTeammate } = await ada.ask(query, { input: { email, name: "Ines Ferrer" } });
  assert.deepEqual(inviteTeammate.userErrors, []);
  for (;;) {
    const mails = await (await fetch(`${MAIL_PAGE}/messages`)).json();
    const mail = mails.find(({ to }) => to === email);
    if (mail) return mail.id;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Runs in a page: the green that most of a picture's points have. */
async function commonest(png) {
  const picture = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
  const canvas = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  canvas.drawImage(picture, 0, 0);
  const { data } = canvas.getImageData(0, 0, picture.width, picture.height);
  const count = new Array(256).fill(0);
  for (let at = 1; at < data.length; at += 4) count[data[at]]++;
  return count.indexOf(Math.max(...count));
}
