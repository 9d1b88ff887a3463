/**
 * Sequences that are answered at once: tokens a second of all together, in turn, so that neighbours in time are compared.
 *
 *   deno task bench:sequences MODEL | --shape 1b [--sequences 1,2,4,8,16] [--threads 2] [--tokens 32] [--rounds 3] [--json]
 *
 * @module
 */
import { parseArgs } from "node:util";
import { markdownTable } from "../cli/figures.ts";
import { processorName } from "../cli/processor.ts";
import { loadModel, type Model, syntheticModelSource, type SyntheticShapeName } from "../mod.ts";

/** Tokens that stand before the timed ones. */
const PROMPT = [11, 22, 33, 44, 55, 66, 77, 88];

/** Seconds in which each of `count` sequences advances by `tokens` tokens, all at the same time. */
async function timeTogether(model: Model, count: number, tokens: number): Promise<number> {
  using stack = new DisposableStack();
  const sequences = Array.from({ length: count }, () => stack.use(model.createSequence()));
  await Promise.all(sequences.map((sequence) => sequence.forward(PROMPT)));
  const begin = performance.now();
  await Promise.all(sequences.map(async (sequence, i) => {
    for (let token = 0; token < tokens; token++) await sequence.forward([100 + i]);
  }));
  return (performance.now() - begin) / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      shape: { type: "string" },
      sequences: { type: "string", default: "1,2,4,8,16" },
      threads: { type: "string", default: "2" },
      tokens: { type: "string", default: "32" },
      rounds: { type: "string", default: "3" },
      json: { type: "boolean", default: false },
    },
  });
  const source = values.shape ? syntheticModelSource(values.shape as SyntheticShapeName) : positionals[0];
  const counts = values.sequences.split(",").map(Number), tokens = Number(values.tokens);
  await using model = await loadModel(source, { threads: Number(values.threads), contextSize: 512 });
  const speeds = counts.map(() => [] as number[]);
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [i, count] of counts.entries()) {
      speeds[i].push(count * tokens / await timeTogether(model, count, tokens));
    }
  }
  const medians = speeds.map(median);
  if (values.json) console.log(JSON.stringify({ counts, speeds }));
  else {
    console.log(`${processorName()}, ${values.threads} threads, ${model.engine.vectorBits} bits\n`);
    console.log(markdownTable([
      ["sequences", "tokens a second", "each", "against one"],
      ...counts.map((count, i) => [
        `${count}`,
        medians[i].toFixed(1),
        (medians[i] / count).toFixed(1),
        (medians[i] / medians[0]).toFixed(2),
      ]),
    ], [0, 1, 2, 3]));
  }
}
