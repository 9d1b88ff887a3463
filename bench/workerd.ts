/**
 * A model in workerd, the runtime of Cloudflare Workers, through miniflare: memory, processor time, first answer.
 *
 *   deno task bench:workerd [MODEL [--picture FILE] [--question TEXT] [--tokens N] [--options JSON]]
 *
 * Memory is the resident size of workerd's process less that of an empty worker, at its highest; "memories" are those of WebAssembly
 * alone. Processor time is that of all threads of the process, so compiling is in it. Without MODEL: the model of the repository with a
 * picture. The model comes by ranges from a server on this machine. Needs npm (packages/.cache).
 *
 * @module
 */
import { parseArgs } from "node:util";
import { resolve } from "node:path";
import { installPackages, PROJECT, run } from "../packages/build/installed.ts";
import { site } from "../tests/packages/site.ts";

const SCENES = "models/scenes-mllama-int4";
/** How a model of 135 million parameters fits (examples/cloudflare/bucket.js). */
const SMALL = '{"embeddings":"int8","kvCache":"int8","contextSize":512,"passTokens":32}';

const { values, positionals: [model = SCENES] } = parseArgs({
  allowPositionals: true,
  options: {
    picture: { type: "string" },
    question: { type: "string" },
    tokens: { type: "string", default: "64" },
    options: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const isScenes = model === SCENES;
const picture = values.picture ?? (isScenes ? `${SCENES}/reference/two-by-two.png` : undefined);
const question = values.question ?? (isScenes ? "Describe the picture." : "Tell me about the sea.");
await installPackages();
await using served = site();
served.folder("model/", resolve(model));
const program = `${PROJECT}/node_modules/node24/bin/node`;
const options = values.options ?? (isScenes ? "{}" : SMALL);
const args = ["measure_workerd.mjs", `${served.url}model/`, options, question, values.tokens];
const found = JSON.parse(await run(program, [...args, ...(picture ? [resolve(picture)] : [])]));
if (values.json) console.log(JSON.stringify(found));
else {
  const rows: [string, string][] = [
    ["peak memory", `${found.peakMB.toFixed(1)} MiB above an empty worker's ${found.emptyMB.toFixed(1)}`],
    ["WebAssembly memories", `${found.memoriesMB.toFixed(1)} MiB`],
    ["start", `${found.startCpuMs} ms of processor, ${found.startMs.toFixed(0)} ms`],
    ["first answer", `${found.firstAnswerCpuMs} ms of processor, ${found.firstAnswerMs.toFixed(0)} ms`],
    ["a token", `${found.tokenCpuMs.toFixed(1)} ms of processor (${found.tokens} tokens)`],
    ["answer", found.text.trim().split("\n")[0].slice(0, 70)],
  ];
  for (const [name, value] of rows) console.log(`${name.padEnd(22)}${value}`);
}
