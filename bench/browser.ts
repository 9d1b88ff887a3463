/**
 * remora, wllama and transformers.js in Chromium, in turn: a page isolated from other origins, where memory can be shared and every core
 * used, and one that is not. Each measurement is a browser of its own.
 *
 *   deno task bench:browser --model MODEL [--peers DIR [--gguf FILE] [--onnx FOLDER]] [--tokens 32] [--rounds 3] [--json]
 *
 * MODEL is a folder or a GGUF file. DIR holds the peers (`npm install @wllama/wllama @huggingface/transformers`), FILE and FOLDER the model
 * in their forms; FOLDER as transformers.js has it, with `onnx/model_q4.onnx`, whose cache's head size is a number: a name that
 * transformers.js does not know is 0 to it. All are the npm packages, remora's installed from its tarball, and everything comes from a
 * server on this machine. bench/browser/measure.js says what is timed. Memory is the highest
 * resident size of the page's process, less that of an empty page.
 *
 * @module
 */
import { basename, dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { markdownTable } from "../cli/figures.ts";
import { processorName } from "../cli/processor.ts";
import { summarise } from "../cli/speed.ts";
import { installPackages, PROJECT } from "../packages/build/installed.ts";
import { launchChromium, peakMegabytes } from "../tests/chromium.ts";
import { type Site, site } from "../tests/packages/site.ts";
import { type Contestant, type Figures, play } from "./contest.ts";
import { readCommand } from "./command.ts";

const SOURCES = fileURLToPath(new URL("browser", import.meta.url));
const LICENSE = fileURLToPath(new URL("../LICENSE", import.meta.url));
/** Characters of the licence that are some 128 tokens. */
const PROMPT_CHARACTERS = 640;
const SHORT_PROMPT_CHARACTERS = 40;

/** What measure.js finds. */
interface Measured {
  threads: number;
  promptTokens: number;
  loadSeconds: number;
  /** Tokens a second, as is the next. */
  prompt: number;
  generation: number;
}

/** A runtime's page, and what it is given. */
interface Runtime {
  name: string;
  /** Of bench/browser; its bundle has the same name. */
  program: string;
  /** A worker computes, as a page must not wait; wllama makes one itself. */
  inWorker: boolean;
  settings: Record<string, unknown>;
}

/** Bundles the pages' programs. */
async function bundle(programs: string[], nodePath: string[]): Promise<string> {
  const out = `${PROJECT}/out-bench`;
  const flags = ["--bundle", "--format=esm", "--splitting", "--external:node:*", "--log-level=error"];
  const { success, stderr } = await new Deno.Command(`${PROJECT}/node_modules/.bin/esbuild`, {
    args: [...programs.map((program) => `${SOURCES}/${program}`), ...flags, `--outdir=${out}`],
    env: { NODE_PATH: nodePath.join(":") },
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return out;
}

async function inPage(served: Site, { program, inWorker, settings }: Runtime): Promise<Measured & Figures> {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    await page.goto(`${served.url}blank.html`);
    const empty = await peakMegabytes(browser);
    const found = await page.evaluate(inWorker ? measureInWorker : measureOnPage, {
      program: `/app/${program}`,
      settings,
    });
    if ("error" in found) throw new Error(`${program}: ${found.error}`);
    return { ...found as Measured, memory: await peakMegabytes(browser) - empty };
  } finally {
    await browser.close();
  }
}

/** Runs in the page, as does the next. */
function measureInWorker({ program, settings }: { program: string; settings: unknown }): Promise<object> {
  return new Promise((resolve) => {
    const worker = new Worker(program, { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => resolve({ error: message });
    worker.postMessage(settings);
  });
}

async function measureOnPage({ program, settings }: { program: string; settings: unknown }): Promise<object> {
  await import(program);
  return await (globalThis as unknown as { measure(settings: unknown): Promise<object> }).measure(settings);
}

const { values } = readCommand({
  usage: "deno task bench:browser",
  purpose: "remora, wllama and transformers.js in Chromium, in turn.",
  options: {
    model: { value: "MODEL", help: "a folder or a GGUF file", default: "models/scenes-mllama-int4" },
    peers: { value: "DIR", help: "the folder with the peers' node_modules" },
    gguf: { value: "FILE", help: "the model for wllama" },
    onnx: { value: "FOLDER", help: "the model for transformers.js" },
    tokens: { value: "N", help: "tokens of the answer", default: "32" },
    rounds: { value: "N", help: "rounds, each with every contestant", default: "3" },
    repetitions: { value: "N", help: "repetitions of every measurement", default: "3" },
    json: { help: "results as JSON" },
  },
});
await installPackages();
await using served = site();
/** A folder, or a file by its folder: where it is served. */
function serve(prefix: string, path: string): string {
  const isFile = Deno.statSync(path).isFile;
  served.folder(`${prefix}/`, resolve(isFile ? dirname(path) : path));
  return `${served.url}${prefix}/${isFile ? basename(path) : ""}`;
}
const packages = resolve(values.peers ?? ".", "node_modules");
const runtimes: Runtime[] = [{
  name: "remora",
  program: "remora.js",
  inWorker: true,
  settings: { model: serve("model", values.model) },
}];
if (values.gguf !== undefined) {
  const wasm = serve("wllama", `${packages}/@wllama/wllama/esm/wasm`);
  const settings = { model: serve("gguf", values.gguf), wasm };
  runtimes.push({ name: "wllama", program: "wllama.js", inWorker: false, settings });
}
if (values.onnx !== undefined) {
  const wasm = serve("ort", `${packages}/onnxruntime-web/dist`);
  serve("onnx/model", values.onnx);
  const settings = { folder: "/onnx/", wasm };
  runtimes.push({ name: "transformers.js", program: "transformers.js", inWorker: true, settings });
}
served.folder(
  "app/",
  await bundle(runtimes.map(({ program }) => program), [`${PROJECT}/node_modules`, packages]),
);
await Deno.remove(`${PROJECT}/out-bench/wasm`, { recursive: true }).catch(() => {});
await Deno.symlink(`${PROJECT}/node_modules/@remora/remora/dist/binaries/wasm`, `${PROJECT}/out-bench/wasm`);

const text = Deno.readTextFileSync(LICENSE).trim();
const counts = { tokens: Number(values.tokens), repetitions: Number(values.repetitions) };
const prompts = {
  prompt: text.slice(0, PROMPT_CHARACTERS),
  shortPrompt: text.slice(0, SHORT_PROMPT_CHARACTERS),
};
const contestants = runtimes.flatMap((runtime) =>
  [true, false].map((isIsolated): Contestant => ({
    name: `${runtime.name}, ${isIsolated ? "isolated" : "not isolated"}`,
    measure() {
      served.isolate(isIsolated);
      const threads = isIsolated ? navigator.hardwareConcurrency : 1;
      return inPage(served, {
        ...runtime,
        settings: { threads, ...runtime.settings, ...prompts, ...counts },
      });
    },
  }))
);
const played = [...await play(contestants, Number(values.rounds))];

const processor = processorName();
if (values.json) {
  console.log(JSON.stringify({ processor, results: played.map(([{ name }, rounds]) => ({ name, rounds })) }));
} else {
  const browser = await launchChromium();
  const version = browser.version();
  await browser.close();
  console.log(
    `${processor}; Chromium ${version}; ${counts.tokens} tokens; medians of ${values.rounds} browsers\n`,
  );
  const columns: [string, number][] = [["threads", 0], ["promptTokens", 0], ["prompt", 1], ["generation", 1]];
  columns.push(["loadSeconds", 2], ["memory", 0]);
  console.log(markdownTable([
    ["page", "threads", "tokens", "prompt, tok/s", "generation, tok/s", "load, s", "memory, MB"],
    ...played.map(([{ name }, rounds]) => [
      name,
      ...columns.map(([test, digits]) =>
        summarise(rounds.map((found) => found[test])).median.toFixed(digits)
      ),
    ]),
  ], [1, 2, 3, 4, 5, 6]));
}
