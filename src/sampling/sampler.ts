/**
 * Choosing the next token from a row of logits.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";
import { exp, log } from "../core/mathematics.ts";
import { Random } from "./random.ts";
import { bestIndices, smallestPrefix, total } from "./selection.ts";

/**
 * How to choose. An absent option does nothing: with none given, tokens are drawn from the model's own
 * distribution (temperature 1). Defaults that suit a model come from the caller.
 */
export interface SamplingOptions {
  /** Divides the logits; 0 is greedy. Absent: 1, but greedy together with `topK: 1`. */
  temperature?: number;
  /** Keep the k likeliest tokens; 0 keeps all. */
  topK?: number;
  /** Keep the fewest likeliest tokens that hold this share of the probability, one at least, in [0, 1]. */
  topP?: number;
  /** Drop tokens less likely than this share of the likeliest one, in [0, 1]. */
  minP?: number;
  /** Keep the fewest tokens nearest to the expected surprise that hold this share, in (0, 1]. */
  typicalP?: number;
  /** Divides positive and multiplies negative logits of tokens in prompt or answer; above 0, 1 is off. */
  repeatPenalty?: number;
  /** Subtracted from the logits of tokens in the answer so far, in [-2, 2]. */
  presencePenalty?: number;
  /** Subtracted once per occurrence in the answer so far, in [-2, 2]. */
  frequencyPenalty?: number;
  /** Added to the logits of token ids; -Infinity bans. */
  logitBias?: Readonly<Record<number, number>> | ReadonlyMap<number, number>;
  /** Any safe integer. Absent: a random one, readable as {@linkcode Sampler.seed}. */
  seed?: number;
  /** Report the chosen token's log-probability, and those of this many likeliest tokens. */
  logprobs?: number;
}

/** Log-probability (natural logarithm) of one token. */
export interface TokenLogprob {
  id: number;
  logprob: number;
}

/** A chosen token; `logprob` and `top` (likeliest first) are there when `logprobs` was asked for. */
export interface Sample {
  id: number;
  logprob?: number;
  top?: TokenLogprob[];
}

/** Tokens still in the running and their unnormalised probabilities, the likeliest having 1. */
interface Candidates {
  ids: Int32Array;
  weights: Float64Array;
}

/**
 * Draws tokens under fixed options; one sampler belongs to one sequence, as it advances its random generator.
 *
 * Order: logit bias, penalties, temperature, top-k, top-p, min-p, typical-p, draw. This is the order of the
 * `transformers` library, whose settings model cards quote. Each filter sees the distribution that the
 * ones before it left, renormalised. The cheap, hard limit comes first so that the later ones see few tokens.
 * Ties go to the lower id.
 *
 * - Repeat penalty, as in CTRL (arXiv:1909.05858), transformers and llama.cpp: over prompt and answer, once per
 *   token.
 * - Presence and frequency penalty, as OpenAI's API defines them: over the answer only.
 * - Reported log-probabilities are those of the model itself: log-softmax of the unmodified logits, before
 *   bias, penalties, temperature and filters (the default of vLLM, `raw_logprobs`).
 *
 * Deterministic: the same options, seed and logits give the same tokens on every engine.
 */
export class Sampler {
  /** The seed in use, also when none was given. */
  readonly seed: number;
  readonly #options: SamplingOptions;
  readonly #bias: [number, number][];
  readonly #isGreedy: boolean;
  readonly #vocabSize: number;
  readonly #random: Random;
  #adjusted?: Float64Array;
  #everyId?: Int32Array;
  /** Of the candidates before they are filtered; kept, as a large vocabulary's are most of what a token would allocate. */
  #weights = new Float64Array();

  /**
   * @param vocabSize Length of the rows of logits to come.
   * @throws {RemoraError} `BAD_ARGUMENT`, naming the option that is out of its range.
   */
  constructor(options: SamplingOptions, vocabSize: number) {
    validate(options, vocabSize);
    this.#options = { ...options };
    this.#bias = biasEntries(options.logitBias);
    this.#vocabSize = vocabSize;
    this.#isGreedy = options.temperature === 0 || (options.temperature === undefined && options.topK === 1);
    this.seed = options.seed ?? crypto.getRandomValues(new Uint32Array(1))[0];
    this.#random = Random.fromSeed(this.seed);
  }

