/**
 * Attention, one query after the other over all its keys, no blocks.
 *
 * @module
 */
import { EXP_ROUNDINGS } from "./normalisation.ts";
import { type Bounded, bounded, gamma, TINY } from "./rounding.ts";

/** A sequence: queries [T][heads · size], keys and values [T][kvHeads · size]. */
export interface AttentionProblem {
  queries: Float32Array[];
  keys: Float32Array[];
  values: Float32Array[];
  heads: number;
  kvHeads: number;
  headSize: number;
  scale: number;
  /** Tokens a query can look back on, itself included; 0: all. */
  window: number;
  /** Where keys, values and queries are integers: the integer that the largest element of a head becomes. */
  limits?: Record<"keys" | "values" | "queries", (vector: Float32Array) => number> & {
    /** The same for the weights of a block; default: 8,180. */
    weights?: number;
  };
}

/**
 * Output [heads · size] of the token at `position`.
 *
 * Bound. A score is a sum of d products, times the scale: δ = γ(d + 1) · scale · Σ|q · k|, the largest of the row counts
 * for all. A weight e^(s − max) is off by ε = 2δ (its score, the maximum) + the subtraction's rounding, u · range, and 4
 * units of exp. A running softmax rescales it once a block: at most ⌈T / 32⌉ + 1 further factors whose exponents
 * telescope to at most the range, each with 4 units and a product: in all
 * ε = 2δ + γ(2 · range + (B + 1) · 5 + 4). Numerator and denominator suffer ε each and at most T + B additions and one
 * product; a reciprocal and a product follow: (2ε + γ(2(T + B) + 4)) · Σ p|v|. Weights below e^-87.33 may be 0.
 *
 * Integers (`limits`) are off by half a scale, max |x| / limit, each (and by the rounding of quotient and product, far below a
 * hundredth of it): a score by scale · Σ (|q| + e_q) e_k + e_q |k|, a value by e_v; weights times value scales are integers once
 * more, the largest 8,180 (or `limits.weights`) in its block, so a term is off by another 0.51 / 8,180 of the largest p · max |v|.
 */
export function attentionRow(problem: AttentionProblem, position: number): Bounded {
  const { window } = problem;
  const first = window > 0 ? Math.max(0, position + 1 - window) : 0;
  return attentionOver(problem, position, Array.from({ length: position + 1 - first }, (_, i) => first + i));
}

/** The same with the keys and values of any tokens. */
export function attentionOver(
  problem: AttentionProblem,
  position: number,
  tokens: readonly number[],
): Bounded {
  const { heads, kvHeads, headSize, scale } = problem;
  const count = tokens.length;
  // Blocks that are not full take more steps, at most one a token.
  const blocks = Math.min(count, Math.ceil(problem.keys.length / 32) + 1);
  const result = bounded(heads * headSize);
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor(head / (heads / kvHeads));
    const query = (d: number) => problem.queries[position][head * headSize + d];
    const scores = new Float64Array(count);
    let magnitude = 0, coding = 0;
    const { limits } = problem;
    const vectorOf = (rows: Float32Array[], token: number, h: number) =>
      rows[token].subarray(h * headSize, (h + 1) * headSize);
    const errorOf = (vector: Float32Array, limit?: (vector: Float32Array) => number) =>
      limit === undefined ? 0 : 0.51 * largestMagnitude(vector) / limit(vector);
    const queryError = errorOf(vectorOf(problem.queries, position, head), limits?.queries);
    for (let i = 0; i < count; i++) {
      let absolute = 0;
      const keyError = errorOf(vectorOf(problem.keys, tokens[i], kvHead), limits?.keys);
      let coded = 0;
      for (let d = 0; d < headSize; d++) {
        const key = Math.abs(problem.keys[tokens[i]][kvHead * headSize + d]);
        coded += scale * ((Math.abs(query(d)) + queryError) * keyError + queryError * key);
      }
      coding = Math.max(coding, coded);
      for (let d = 0; d < headSize; d++) {
        const term = query(d) * problem.keys[tokens[i]][kvHead * headSize + d] * scale;
        scores[i] += term;
        absolute += Math.abs(term);
      }
      magnitude = Math.max(magnitude, absolute);
    }
    const largest = Math.max(...scores);
    const range = largest - Math.min(...scores);
    const weights = scores.map((score) => Math.exp(score - largest));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const exponent = 2 * coding + 2 * gamma(headSize + 1) * magnitude +
      gamma(2 * range + (blocks + 1) * (EXP_ROUNDINGS + 1) + EXP_ROUNDINGS);
    const relative = 2 * Math.expm1(exponent) + gamma(2 * (count + blocks) + 4);
    const largestOf = (i: number) => largestMagnitude(vectorOf(problem.values, tokens[i], kvHead));
    const largestTerm = limits ? Math.max(...weights.map((weight, i) => weight / total * largestOf(i))) : 0;
    const weightError = 0.51 / (limits?.weights ?? 8180) * largestTerm * count * Math.exp(exponent);
    const valueErrors = tokens.map((token) =>
      errorOf(vectorOf(problem.values, token, kvHead), limits?.values)
    );
    for (let d = 0; d < headSize; d++) {
      let value = 0, absolute = 0, valueCoding = 0;
      for (let i = 0; i < count; i++) {
        const term = weights[i] / total * problem.values[tokens[i]][kvHead * headSize + d];
        value += term;
        valueCoding += weights[i] / total * valueErrors[i];
        absolute += Math.abs(term) + TINY * Math.abs(problem.values[tokens[i]][kvHead * headSize + d]);
      }
      result.values[head * headSize + d] = value;
      result.bounds[head * headSize + d] = relative * absolute + (1 + relative) * valueCoding + weightError +
        TINY * count;
    }
  }
  return result;
}

function largestMagnitude(vector: Float32Array): number {
  return vector.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
}
