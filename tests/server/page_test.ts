/**
 * The page in a real browser: headless Chromium, driven through playwright-core. Skipped where there is none.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Page } from "npm:playwright-core@1.65.1";
import { hasChromium, launchChromium } from "../chromium.ts";
import { PICTURE, type Serving, serving } from "./serving.ts";

/** Runs a test on the page of a server; every request of the page and every error in it is noted. */
function browserTest(
  name: string,
  run: (page: Page, server: Serving, seen: { urls: string[]; errors: string[] }) => Promise<void>,
): void {
  Deno.test({
    name: `page: ${name}${hasChromium ? "" : " (needs Chromium)"}`,
    ignore: !hasChromium,
    // The browser's pipes end with it.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      await using server = await serving();
      const browser = await launchChromium();
      try {
        const page = await browser.newPage({ viewport: { width: 900, height: 900 } });
        const seen = { urls: [] as string[], errors: [] as string[] };
        page.on("request", (request) => seen.urls.push(request.url()));
        page.on("pageerror", (error) => seen.errors.push(String(error)));
        await page.goto(server.url);
        await page.waitForSelector("#model option", { state: "attached" });
        await run(page, server, seen);
        deepEqual(seen.errors, []);
        const others = seen.urls.filter((url) => !url.startsWith(server.url) && !url.startsWith("data:"));
        deepEqual(others, [], "nothing is asked of any other host");
      } finally {
        await browser.close();
      }
    },
  });
}

async function ask(page: Page, text: string): Promise<void> {
  await page.fill("#input", text);
  await page.press("#input", "Enter");
}

/** The latest answer, when it is over. */
async function answerOf(page: Page): Promise<string> {
  await page.waitForSelector("#send:not([hidden])");
  return await page.locator("article.assistant .content").last().innerText();
}

browserTest("a picture question is answered, with the map of where it looked", async (page, server) => {
  await page.fill("#temperature", "0", { force: true });
  await page.setInputFiles("#picker", PICTURE);
  await page.waitForSelector("#pictures img");
  await ask(page, "Describe the picture.");
  const shown = await answerOf(page);
  const expected = await server.model.complete({
    messages: [{
      role: "user",
      content: [{ type: "image", image: Deno.readFileSync(PICTURE) }, {
        type: "text",
        text: "Describe the picture.",
      }],
    }],
    temperature: 0,
    maxTokens: 512,
  });
  equal(shown.replace(/\s+/g, " ").trim(), expected.text.replace(/\s+/g, " ").trim());
  match(await page.locator("article.assistant footer").innerText(), /\d+ tokens, [\d.]+ tokens\/s/);
  const drawn = await page.locator("article.user canvas").evaluate((canvas) => {
    const map = canvas as unknown as {
      hidden: boolean;
      width: number;
      height: number;
      getContext(kind: "2d"): { getImageData(...box: number[]): { data: Uint8ClampedArray } };
    };
    const { data } = map.getContext("2d").getImageData(0, 0, map.width, map.height);
    return {
      hidden: map.hidden,
      strongest: data.reduce((most, value, i) => i % 4 === 3 ? Math.max(most, value) : most, 0),
    };
  });
  deepEqual(drawn.hidden, false);
  ok(drawn.strongest > 100);
  const folder = Deno.env.get("SCREENSHOTS");
  if (folder) await page.screenshot({ path: `${folder}/page.png` });
});

browserTest("an answer can be stopped, made again, and its question edited", async (page) => {
  await page.fill("#max-tokens", "400", { force: true });
  await page.route("**/v1/chat/completions", async (route) => {
    const body = { ...route.request().postDataJSON(), ignore_eos: true };
    await route.continue({ postData: JSON.stringify(body) });
  });
  await ask(page, "Describe the picture.");
  await page.locator("article.assistant .content").filter({ hasText: /\S/ }).waitFor();
  await page.click("#stop");
  await answerOf(page);
  match(await page.locator("article.assistant footer").innerText(), /stopped/);
  await page.unroute("**/v1/chat/completions");
  await page.click("text=Regenerate");
  await page.locator("article.assistant footer").filter({ hasText: "tokens/s" }).waitFor();
  equal(await page.locator("article").count(), 2);
  await page.click("text=Edit");
  equal(await page.inputValue("#input"), "Describe the picture.");
  equal(await page.locator("article").count(), 0);
});

