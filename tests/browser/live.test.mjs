// The first live message: a client is signed in with one click, subscribes, and sees what a colleague sends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Colleague, inWindow } from "./driver.mjs";
import { Proxy } from "./proxy.mjs";

const LIVE = "New messages, live";

test("a client runs a query, subscribes, and sees a colleague's message arrive", () =>
  inWindow(async (explorer) => {
    await explorer.signInAs("Cleo");
    await explorer.openExample("My rooms");
    const [room] = (await explorer.answer()).data.rooms.nodes;

    await explorer.openExample(LIVE);
    assert.equal(JSON.parse(await explorer.until("variables.json", room.id)).roomId, room.id);
    await explorer.run();
    const ada = await Colleague.signIn("ada@firm.test");
    await ada.send(room.id, "The plan for Sunday is done: cake at four.");
    const shown = JSON.parse(await explorer.until("response.json", "cake at four"));
    assert.equal(shown.data.messageAdded.message.author.name, "Ada Lindqvist");

    if (process.env.SCREENSHOT) await explorer.page.screenshot({ path: process.env.SCREENSHOT });
    await explorer.button(/^Stop query/).click();
    await explorer.button(/^Execute query/).waitFor();
  }));

test("two people in two windows write to each other", () =>
  inWindow((cleo) =>
    inWindow(async (ada) => {
      await cleo.signInAs("Cleo");
      await ada.signInAs("Ada");
      await cleo.openExample(LIVE);
      await cleo.run();
      await ada.openExample("Send a message");
      assert.deepEqual((await ada.answer()).data.sendMessage.userErrors, []);
      await cleo.until("response.json", "Good morning!", "Ada Lindqvist");

      await ada.openExample(LIVE);
      await ada.run();
      await cleo.openExample("Reply to a message");
      assert.deepEqual((await cleo.answer()).data.sendMessage.userErrors, []);
      await ada.until("response.json", "I agree.", "Cleo Marchetti");
    }),
  ));

test("after a cut it goes on behind what was shown, and shows nothing twice", async () => {
  const proxy = await Proxy.start();
  try {
    await inWindow(
      async (explorer) => {
        await explorer.signInAs("Cleo");
        await explorer.openExample(LIVE);
        const { roomId } = JSON.parse(await explorer.until("variables.json", "roomId"));
        await explorer.run();
        const ada = await Colleague.signIn("ada@firm.test");
        await ada.send(roomId, "before the cut");
        const { cursor } = JSON.parse(await explorer.until("response.json", "before the cut")).data.messageAdded;

        proxy.cut();
        await ada.send(roomId, "during the cut");
        await explorer.until("response.json", "during the cut");
        await ada.send(roomId, "after the cut");
        await explorer.until("response.json", "after the cut");

        const { sent, received } = explorer.frames;
        const [first, second] = sent.filter(({ type }) => type === "subscribe");
        assert.notEqual(first.payload.variables.after, cursor);
        assert.equal(second.payload.variables.after, cursor);
        const bodies = received
          .filter(({ type }) => type === "next")
          .map(({ payload }) => payload.data.messageAdded.message.body);
        assert.deepEqual(bodies, ["before the cut", "during the cut", "after the cut"]);
      },
      { address: proxy.address },
    );
  } finally {
    await proxy.close();
  }
});

test("who signs in as somebody else gets a socket of their own", () =>
  inWindow(async (explorer) => {
    await explorer.signInAs("Cleo");
    await explorer.openExample(LIVE);
    await explorer.run();
    await explorer.frame("received", "connection_ack");
    await explorer.signInAs("Ada");
    await explorer.button(/^Execute query/).waitFor(); // what ran for Cleo has ended
    await explorer.openExample(LIVE);
    const { roomId } = JSON.parse(await explorer.until("variables.json", "roomId"));
    await explorer.run();
    const ben = await Colleague.signIn("ben@firm.test");
    await ben.send(roomId, "for Ada");
    await explorer.until("response.json", "for Ada");
    const tokens = explorer.frames.sent.filter(({ type }) => type === "connection_init");
    assert.equal(tokens.length, 2);
    assert.notEqual(tokens[0].payload.authorization, tokens[1].payload.authorization);
  }));

test("what ends a subscription is shown", () =>
  inWindow(async (explorer) => {
    await explorer.openExample(LIVE); // and nobody is signed in
    await explorer.page.getByText("Sign in, and open it again").waitFor();
    await explorer.signInAs("Zoe");
    await explorer.openExample(LIVE);
    await explorer.until("variables.json", "roomId");
    const rooms = await (await Colleague.signIn("ada@firm.test")).ask("{ rooms(first: 1) { nodes { id } } }");
    await explorer.setVariables({ roomId: rooms.rooms.nodes[0].id }); // a room of another firm
    await explorer.run();
    await explorer.until("response.json", "NOT_FOUND");
  }));

test("a sign-in that is ended elsewhere ends what runs, and says so", () =>
  inWindow(async (explorer) => {
    await explorer.signInAs("Cleo");
    await explorer.openExample(LIVE);
    await explorer.run();
    await explorer.frame("received", "connection_ack");
    const elsewhere = Colleague.with(await explorer.token());
    await elsewhere.ask("mutation { signOut { userErrors { message } } }");
    await explorer.until("response.json", "The sign-in has ended.");
    await explorer.page.locator(".who").getByText("The sign-in has ended.").waitFor();
    await explorer.page.getByText("connecting again").waitFor({ state: "hidden" });
  }));
