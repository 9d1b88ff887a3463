/**
 * How well a model foresees tokens, and how far its distributions are from those of a reference.
 *
 * @module
 */
import { type Model, RemoraError } from "../mod.ts";
import type { Window } from "./text_windows.ts";

/** Rows of logits kept at a time; those of a whole context can take gigabytes. */
const ROWS = 64;

/** Logits, f32 [targets, vocabulary], and the tokens that came next. */
export interface ScoredRows {
  readonly targets: readonly number[];
  readonly vocabSize: number;
  readonly data: Float32Array;
}

/** The logits of a reference for the same rows, called for one piece after the other. */
export type Reference = (piece: ScoredRows) => Promise<Float32Array> | Float32Array;

/** How well tokens were foreseen. */
export interface Perplexity {
  /** Tokens that were scored. */
  scored: number;
  perplexity: number;
  /** Of the perplexity, from the deviation of the tokens' logarithms. */
  standardError: number;
}

/** How far a model's distributions are from those of a reference, over all scored tokens. */
export interface Divergence {
  perplexityOfReference: number;
  /** Of the divergences KL(reference ‖ model), in nats. */
  mean: number;
  median: number;
  /** Of the tokens, 99 % diverge less. */
  p99: number;
  largest: number;
  /** Share of tokens where the likeliest is that of the reference. */
  agreement: number;
}

/** What scoring finds. */
export interface Score extends Perplexity {
  divergence?: Divergence;
}

/** Feeds the windows to empty sequences and gives the logits of scored tokens, piece by piece. */
export async function* scoredRows(
  model: Model,
  windows: readonly Window[],
  signal?: AbortSignal,
): AsyncGenerator<ScoredRows, void, void> {
  using sequence = model.createSequence();
  for (const { ids, from } of windows) {
    sequence.truncate(0);
    if (from > 1) await sequence.forward(ids.slice(0, from - 1), { logits: "none", signal });
    for (let at = from; at < ids.length; at += ROWS) {
      const targets = ids.slice(at, at + ROWS);
      const rows = ids.slice(at - 1, at - 1 + targets.length);
      const { vocabSize, data } = await sequence.forward(rows, { logits: "all", signal });
      yield { targets, vocabSize, data };
    }
  }
}

/** Another model as the reference; the windows are those that are scored. */
export function modelReference(
  model: Model,
  windows: readonly Window[],
  signal?: AbortSignal,
): Reference {
  const rows = scoredRows(model, windows, signal);
  return async ({ vocabSize }) => {
    const { value } = await rows.next();
    if (value?.vocabSize === vocabSize) return value.data;
    throw new RemoraError("BAD_ARGUMENT", "Cannot compare with the other model", {
      expected: `a vocabulary of ${vocabSize}`,
      found: `${value?.vocabSize ?? "none"}`,
    });
  };
}

/**
 * Scores rows, against those of a reference where there is one.
 *
 * @param onPiece Told each piece when it is scored.
 */
export async function score(
  rows: AsyncIterable<ScoredRows>,
  reference?: Reference,
  onPiece?: (piece: ScoredRows) => void,
): Promise<Score> {
  const tally = new Tally(), tallyOfReference = new Tally();
  const divergences: number[] = [];
  let agreeing = 0;
  for await (const piece of rows) {
    const { targets, vocabSize } = piece;
    const other = await reference?.(piece);
    for (const [i, target] of targets.entries()) {
      const row = logProbabilities(piece.data.subarray(i * vocabSize, (i + 1) * vocabSize));
      tally.add(-row[target]);
      if (!other) continue;
      const wanted = logProbabilities(other.subarray(i * vocabSize, (i + 1) * vocabSize));
      tallyOfReference.add(-wanted[target]);
      divergences.push(divergenceOf(wanted, row));
      if (likeliest(wanted) === likeliest(row)) agreeing++;
    }
    onPiece?.(piece);
  }
  if (!reference) return tally.result();
  divergences.sort((a, b) => a - b);
  const at = (share: number) =>
    divergences[Math.min(divergences.length - 1, Math.floor(share * divergences.length))];
  return {
    ...tally.result(),
    divergence: {
      perplexityOfReference: tallyOfReference.result().perplexity,
      mean: divergences.reduce((sum, value) => sum + value, 0) / divergences.length,
      median: at(0.5),
      p99: at(0.99),
      largest: divergences[divergences.length - 1],
      agreement: agreeing / divergences.length,
    },
  };
}

/** Losses, −ln p of the tokens that came. */
class Tally {
  #count = 0;
  #sum = 0;
  #squares = 0;

  add(loss: number): void {
    this.#count++;
    this.#sum += loss;
    this.#squares += loss * loss;
  }

  result(): Perplexity {
    const scored = this.#count, mean = this.#sum / scored;
    const variance = scored > 1 ? Math.max(0, this.#squares - scored * mean * mean) / (scored - 1) : 0;
    const perplexity = Math.exp(mean);
    // exp is its own derivative, so an error of the mean is magnified by the perplexity.
    return { scored, perplexity, standardError: perplexity * Math.sqrt(variance / scored) };
  }
}

/** ln softmax of a row, in f64. */
function logProbabilities(row: Float32Array): Float64Array {
  let largest = -Infinity, sum = 0;
  for (const value of row) if (value > largest) largest = value;
  for (const value of row) sum += Math.exp(value - largest);
  const offset = largest + Math.log(sum);
  return Float64Array.from(row, (value) => value - offset);
}

/** KL(p ‖ q) of logarithms. */
function divergenceOf(p: Float64Array, q: Float64Array): number {
  let sum = 0;
  for (let id = 0; id < p.length; id++) {
    const probability = Math.exp(p[id]);
    // A token that cannot come adds nothing, whatever the other model thinks of it.
    if (probability > 0) sum += probability * (p[id] - q[id]);
  }
  return sum;
}

function likeliest(row: ArrayLike<number>): number {
  let best = 0;
  for (let id = 1; id < row.length; id++) if (row[id] > row[best]) best = id;
  return best;
}
