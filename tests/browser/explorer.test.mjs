// What one does in the explorer besides being live.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Colleague, inWindow } from "./driver.mjs";

test("tabs, history and who is signed in outlive a reload", () =>
  inWindow(async (explorer) => {
    await explorer.signInAs("Cleo");
    await explorer.openExample("My rooms");
    await explorer.answer();
    // GraphiQL writes tabs down half a second after they have changed.
    await explorer.page.waitForFunction(() => localStorage.getItem("graphiql:tabState")?.includes("MyRooms"));
    await explorer.page.reload();
    await explorer.ready();
    await explorer.page.getByRole("tab", { name: "MyRooms" }).waitFor();
    await explorer.page.getByRole("status").getByText("Cleo Marchetti").waitFor();
    await explorer.until("operation.graphql", "query MyRooms");
    assert.ok((await explorer.answer()).data.rooms.totalCount > 0);
    await explorer.button("Show History").click();
    await explorer.page.locator(".graphiql-history-item").getByText("MyRooms").first().waitFor();
  }));

test("the documentation of the schema is there, and the editor completes what is in it", () =>
  inWindow(async (explorer) => {
    await explorer.button("Show Documentation Explorer").click();
    await explorer.page.getByRole("link", { name: "Subscription", exact: true }).click();
    await explorer.page.getByRole("link", { name: "messageAdded", exact: true }).waitFor();
    await explorer.write("{ vi");
    await explorer.page.keyboard.press("Control+Space");
    await explorer.page.locator(".suggest-widget").getByText("viewer").first().waitFor();
  }));

test("it is dark where the system is, and light or dark as one chooses", () =>
  inWindow(
    async (explorer) => {
      const back = () => explorer.page.locator(".bar").evaluate((bar) => getComputedStyle(bar).backgroundColor);
      const dark = await back();
      await explorer.chooseTheme("Light");
      const light = await back();
      assert.notEqual(light, dark);
      await explorer.page.emulateMedia({ colorScheme: "light" });
      await explorer.chooseTheme("Dark");
      assert.equal(await back(), dark);
      await explorer.page.reload();
      await explorer.ready();
      assert.equal(await back(), dark);
    },
    { colorScheme: "dark" },
  ));

test("one signs in by address and password, or with a token; a wrong one is said", () =>
  inWindow(async (explorer) => {
    const { page } = explorer;
    await explorer.button("Somebody else…").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByRole("textbox", { name: "Address", exact: true }).fill("dan@client.test");
    await dialog.getByLabel("Password").fill("wrong");
    await dialog.getByRole("button", { name: "Sign in" }).click();
    await dialog.getByRole("alert").waitFor();
    await dialog.getByLabel("Password").fill("parley-demo");
    await dialog.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("status").getByText("Dan Whitfield").waitFor();

    await explorer.button("Sign out").click();
    await page.getByText("Nobody is signed in.").waitFor();
    const { token } = await Colleague.signIn("zoe@other.test");
    await explorer.button("Somebody else…").click();
    await dialog.getByLabel("Access token").fill(`Bearer ${token}`);
    await dialog.getByRole("button", { name: "Use this token" }).click();
    await page.getByRole("status").getByText("Zoe Okafor").waitFor();
  }));

test("a copy of a tab does not spend the sign-in of the other", () =>
  inWindow(async (explorer) => {
    await explorer.signInAs("Cleo");
    const [copy] = await Promise.all([
      explorer.page.waitForEvent("popup"),
      explorer.page.evaluate(() => void window.open(location.href)),
    ]);
    await copy.getByText("This sign-in belongs to another tab.").waitFor();
    await explorer.openExample("Who am I?");
    assert.equal((await explorer.answer()).data.viewer.user.name, "Cleo Marchetti");
  }));

test("the editors are put in order", () =>
  inWindow(async (explorer) => {
    await explorer.write("{viewer{id}}");
    await explorer.button(/^Prettify query/).click();
    await explorer.until("operation.graphql", "{\n  viewer {\n    id\n  }\n}");
  }));

test("a document that is wrong is explained, without noise", () =>
  inWindow(async (explorer) => {
    await explorer.write("{ nothing }");
    assert.match((await explorer.answer()).errors[0].message, /Cannot query field/);
  }));

test("the start page leads there", () =>
  inWindow(async ({ page, address }) => {
    await page.getByRole("link", { name: "Parley" }).click();
    await page.getByRole("heading", { name: "Sign-ins of the demo" }).waitFor();
    assert.equal(page.url(), `${address}/`);
    await page.getByRole("link", { name: "http.md", exact: true }).click();
    await page.getByText("# The HTTP entry").waitFor();
    await page.goBack();
    await page.getByRole("link", { name: "The explorer" }).click();
    await page.locator(".graphiql-query-editor .view-line").first().waitFor();
  }));
