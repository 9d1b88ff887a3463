/**
 * The same bits in every host: digests of the goldens' logits, of a picture question and of decoded pictures, computed by the packages
 * installed from their tarballs, must be those that the sources give in Deno.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { hasChromium, launchChromium } from "../chromium.ts";
import * as library from "../../mod.ts";
import { readGolden } from "../goldens.ts";
import { digests } from "./hosts/digests.js";
import { installPackages, PROJECT, run } from "../../packages/build/installed.ts";
import { type Site, site } from "./site.ts";

const isWanted = Deno.env.has("PACKAGE_HOSTS");
const GOLDENS = fileURLToPath(new URL("../goldens", import.meta.url));
const SCENES = "models/scenes-mllama-int4";
const PICTURES = [
  "rgb-16.png",
  "palette-4-interlaced.png",
  "progressive.jpg",
  "cmyk.jpg",
  "lossy.webp",
  "lossless-alpha.webp",
];

/** The builds of the kernels that packages have; those for one memory of several threads are made of them. */
const KERNELS = ["unshared_relaxed.wasm", "unshared_strict.wasm", "wide.wasm"];

type Digests = Record<string, string>;

function hostTest(name: string, fn: (site: Site, expected: Digests) => Promise<void>, needs = true): void {
  Deno.test({
    name: `${name}${needs ? "" : " (needs Chromium)"}${isWanted ? "" : " (needs PACKAGE_HOSTS)"}`,
    ignore: !isWanted || !needs,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await installPackages();
      await using served = site();
      await fn(served, await expected(served));
    },
  });
}

let ofDeno: Promise<Digests> | undefined;

/** What the sources compute here. */
function expected(served: Site): Promise<Digests> {
  return ofDeno ??= digests(library, cases(served), { threads: 2 });
}

/** The file that is a model by itself, or nothing: then the folder is one. */
function ggufIn(golden: string): string {
  const names = [...Deno.readDirSync(`${GOLDENS}/${golden}`)].map(({ name }) => name);
  return names.find((name) => name.endsWith(".gguf")) ?? "";
}

/** What every host is asked. */
function cases({ url }: Site) {
  const goldens = [...Deno.readDirSync(GOLDENS)].filter(({ isDirectory }) => isDirectory).map(({ name }) =>
    name
  );
  const models = goldens.sort().map((name) => ({
    name,
    url: `${url}tests/goldens/${name}/${ggufIn(name)}`,
    ids: Array.from(readGolden(`${GOLDENS}/${name}/expected.safetensors`).get("input_ids")!.data),
  }));
  const text = "<|begin_of_text|><|image|>Where is the star?";
  const scenes = { name: "scenes", url: `${url}${SCENES}/`, text };
  const picture = `${url}${SCENES}/reference/two-by-two.png`;
  return {
    models: [...models, { ...scenes, picture }],
    pictures: PICTURES.map((name) => `${url}tests/image/fixtures/${name}`),
  };
}

for (const node of ["node22", "node24", "node26"]) {
  for (const threads of ["1", "2"]) {
    hostTest(`${node}, ${threads} threads: the same bits`, async (served, expected) => {
      served.answer("cases.json", cases(served));
      const program = `${PROJECT}/node_modules/${node}/bin/node`;
      const found = JSON.parse(await run(program, ["command_line.js", `${served.url}cases.json`, threads]));
      deepEqual(found, expected);
    });
  }
}

for (const node of ["node22", "node24", "node26"]) {
  hostTest(`${node} optimises all kernels for vectors of 256 bits`, async () => {
    const found = await run(`${PROJECT}/node_modules/${node}/bin/node`, ["optimise_kernels.js"]);
    deepEqual(found.trim().split("\n"), KERNELS);
  });
}

hostTest("Bun: the same bits", async (served, expected) => {
  served.answer("cases.json", cases(served));
  const found = JSON.parse(
    await run("node_modules/.bin/bun", ["command_line.js", `${served.url}cases.json`, "2"]),
  );
  deepEqual(found, expected);
});

hostTest("Deno with the npm package: the same bits", async (served, expected) => {
  served.answer("cases.json", cases(served));
  const { host } = new URL(served.url);
  const permissions = [
    "--no-prompt",
    `--allow-net=${host}`,
    "--allow-read=node_modules",
    "--node-modules-dir=manual",
  ];
  const args = ["run", "--no-lock", ...permissions, "command_line.js", `${served.url}cases.json`, "2"];
  deepEqual(JSON.parse(await run(Deno.execPath(), args)), expected);
});

hostTest("workerd: the same bits", async (served, expected) => {
  served.answer("cases.json", cases(served));
  const found = JSON.parse(
    await run(`${PROJECT}/node_modules/node24/bin/node`, [
      "in_workerd.mjs",
      "worker.js",
      `/?cases=${encodeURIComponent(`${served.url}cases.json`)}`,
    ]),
  );
  deepEqual(found, expected);
});

for (const isolated of [true, false]) {
  for (const place of ["worker", "page"] as const) {
    const name = `Chromium, ${place}, ${isolated ? "isolated" : "not isolated"}: the same bits`;
    hostTest(name, async (served, expected) => {
      await run(`${PROJECT}/node_modules/node24/bin/node`, ["bundle_page.mjs"]);
      served.answer("cases.json", cases(served));
      served.folder("app/", `${PROJECT}/out-page`);
      served.isolate(isolated);
      const browser = await launchChromium();
      try {
        const page = await browser.newPage();
        await page.goto(`${served.url}blank.html`);
        equal(
          await page.evaluate(() => (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated),
          isolated,
        );
        const found = place === "worker"
          ? await page.evaluate(inWorker, `${served.url}cases.json`)
          : await page.evaluate(onPage, `${served.url}cases.json`);
        ok(!("error" in found), `${(found as { error?: string }).error}`);
        deepEqual(found, expected);
      } finally {
        await browser.close();
      }
    }, hasChromium);
  }
}

function inWorker(casesUrl: string): Promise<Digests> {
  return new Promise((resolve) => {
    const worker = new Worker("/app/page.js", { type: "module" });
    worker.onmessage = ({ data }) => resolve(data.digests ?? data);
    worker.onerror = (event) => resolve({ error: event.message });
    worker.postMessage(casesUrl);
  });
}

async function onPage(casesUrl: string): Promise<Digests> {
  await import("/app/page.js" as string);
  return await (globalThis as unknown as { runHere(url: string): Promise<Digests> }).runHere(casesUrl);
}