  /**
   * Chooses the next token.
   *
   * @param logits f32 [vocabSize], not modified. -Infinity excludes a token.
   * @param history Ids of prompt and answer so far; ids at or above vocabSize (image tokens) are skipped.
   * @param generatedFrom Index in `history` where the answer begins.
   * @param allowed A bit for each token that may be chosen; default: all may. Reported log-probabilities do not look at it.
   * @throws {RemoraError} `BAD_TENSOR` when a logit is NaN or +Infinity or none is left, `BAD_ARGUMENT` when the
   * row or `generatedFrom` do not fit.
   */
  sample(
    logits: Float32Array,
    history: ArrayLike<number>,
    generatedFrom: number,
    allowed?: Uint32Array,
  ): Sample {
    if (logits.length !== this.#vocabSize) {
      throw badArgument("logits", `${this.#vocabSize} values`, `${logits.length}`);
    }
    if (!isIntegerIn(generatedFrom, 0, history.length)) {
      throw badArgument("generatedFrom", `an index of the history, 0 to ${history.length}`, generatedFrom);
    }
    const scores = this.#adjust(logits, history, generatedFrom, allowed);
    const best = likeliest(scores);
    const id = this.#isGreedy ? best : this.#draw(scores, scores[best]);
    return this.#options.logprobs === undefined ? { id } : report(logits, id, this.#options.logprobs);
  }

