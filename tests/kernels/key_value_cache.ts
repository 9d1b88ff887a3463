/**
 * A sequence's keys and values in kernel memory, and attention over them.
 *
 * @module
 */
import { attentionScratchBytes, keyValueBlockBytes } from "../../kernels/host/sizes.ts";
import type { KeyValueType } from "../../kernels/host/types.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { AttentionProblem } from "../reference/attention.ts";
import { type Bench, strided } from "./harness.ts";
import type { Random } from "./random.ts";

/** Queries, keys and values of `tokens` tokens. */
export function drawSequence(
  random: Random,
  tokens: number,
  shape: Omit<AttentionProblem, "queries" | "keys" | "values" | "scale">,
): AttentionProblem {
  const { heads, kvHeads, headSize } = shape;
  const draw = (width: number) => Array.from({ length: tokens }, () => random.activations(width));
  return {
    ...shape,
    scale: Math.fround(headSize ** -0.5),
    queries: draw(heads * headSize),
    keys: draw(kvHeads * headSize),
    values: draw(kvHeads * headSize),
  };
}

/** Blocks in an order that is not the tokens'. */
export class Cache {
  readonly #bench: Bench;
  readonly #problem: AttentionProblem;
  readonly #keyValueType: KeyValueType;
  readonly #table: number;
  readonly #scratch: number;
  readonly #scratchBytes: number;

  constructor(bench: Bench, problem: AttentionProblem, keyValueType: KeyValueType = "f32") {
    const { arena, kernels } = bench;
    this.#bench = bench;
    this.#problem = problem;
    this.#keyValueType = keyValueType;
    const count = Math.ceil(problem.keys.length / KV_BLOCK_TOKENS);
    const bytes = keyValueBlockBytes({ ...problem, keyValueType });
    // What no token has written is zero, as the memory hands it out; coded blocks bear anything.
    const blocks = Array.from({ length: count }, () => {
      return arena.place(new Uint8Array(bytes).fill(keyValueType === "f32" ? 0 : 0xff));
    }).reverse();
    this.#table = arena.place(Uint32Array.from(blocks));
    this.#scratchBytes = attentionScratchBytes(problem.headSize);
    this.#scratch = arena.reserve(this.#scratchBytes * kernels.threads);
  }

  /** Stores the keys and values of tokens [begin, end) and returns their attention, f32 [end − begin, heads · size]. */
  append(begin: number, end: number): Float32Array {
    const { arena, kernels } = this.#bench;
    const { queries, keys, values, heads, kvHeads, headSize, scale, window } = this.#problem;
    const rows = end - begin;
    const queryWidth = heads * headSize, width = queryWidth + 2 * kvHeads * headSize;
    const fused = arena.floats(
      Array.from(
        { length: rows },
        (_, m) => [...queries[begin + m], ...keys[begin + m], ...values[begin + m]],
      )
        .flat(),
    );
    const keyAddress = fused + queryWidth * 4, valueAddress = keyAddress + kvHeads * headSize * 4;
    const stride = width * 4;
    kernels.storeKeysValues({
      keys: { address: keyAddress, stride },
      values: { address: valueAddress, stride },
      keyValueType: this.#keyValueType,
      start: begin,
      rows,
      heads: kvHeads,
      headSize,
      table: this.#table,
    });
    const output = arena.result(rows * queryWidth);
    kernels.attention({
      queries: { address: fused, stride },
      table: this.#table,
      counts: 0,
      keyValueType: this.#keyValueType,
      blocks: 0,
      start: begin,
      window,
      rows,
      heads,
      kvHeads,
      headSize,
      scale,
      isWide: kernels.form.wideScratch > 0,
      output: strided(output.address, queryWidth),
      scratch: this.#scratch,
      scratchBytes: this.#scratchBytes,
    });
    return output.read();
  }

  /**
   * Attention of the first `rows` queries, each to the first counts[b] tokens of every block; the tokens must be there.
   */
  seeCommon(rows: number, counts: readonly number[]): Float32Array {
    const { arena, kernels } = this.#bench;
    const { queries, heads, kvHeads, headSize, scale } = this.#problem;
    const width = heads * headSize;
    const output = arena.result(rows * width);
    kernels.attention({
      queries: strided(arena.floats(queries.slice(0, rows).flatMap((query) => [...query])), width),
      table: this.#table,
      counts: arena.place(Int32Array.from(counts)),
      keyValueType: this.#keyValueType,
      blocks: counts.length,
      start: 0,
      window: 0,
      rows,
      heads,
      kvHeads,
      headSize,
      scale,
      isWide: kernels.form.wideScratch > 0,
      output: strided(output.address, width),
      scratch: this.#scratch,
      scratchBytes: this.#scratchBytes,
    });
    return output.read();
  }

  /** The weights, f32 [heads][blocks · KV_BLOCK_TOKENS], of one query over the first counts[b] tokens of every block. */
  weightsOf(row: number, counts: readonly number[]): Float32Array[] {
    const { arena, kernels } = this.#bench;
    const { queries, heads, kvHeads, headSize, scale } = this.#problem;
    const tokens = counts.length * KV_BLOCK_TOKENS;
    const weights = arena.result(heads * tokens);
    kernels.attentionWeights({
      query: arena.place(queries[row]),
      table: this.#table,
      counts: arena.place(Int32Array.from(counts)),
      keyValueType: this.#keyValueType,
      blocks: counts.length,
      heads,
      kvHeads,
      headSize,
      scale,
      weights: weights.address,
    });
    const all = weights.read();
    return Array.from({ length: heads }, (_, head) => all.slice(head * tokens, (head + 1) * tokens));
  }

  /** Appends pieces of the given lengths, one after the other, and returns all their attention. */
  appendAll(pieces: number[]): Float32Array {
    let begin = 0;
    return Float32Array.from(pieces.flatMap((length) => [...this.append(begin, begin += length)]));
  }
}