browserTest("a server that died is told of, and the question is kept", async (page) => {
  await page.route("**/v1/chat/completions", (route) => route.abort("connectionrefused"));
  await ask(page, "Is there a star?");
  await page.waitForSelector(".error");
  match(await page.locator(".error").innerText(), /does not answer/);
  await page.unroute("**/v1/chat/completions");
  await page.click("text=Try again");
  ok((await answerOf(page)).length > 0);
});

browserTest("Markdown is rendered, and nothing in it runs or loads", async (page) => {
  const text = "# Title\n\n**bold** and `code`\n\n```js\nlet a = 1 < 2;\n```\n\n- one\n- two\n\n" +
    '<img src="http://127.0.0.1:1/x" onerror="document.title=1"><script>document.title = 2</script>\n\n' +
    "[bad](javascript:alert(1)) ![p](http://127.0.0.1:1/y) [good](https://example.org/)";
  await page.route("**/v1/chat/completions", (route) =>
    route.fulfill({
      contentType: "text/event-stream",
      body: `data: ${
        JSON.stringify({ choices: [{ delta: { content: text }, finish_reason: "stop" }] })
      }\n\ndata: [DONE]\n\n`,
    }));
  await ask(page, "x");
  await answerOf(page);
  const content = page.locator("article.assistant .content");
  equal(await content.locator("h1").innerText(), "Title");
  equal(await content.locator("strong").innerText(), "bold");
  equal(await content.locator("pre code").innerText(), "let a = 1 < 2;");
  equal(await content.locator("li").count(), 2);
  equal(await content.locator("img, script").count(), 0);
  const links = await content.locator("a").evaluateAll((found) =>
    found.map((link) => link.getAttribute("href"))
  );
  ok(links.includes("https://example.org/"));
  ok(links.every((link) => /^https?:/.test(link!)), `${links}`);
  equal(await page.title(), "remora");
});

browserTest("it is used by keyboard, by drop and paste, on a narrow dark screen", async (page) => {
  await page.setViewportSize({ width: 360, height: 640 });
  await page.emulateMedia({ colorScheme: "dark" });
  const overflow = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
  ok(overflow as number <= 0, "nothing sticks out");
  await page.focus("#input");
  await page.keyboard.type("Is there a star?");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("Say.");
  equal(await page.inputValue("#input"), "Is there a star?\nSay.");
  const bytes = Array.from(Deno.readFileSync(PICTURE));
  for (const kind of ["drop", "paste"]) {
    await page.evaluate(({ bytes, kind }) => {
      // deno-lint-ignore no-explicit-any -- the browser's names are not those of this runtime
      const browser = globalThis as any;
      const data = new browser.DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "p.png", { type: "image/png" }));
      const event = kind === "drop"
        ? new browser.DragEvent("drop", { dataTransfer: data, bubbles: true })
        : new browser.ClipboardEvent("paste", { clipboardData: data, bubbles: true });
      browser.document.body.dispatchEvent(event);
    }, { bytes, kind });
  }
  await page.locator("#pictures img").nth(1).waitFor();
  await page.click("[aria-label='Remove picture 1']");
  equal(await page.locator("#pictures img").count(), 1);
  await page.focus("#input");
  await page.keyboard.press("Enter");
  ok((await answerOf(page)).length > 0);
  const folder = Deno.env.get("SCREENSHOTS");
  if (folder) await page.screenshot({ path: `${folder}/narrow.png` });
});
