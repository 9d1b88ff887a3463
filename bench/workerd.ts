/**
 * A model in workerd, the runtime of Cloudflare Workers, through miniflare: memory, processor time, first answer.
 *
 *   deno task bench:workerd [MODEL [--picture FILE] [--question TEXT] [--tokens N] [--options JSON] [--runs N]]
 *
 * Memory is the resident size of workerd's process less that of an empty worker, at its highest; "memories" are those of WebAssembly
 * alone; "isolate" is what V8 counts, which is what Cloudflare limits, after loading or the longest answer. Processor time is that of all threads of the process, so compiling is in it. Without MODEL: the model of the repository with a
 * picture. The model comes by ranges from a server on this machine. With several runs: least, median and most. Needs npm (packages/.cache).
 *
 * @module
 */
import { resolve } from "node:path";
import { installPackages, PROJECT, run } from "../packages/build/installed.ts";
import { SMALL } from "../examples/cloudflare/small.js";
import { site } from "../tests/packages/site.ts";
import { readCommand } from "./command.ts";

const SCENES = "models/scenes-mllama-int4";
const { values, positionals: [model = SCENES] } = readCommand({
  usage: "deno task bench:workerd [MODEL]",
  purpose: "A model in workerd: memory, processor time, first answer.",
  arguments: 1,
  options: {
    picture: { value: "FILE", help: "a picture to ask about" },
    question: { value: "TEXT", help: "what is asked" },
    tokens: { value: "N", help: "tokens of the answer at most", default: "64" },
    options: { value: "JSON", help: "options of loading" },
    runs: { value: "N", help: "runs, of which least, median and most are told", default: "1" },
    json: { help: "results as JSON" },
  },
});
const isScenes = model === SCENES;
const picture = values.picture ?? (isScenes ? `${SCENES}/reference/two-by-two.png` : undefined);
const question = values.question ?? (isScenes ? "Describe the picture." : "Tell me about the sea.");
await installPackages();
await using served = site();
served.folder("model/", resolve(model));
const program = `${PROJECT}/node_modules/node24/bin/node`;
const options = values.options ?? JSON.stringify(isScenes ? {} : SMALL);
const args = ["measure_workerd.mjs", `${served.url}model/`, options, question, values.tokens];
type Found = Record<string, number> & { text: string };
const all: Found[] = [];
while (all.length < Number(values.runs)) {
  all.push(JSON.parse(await run(program, [...args, ...(picture ? [resolve(picture)] : [])])));
}
const [found] = all;
/** The least, the median and the most of a figure, or the only one. */
function figure(name: string, digits = 0): string {
  const sorted = all.map((found) => found[name]).sort((a, b) => a - b);
  const chosen = sorted.length === 1 ? sorted : [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)!];
  return chosen.map((value) => value.toFixed(digits)).join(", ");
}
if (values.json) console.log(JSON.stringify(all));
else {
  const rows: [string, string][] = [
    ["peak memory", `${figure("peakMB", 1)} MiB above an empty worker's ${figure("emptyMB", 1)}`],
    ["  of it", `${figure("programMB", 1)} MiB are pages of workerd's own program, read in meanwhile`],
    ["WebAssembly memories", `${figure("memoriesMB", 1)} MiB`],
    ["isolate, added up", `${figure("isolateMB", 1)} MiB: these, JavaScript's heap and buffers`],
    ["start", `${figure("startCpuMs")} ms of processor, ${figure("startMs")} ms`],
    ["first answer", `${figure("firstAnswerCpuMs")} ms of processor, ${figure("firstAnswerMs")} ms`],
    ["a prompt's token", `${figure("promptTokenCpuMs", 1)} ms of processor (${found.promptTokens} tokens)`],
    ["a token", `${figure("tokenCpuMs", 1)} ms of processor (${found.tokens} tokens)`],
    ["answer", found.text.trim().split("\n")[0].slice(0, 70)],
  ];
  for (const [name, value] of rows) console.log(`${name.padEnd(22)}${value}`);
}
