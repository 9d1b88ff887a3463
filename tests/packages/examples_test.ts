/**
 * Every example does what its README says, with the packages installed from their tarballs.
 */
import { equal, match, ok } from "node:assert/strict";
import { cp } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { hasChromium, launchChromium, peakMegabytes } from "../chromium.ts";
import { installPackages, PROJECT, run } from "../../packages/build/installed.ts";
import { site } from "./site.ts";

const isWanted = Deno.env.has("PACKAGE_HOSTS");
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** What the page may take beyond an empty one, MB. */
const PAGE_MB_MAX = 150;
const PICTURE = `${ROOT}models/scenes-mllama-int4/reference/two-by-two.png`;
const NODE = `${PROJECT}/node_modules/node24/bin/node`;
const CHAT = {
  max_tokens: 8,
  temperature: 0,
  messages: [{ role: "user", content: "There are two stars." }],
};

function exampleTest(name: string, how: string, fn: (folder: string) => Promise<void>, needs = true): void {
  Deno.test({
    name: `examples/${name}${how}${isWanted ? "" : " (needs PACKAGE_HOSTS)"}`,
    ignore: !isWanted || !needs,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await installPackages();
      const folder = `${PROJECT}/examples/${name}`;
      await cp(`${ROOT}examples/${name}`, folder, { recursive: true });
      await fn(folder);
    },
  });
}

/** A server as a child process, until `use` is done with it. */
async function withServer(
  command: string,
  args: string[],
  options: { cwd: string; env?: Record<string, string>; ready: RegExp },
  use: () => Promise<void>,
): Promise<void> {
  const child = new Deno.Command(command, { ...options, args, stdout: "null", stderr: "piped" }).spawn();
  let text = "";
  const told = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const piece of child.stderr.pipeThrough(new TextDecoderStream())) {
      text += piece;
      if (options.ready.test(text)) told.resolve();
    }
    told.reject(new Error(`${command} ended: ${text}`));
  })();
  try {
    await told.promise;
    await use();
  } finally {
    told.promise.catch(() => {});
    child.kill();
    await Promise.all([child.status, reading]);
  }
}

async function post(url: string, model = "remora"): Promise<string> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers,
    body: JSON.stringify({ ...CHAT, model }),
  });
  const body = await response.json();
  equal(response.status, 200, JSON.stringify(body));
  return body.choices[0].message.content;
}

exampleTest("node", "", async (folder) => {
  match(await run(NODE, ["look.js", PICTURE, "Where is the star?"], folder), /left|right|centre|top|bottom/);
});

exampleTest("bun", "", async (folder) => {
  const options = { cwd: folder, env: { PORT: "38127" }, ready: /serving at/ };
  await withServer(`${PROJECT}/node_modules/.bin/bun`, ["serve.js"], options, async () => {
    ok(await post("http://127.0.0.1:38127"));
  });
});

exampleTest("deno-deploy", "", async () => {
  await using served = site();
  const { host } = new URL(served.url);
  const permissions = ["--no-prompt", `--allow-net=${host},127.0.0.1:8000`, "--allow-env=MODEL"];
  const args = ["run", "--no-lock", ...permissions, `${ROOT}examples/deno-deploy/main.ts`];
  const env = { MODEL: `${served.url}models/scenes-mllama-int4/`, NO_COLOR: "1" };
  await withServer(Deno.execPath(), args, { cwd: ROOT, env, ready: /Listening/ }, async () => {
    for (let health = 503; health !== 200;) {
      health = (await drained(await fetch("http://127.0.0.1:8000/health"))).status;
    }
    ok(await post("http://127.0.0.1:8000"));
  });
});

exampleTest("supabase", "", async (folder) => {
  const place = `${folder}/functions/remora`;
  await run(Deno.execPath(), ["task", "one-file", "models/scenes-mllama-int4", `${place}/remora.js`], ROOT);
  const args = ["run", "--no-config", "--no-lock", "--no-prompt", "--no-check", "--allow-net", "index.ts"];
  await withServer(Deno.execPath(), args, { cwd: place, ready: /Listening/ }, async () => {
    ok(await post("http://127.0.0.1:8000/remora", "scenes-mllama-int4"));
  });
});

/** Without a folder the model is the one bundled with the worker. */
for (const model of [[], [`${ROOT}models/scenes-mllama-int4`]]) {
  exampleTest("cloudflare", model.length ? ", the model in a bucket" : "", async (folder) => {
    const body = JSON.stringify({ ...CHAT, model: "remora" });
    const program = [
      `${PROJECT}/in_workerd.mjs`,
      `${folder}/worker.js`,
      "/v1/chat/completions",
      body,
      ...model,
    ];
    const answer = JSON.parse(await run(NODE, program));
    ok(answer.choices[0].message.content);
  });
}

for (const isolated of [true, false]) {
  exampleTest("browser", isolated ? "" : ", not isolated", async (folder) => {
    await run(NODE, [`${PROJECT}/node_modules/vite/bin/vite.js`, "build", "--logLevel", "error"], folder);
    await using served = site();
    served.folder("app/", `${folder}/dist`);
    served.isolate(isolated);
    const browser = await launchChromium();
    try {
      const page = await browser.newPage({ viewport: { width: 640, height: 620 } });
      await page.goto(`${served.url}blank.html`);
      const empty = await peakMegabytes(browser);
      const requests: string[] = [];
      page.on("request", (request) => requests.push(request.url()));
      await page.goto(`${served.url}app/index.html`);
      await page.locator("#state", { hasText: /^ready/ }).waitFor();
      equal(
        await page.textContent("#state"),
        isolated ? `ready: ${navigator.hardwareConcurrency} threads` : "ready: 1 thread",
      );
      await page.setInputFiles("#file", PICTURE);
      await page.fill("#question", "Where is the star?");
      const before = requests.length;
      await page.click("button");
      await page.locator("#state", { hasText: /^answered/ }).waitFor();
      match((await page.textContent("#answer"))!, /left|right|centre|top|bottom/);
      const asked = requests.slice(before).filter((url) =>
        !url.startsWith("blob:") && !url.startsWith(`${served.url}app/`)
      );
      equal(asked.length, 0, "nothing is asked of a server");
      const megabytes = await peakMegabytes(browser) - empty;
      ok(megabytes <= PAGE_MB_MAX, `${megabytes} MB`);
      const shot = Deno.env.get("SCREENSHOTS");
      if (shot) {
        console.log(`the page takes ${megabytes.toFixed(0)} MB`);
        await page.screenshot({ path: `${shot}/browser${isolated ? "" : "-one-thread"}.png` });
      }
    } finally {
      await browser.close();
    }
  }, hasChromium);
}

async function drained(response: Response): Promise<Response> {
  await response.body?.cancel();
  return response;
}
