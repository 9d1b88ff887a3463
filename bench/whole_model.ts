/**
 * Everything about one large model in one process: load, memory, prompt, generation, and a picture where one is named.
 *
 *   deno task bench:whole MODEL [PICTURE] [--threads 2] [--ctx-size 2048] [--max-tiles N]
 *   deno task bench:whole --shape 1b
 *
 * What loading cannot do without is measured in the same run, before: taking as many fresh pages, and reading the files.
 * Reading the files once before puts them into the system's cache. Peak memory: `/usr/bin/time -v` in front.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { describeBytes } from "../cli/figures.ts";
import { LOAD_OPTIONS, readLoadOptions } from "../cli/load_options.ts";
import { readCommandWith, refuseLack } from "./command.ts";
import { processorName } from "../cli/processor.ts";
import { runForJson } from "./processes.ts";
import { inspectModel, loadModel, SYNTHETIC_SHAPES, syntheticModelSource } from "../mod.ts";

/** Tokens of the prompt, and of each of the runs of generation. */
const PROMPT = 128;
const GENERATED = 16;
const RUNS = 3;

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}

const FLOORS = fileURLToPath(new URL("./kernels/load_floors.ts", import.meta.url));

/** Seconds of a part of loading alone; see bench/kernels/load_floors.ts. */
async function floorOf(...args: string[]): Promise<number> {
  const [{ seconds }] = await runForJson<{ seconds: number }>(Deno.execPath(), [
    "run",
    "-A",
    FLOORS,
    ...args,
  ]);
  return seconds;
}

function report(what: string, figure: string): void {
  console.log(`${what.padEnd(30)}${figure}`);
}

if (import.meta.main) {
  const { directory, picture, shape, load, maxTiles } = readCommandWith(
    {
      usage: "deno task bench:whole MODEL [PICTURE]",
      purpose: "Load, memory, prompt, generation and a picture of one large model in one process.",
      options: {
        ...LOAD_OPTIONS,
        "max-tiles": { value: "N", help: "tiles of the picture at most" },
        shape: { value: SYNTHETIC_SHAPES.join("|"), help: "random weights of this size in place of MODEL" },
      },
      arguments: 2,
    },
    Deno.args,
    (options) => ({
      directory: options.positionals[0],
      picture: options.positionals[1],
      shape: options.choice("shape", SYNTHETIC_SHAPES),
      load: readLoadOptions(options),
      maxTiles: options.integer("max-tiles", { from: 1 }),
    }),
  );
  if (shape === undefined && directory === undefined) refuseLack("MODEL or --shape");
  const { memory: { weights } } = await inspectModel(shape ? syntheticModelSource(shape) : directory, load);
  const floors = async () => {
    const touched = await floorOf("touch", `${weights}`, `${load.threads ?? navigator.hardwareConcurrency}`);
    const read = shape ? 0 : await floorOf("read", directory);
    report("fresh pages alone", `${touched.toFixed(1)} s`);
    if (!shape) report("reading the files alone", `${read.toFixed(1)} s`);
    return Math.max(touched, read);
  };
  console.log(processorName());
  const before = await floors();
  let stored = 0;
  const begin = performance.now();
  await using model = await loadModel(shape ? syntheticModelSource(shape) : directory, {
    ...load,
    contextSize: load.contextSize ?? 2048,
    onProgress: ({ totalBytes }) => stored = totalBytes,
  });
  const seconds = (performance.now() - begin) / 1000;
  report(
    "load",
    `${seconds.toFixed(1)} s, ${(stored / seconds / 1e9).toFixed(2)} GB/s of ${describeBytes(stored)}, ` +
      `${(seconds / before).toFixed(2)} times ${shape ? "the pages" : "the slower of these"}`,
  );
  const { threads, vectorBits, memories } = model.engine;
  report("engine", `${threads} threads, vectors of ${vectorBits} bits, memories of 4 GiB: ${memories}`);
  report("packed weights", describeBytes(model.info.memory.weights));

  const ids = Array.from({ length: PROMPT }, (_, i) => i * 7919 % model.info.vocabularySize);
  const speedOf = (tokens: number, taken: number) => `${(tokens / taken).toFixed(2)} tok/s`;
  {
    using sequence = model.createSequence();
    // The first rows still run unoptimised code.
    await sequence.forward(ids.slice(0, 8));
    sequence.truncate(0);
    report(`prompt of ${PROMPT}`, speedOf(PROMPT, await secondsOf(() => sequence.forward(ids))));
    for (let run = 0; run < RUNS; run++) {
      const taken = await secondsOf(async () => {
        for (const id of ids.slice(0, GENERATED)) await sequence.forward([id]);
      });
      report(`generation of ${GENERATED}, run ${run + 1}`, speedOf(GENERATED, taken));
    }
  }
  if (picture !== undefined) {
    using sequence = model.createSequence();
    const image = Deno.readFileSync(picture);
    const [token] = model.tokenizer.encode("<|image|>");
    const taken = await secondsOf(() =>
      sequence.forward([token, ...ids.slice(0, 3)], { images: [image], maxTiles })
    );
    report("a picture", `${taken.toFixed(1)} s`);
    const generating = await secondsOf(async () => {
      for (const id of ids.slice(0, GENERATED)) await sequence.forward([id]);
    });
    report("generation with the picture", speedOf(GENERATED, generating));
  }
  report("resident at the end", describeBytes(Deno.memoryUsage().rss));
}
