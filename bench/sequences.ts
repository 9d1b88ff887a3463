/**
 * Sequences that are answered at once: tokens a second of all together, in turn, so that neighbours in time are compared.
 *
 *   deno task bench:sequences MODEL | --shape 1b [--sequences 1,2,4,8,16] [--threads 2] [--tokens 32] [--rounds 3] [--json]
 *
 * @module
 */
import { markdownTable } from "../cli/figures.ts";
import { processorName } from "../cli/processor.ts";
import {
  loadModel,
  type Model,
  SYNTHETIC_SHAPES,
  syntheticModelSource,
  type SyntheticShapeName,
} from "../mod.ts";
import { readCommand, refuseLack } from "./command.ts";

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
  const { values, positionals } = readCommand({
    usage: "deno task bench:sequences [MODEL]",
    purpose: "Several answers at once: tokens a second of all together.",
    arguments: 1,
    options: {
      shape: { value: SYNTHETIC_SHAPES.join("|"), help: "random weights of this size in place of MODEL" },
      sequences: { value: "N,N", help: "how many at once, each in turn", default: "1,2,4,8,16" },
      threads: { value: "N", help: "threads of remora", default: "2" },
      tokens: { value: "N", help: "tokens of each answer", default: "32" },
      rounds: { value: "N", help: "rounds, each with every contestant", default: "3" },
      json: { help: "results as JSON" },
    },
  });
  if (values.shape === undefined && positionals.length === 0) refuseLack("MODEL or --shape");
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
