/**
 * A sequence's keys and values in kernel memory, and attention over them.
 *
 * @module
 */
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { AttentionProblem } from "../reference/attention.ts";
import type { Bench } from "./harness.ts";
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
  readonly #table: number;
  readonly #scratch: number;
  readonly #scratchBytes: number;

  constructor(bench: Bench, problem: AttentionProblem) {
    const { arena, kernels } = bench;
    this.#bench = bench;
    this.#problem = problem;
    const count = Math.ceil(problem.keys.length / KV_BLOCK_TOKENS);
    const bytes = problem.kvHeads * 2 * problem.headSize * KV_BLOCK_TOKENS * 4;
    // What no token has written is zero, as the heap hands it out.
    const blocks = Array.from({ length: count }, () => arena.place(new Uint8Array(bytes))).reverse();
    this.#table = arena.place(Uint32Array.from(blocks));
    this.#scratchBytes = 4 * 4 * (KV_BLOCK_TOKENS + problem.headSize + 2);
    this.#scratch = arena.reserve(this.#scratchBytes * kernels.team.size);
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
    kernels.storeKeysValues(
      keyAddress,
      stride,
      valueAddress,
      stride,
      this.#table,
      begin,
      rows,
      kvHeads,
      headSize,
    );
    const output = arena.result(rows * queryWidth);
    kernels.attention({
      queries: fused,
      queryStride: stride,
      table: this.#table,
      visible: { start: begin, window },
      rows,
      heads,
      kvHeads,
      headSize,
      scale,
      output: output.address,
      outputStride: queryWidth * 4,
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
      queries: arena.floats(queries.slice(0, rows).flatMap((query) => [...query])),
      queryStride: width * 4,
      table: this.#table,
      visible: { counts: arena.place(Int32Array.from(counts)), blocks: counts.length },
      rows,
      heads,
      kvHeads,
      headSize,
      scale,
      output: output.address,
      outputStride: width * 4,
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
    const visible = { counts: arena.place(Int32Array.from(counts)), blocks: counts.length };
    const query = arena.place(queries[row]);
    kernels.attentionWeights(query, this.#table, visible, heads, kvHeads, headSize, scale, weights.address);
    const all = weights.read();
    return Array.from({ length: heads }, (_, head) => all.slice(head * tokens, (head + 1) * tokens));
  }

  /** Appends pieces of the given lengths, one behind the other, and returns all their attention. */
  appendAll(pieces: number[]): Float32Array {
    let begin = 0;
    return Float32Array.from(pieces.flatMap((length) => [...this.append(begin, begin += length)]));
  }
}
