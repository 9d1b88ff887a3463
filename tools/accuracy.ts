/**
 * What a precision costs a model: its next-token distributions against those of its own f32, and both perplexities.
 *
 *   deno task accuracy MODEL [TEXT] [--tokens 1536] [--chunk 512] [options of `remora run` that say how to load]
 *
 * TEXT is a file; without one, the text that lies beside the references of the model in `reference/text.txt`.
 *
 * @module
 */
import { markdownTable } from "../cli/figures.ts";
import { LOAD_OPTIONS, readLoadOptions } from "../cli/load_options.ts";
import { Options } from "../cli/options.ts";
import { note, ProgressBar } from "../cli/terminal.ts";
import { loadModel, type Model } from "../mod.ts";

/** Rows of logits kept at a time. */
const ROWS = 64;

/** How far a model is from its own f32, over all positions that have a next token. */
export interface Accuracy {
  positions: number;
  meanDivergence: number;
  /** Of the positions, 99 % diverge less. */
  p99Divergence: number;
  /** Share of positions whose likeliest token is that of f32. */
  agreement: number;
  perplexity: number;
  perplexityOfF32: number;
}

/** ln softmax of a row, in f64. */
function logProbabilities(row: Float32Array): Float64Array {
  const result = Float64Array.from(row);
  const largest = result.reduce((most, value) => Math.max(most, value), -Infinity);
  const sum = result.reduce((total, value) => total + Math.exp(value - largest), 0);
  const offset = largest + Math.log(sum);
  return result.map((value) => value - offset);
}

function likeliest(row: ArrayLike<number>): number {
  let best = 0;
  for (let id = 1; id < row.length; id++) if (row[id] > row[best]) best = id;
  return best;
}

/** Feeds the same chunks to both models and compares every row of logits. */
export async function compareModels(
  exact: Model,
  other: Model,
  ids: readonly number[],
  chunk: number,
  onProgress?: (share: number) => void,
): Promise<Accuracy> {
  using a = exact.createSequence();
  using b = other.createSequence();
  const divergences: number[] = [];
  let agreeing = 0, lossOfExact = 0, lossOfOther = 0;
  for (let begin = 0; begin < ids.length; begin += chunk) {
    a.truncate(0);
    b.truncate(0);
    const end = Math.min(begin + chunk, ids.length);
    for (let at = begin; at < end; at += ROWS) {
      const step = ids.slice(at, Math.min(at + ROWS, end));
      const wanted = await a.forward(step, { logits: "all" });
      const found = await b.forward(step, { logits: "all" });
      for (let row = 0; row < step.length && at + row + 1 < end; row++) {
        const [p, q] = [wanted, found].map(({ data, vocabSize }) =>
          logProbabilities(data.subarray(row * vocabSize, (row + 1) * vocabSize))
        );
        divergences.push(p.reduce((sum, log, id) => sum + Math.exp(log) * (log - q[id]), 0));
        if (likeliest(p) === likeliest(q)) agreeing++;
        lossOfExact -= p[ids[at + row + 1]];
        lossOfOther -= q[ids[at + row + 1]];
      }
      onProgress?.(at / ids.length);
    }
  }
  const positions = divergences.length;
  divergences.sort((x, y) => x - y);
  return {
    positions,
    meanDivergence: divergences.reduce((sum, value) => sum + value, 0) / positions,
    p99Divergence: divergences[Math.min(positions - 1, Math.floor(0.99 * positions))],
    agreement: agreeing / positions,
    perplexity: Math.exp(lossOfOther / positions),
    perplexityOfF32: Math.exp(lossOfExact / positions),
  };
}

if (import.meta.main) {
  const options = Options.parse(Deno.args, {
    ...LOAD_OPTIONS,
    tokens: { value: "N", help: "tokens of the text to compare; default: 1536" },
    chunk: { value: "N", help: "tokens fed to an empty sequence; default: 512" },
    json: { help: "one JSON object on stdout" },
  });
  const [directory, file = `${directory}/reference/text.txt`] = options.positionals;
  const chunk = options.integer("chunk", { from: 2 }) ?? 512;
  const load = { contextSize: chunk, ...readLoadOptions(options) };
  await using exact = await loadModel(directory, { ...load, precision: "f32" });
  await using other = await loadModel(directory, load);
  const ids = exact.tokenizer.encode(Deno.readTextFileSync(file), { addSpecialTokens: false })
    .slice(0, options.integer("tokens", { from: 2 }) ?? 1536);
  using bar = new ProgressBar("Comparing");
  const result = await compareModels(exact, other, ids, chunk, (share) => bar.show(share));
  bar[Symbol.dispose]();
  if (options.flag("json")) console.log(JSON.stringify(result));
  else {
    note(`${result.positions} positions of ${file}`);
    console.log(markdownTable([
      ["mean KL", "p99 KL", "likeliest token agrees", "perplexity", "of f32", "difference"],
      [
        result.meanDivergence.toFixed(5),
        result.p99Divergence.toFixed(4),
        `${(100 * result.agreement).toFixed(1)} %`,
        result.perplexity.toFixed(3),
        result.perplexityOfF32.toFixed(3),
        `${(100 * (result.perplexity / result.perplexityOfF32 - 1)).toFixed(2)} %`,
      ],
    ], [0, 1, 2, 3, 4, 5]));
  }
}