  /** Advances as if so many tokens had been chosen. */
  skip(tokens: number): void {
    if (this.#isGreedy) return;
    for (let i = 0; i < tokens; i++) this.#random.nextFloat();
  }

  /** The logits after bias and penalties; the very same array when there is nothing to change. */
  #adjust(
    logits: Float32Array,
    history: ArrayLike<number>,
    generatedFrom: number,
    allowed: Uint32Array | undefined,
  ): Float32Array | Float64Array {
    const { repeatPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 } = this.#options;
    const repeats = repeatPenalty !== 1;
    const counts = presencePenalty !== 0 || frequencyPenalty !== 0;
    if (this.#bias.length === 0 && !repeats && !counts && !allowed) return logits;

    const scores = this.#adjusted ??= new Float64Array(this.#vocabSize);
    scores.set(logits);
    if (allowed) {
      for (let id = 0; id < scores.length; id++) {
        if ((allowed[id >> 5] >>> (id & 31) & 1) === 0) scores[id] = -Infinity;
      }
    }
    for (const [id, bias] of this.#bias) scores[id] += bias;
    if (repeats) {
      for (const id of tally(history, 0, this.#vocabSize).keys()) {
        scores[id] = scores[id] < 0 ? scores[id] * repeatPenalty : scores[id] / repeatPenalty;
      }
    }
    if (counts) {
      for (const [id, count] of tally(history, generatedFrom, this.#vocabSize)) {
        scores[id] -= presencePenalty + frequencyPenalty * count;
      }
    }
    return scores;
  }

  /** Filters the candidates and draws one. */
  #draw(scores: Float32Array | Float64Array, highest: number): number {
    const { temperature = 1, topK = 0, topP = 1, minP = 0, typicalP = 1 } = this.#options;
    const ids = topK > 0 && topK < scores.length
      ? bestIndices(scores, topK)
      : this.#everyId ??= Int32Array.from({ length: scores.length }, (_, id) => id);
    if (this.#weights.length !== ids.length) this.#weights = new Float64Array(ids.length);
    const weights = this.#weights;
    for (let i = 0; i < ids.length; i++) weights[i] = exp((scores[ids[i]] - highest) / temperature);

    let candidates: Candidates = { ids, weights };
    if (topP < 1) candidates = keep(candidates, smallestPrefix(weights, weights, topP));
    if (minP > 0) candidates = keep(candidates, atLeast(candidates.weights, minP));
    if (typicalP < 1) {
      candidates = keep(
        candidates,
        smallestPrefix(typicality(candidates.weights), candidates.weights, typicalP),
      );
    }
    return pick(candidates, this.#random.nextFloat());
  }
}

/** Index of the highest score, the lowest of equals. */
function likeliest(scores: ArrayLike<number>): number {
  let best = 0;
  for (let id = 0; id < scores.length; id++) {
    // Written so that NaN takes the branch as well: one comparison per token finds both.
    if (scores[id] <= scores[best] && id > 0) continue;
    if (scores[id] !== scores[id] || scores[id] === Infinity) {
      throw badLogits(`${scores[id]} for token ${id}`);
    }
    best = id;
  }
  if (scores[best] === -Infinity) throw badLogits("-Infinity for every token");
  return best;
}

function badLogits(found: string): RemoraError {
  return new RemoraError("BAD_TENSOR", "Cannot sample from", {
    tensor: "logits",
    expected: "finite logits",
    found,
  });
}

/** How often each id occurs in history[from…]. */
function tally(history: ArrayLike<number>, from: number, vocabSize: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (let i = from; i < history.length; i++) {
    const id = history[i];
    if (id < vocabSize) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

function keep({ ids, weights }: Candidates, positions: Int32Array): Candidates {
  const kept = { ids: new Int32Array(positions.length), weights: new Float64Array(positions.length) };
  for (let i = 0; i < positions.length; i++) {
    kept.ids[i] = ids[positions[i]];
    kept.weights[i] = weights[positions[i]];
  }
  return kept;
}

function atLeast(weights: Float64Array, threshold: number): Int32Array {
  const positions = new Int32Array(weights.length);
  let count = 0;
  // The likeliest token has weight 1 and survives top-k and top-p, so the threshold is relative to it.
  for (let i = 0; i < weights.length; i++) if (weights[i] >= threshold) positions[count++] = i;
  return positions.subarray(0, count);
}

/** Minus the distance of each token's surprise from the entropy (Meister et al., arXiv:2202.00666). */
function typicality(weights: Float64Array): Float64Array {
  const sum = total(weights);
  const surprise = weights.map((weight) => -log(weight / sum));
  let entropy = 0;
  for (let i = 0; i < weights.length; i++) if (weights[i] > 0) entropy += weights[i] / sum * surprise[i];
  return surprise.map((value) => value > entropy ? entropy - value : value - entropy);
}

/** The candidate at `u` in [0, 1) of the cumulative weight. */
function pick({ ids, weights }: Candidates, u: number): number {
  let rest = u * total(weights);
  let last = 0;
  for (let i = 0; i < ids.length; i++) {
    if (weights[i] === 0) continue;
    last = i;
    rest -= weights[i];
    if (rest < 0) break;
  }
  return ids[last];
}

function report(logits: Float32Array, id: number, count: number): Sample {
  const highest = logits[likeliest(logits)];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += exp(logits[i] - highest);
  const normaliser = highest + log(sum);
  const top = Array.from(bestIndices(logits, count), (best) => ({
    id: best,
    logprob: logits[best] - normaliser,
  }));
  return { id, logprob: logits[id] - normaliser, top };
}

function validate(options: SamplingOptions, vocabSize: number): void {
  if (!isIntegerIn(vocabSize, 1, Infinity)) throw badArgument("vocabSize", "a positive integer", vocabSize);
  const check = (name: keyof SamplingOptions, isGood: (x: number) => boolean, expected: string) => {
    const value = options[name];
    if (value !== undefined && !(typeof value === "number" && isGood(value))) {
      throw badArgument(name, expected, value);
    }
  };
  check("temperature", (x) => x >= 0 && x < Infinity, "a finite number of at least 0");
  check("topK", (x) => isIntegerIn(x, 0, Infinity), "an integer of at least 0");
  check("topP", (x) => x >= 0 && x <= 1, "a number from 0 to 1");
  check("minP", (x) => x >= 0 && x <= 1, "a number from 0 to 1");
  check("typicalP", (x) => x > 0 && x <= 1, "a number above 0, at most 1");
  check("repeatPenalty", (x) => x > 0 && x < Infinity, "a finite number above 0");
  check("presencePenalty", (x) => x >= -2 && x <= 2, "a number from -2 to 2");
  check("frequencyPenalty", (x) => x >= -2 && x <= 2, "a number from -2 to 2");
  check("seed", Number.isSafeInteger, "an integer");
  check("logprobs", (x) => isIntegerIn(x, 0, vocabSize), `an integer from 0 to ${vocabSize}`);
  const { logitBias } = options;
  if (logitBias !== undefined && (typeof logitBias !== "object" || logitBias === null)) {
    throw badArgument("logitBias", "a map from token ids to numbers", logitBias);
  }
  for (const [id, bias] of biasEntries(logitBias)) {
    if (!isIntegerIn(id, 0, vocabSize - 1)) {
      throw badArgument("logitBias", `token ids from 0 to ${vocabSize - 1}`, id);
    }
    if (typeof bias !== "number" || !(bias < Infinity)) {
      throw badArgument("logitBias", "finite numbers or -Infinity", bias);
    }
  }
}

function biasEntries(bias: SamplingOptions["logitBias"]): [number, number][] {
  if (bias === undefined) return [];
  if (bias instanceof Map) return [...bias];
  return Object.entries(bias).map(([id, value]) => [Number(id), value]);
}

function isIntegerIn(value: number, lowest: number, highest: number): boolean {
  return Number.isInteger(value) && value >= lowest && value <= highest;
}

function badArgument(name: string, expected: string, found: unknown): RemoraError {
  return new RemoraError("BAD_ARGUMENT", `Cannot sample with this ${name}`, {
    expected,
    found: String(found),
  });
}
