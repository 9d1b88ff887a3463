/**
 * Hosts that lack something say in one line what, and what would do; those that lack no more than speed give the same bits.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { installPackages, PROJECT, run } from "../../packages/build/installed.ts";
import { hasChromium, launchChromium } from "../chromium.ts";
import { site } from "./site.ts";

const isWanted = Deno.env.has("PACKAGE_HOSTS");
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SCENES = `${ROOT}models/scenes-mllama-int4`;

function hostTest(name: string, fn: () => Promise<void>, needs = true): void {
  Deno.test({
    name: `${name}${isWanted ? "" : " (needs PACKAGE_HOSTS)"}${needs ? "" : " (needs Chromium)"}`,
    ignore: !isWanted || !needs,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await installPackages();
      await fn();
    },
  });
}

/** What a Node with these flags says; that it ends is part of the test. */
async function inNode(node: string, flags: string[], lacks = ""): Promise<Record<string, string>> {
  const program = `${PROJECT}/node_modules/${node}/bin/node`;
  return JSON.parse(await run(program, [...flags, "bad_host.js", SCENES, lacks]));
}

for (const node of ["node22", "node24", "node26"]) {
  hostTest(`${node} on a processor without SIMD: the error says what is missing`, async () => {
    const { code, message } = await inNode(node, ["--no-enable-sse4-1"]);
    equal(code, "UNSUPPORTED");
    match(message, /^Cannot run kernels: expected .*SIMD.*SSE4\.1.*, found WebAssembly without SIMD$/);
  });
}

hostTest("without relaxed SIMD strict kernels run, with the same bits", async () => {
  const all = await inNode("node24", []), strict = await inNode("node24", [], "no-relaxed");
  deepEqual([all.kernels, strict.kernels], ["relaxed", "strict"]);
  equal(strict.digest, all.digest);
});

hostTest(
  "a host that grants little memory: refused in the middle of loading, and the program ends",
  async () => {
    const { code, message } = await inNode("node24", ["--wasm-max-mem-pages=100"]);
    equal(code, "OUT_OF_MEMORY");
    match(message, /^Cannot grow the kernels' memory: expected \d+ bytes, found \d+ bytes and no more/);
  },
);

hostTest("a host that grants next to no memory: refused as the kernels start", async () => {
  const { code, message } = await inNode("node24", ["--wasm-max-mem-pages=20"]);
  equal(code, "OUT_OF_MEMORY");
  match(message, /^Cannot make the kernels' memory: expected room for \d+ bytes/);
});

hostTest("Chromium, a page whose policy forbids WebAssembly: the error names the policy's word", async () => {
  await run(`${PROJECT}/node_modules/node24/bin/node`, ["bundle_page.mjs"]);
  await using served = site();
  served.folder("app/", `${PROJECT}/out-page`);
  const model = { name: "scenes", url: `${served.url}models/scenes-mllama-int4/`, ids: [1, 5, 7, 3] };
  served.answer("cases.json", { models: [model], pictures: [] });
  const browser = await launchChromium();
  try {
    for (const [policy, isAllowed] of [["'self'", false], ["'self' 'wasm-unsafe-eval'", true]] as const) {
      served.policy(`default-src 'self'; script-src ${policy}`);
      const page = await browser.newPage();
      await page.goto(`${served.url}blank.html`);
      const found = await page.evaluate(onPage, `${served.url}cases.json`);
      if (isAllowed) equal(Object.keys(found).length, 2, JSON.stringify(found));
      else {
        equal(found.code, "UNSUPPORTED", JSON.stringify(found));
        match(found.message, /^Cannot compile the kernels: expected .*'wasm-unsafe-eval'.*, found /);
      }
    }
  } finally {
    await browser.close();
  }
}, hasChromium);

async function onPage(casesUrl: string): Promise<Record<string, string>> {
  try {
    await import("/app/page.js" as string);
    return await (globalThis as unknown as { runHere(url: string): Promise<Record<string, string>> }).runHere(
      casesUrl,
    );
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  }
}

hostTest("workerd whose requests do not tell when their clients leave: the flag is named", async () => {
  await Deno.copyFile(`${ROOT}examples/cloudflare/until_sent.js`, `${PROJECT}/until_sent.js`);
  const said = await run(`${PROJECT}/node_modules/node24/bin/node`, ["unflagged_workerd.mjs"]);
  match(JSON.parse(said), /Cannot serve: expected the compatibility flag "enable_request_signal"/);
});
