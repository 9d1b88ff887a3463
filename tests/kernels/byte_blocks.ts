/**
 * Keys and values in bytes in kernel memory, and attention over them.
 *
 * @module
 */
import { byteAttentionScratchBytes, keyValueBlockBytes } from "../../kernels/host/sizes.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import type { AttentionProblem } from "../reference/attention.ts";
import { type Bench, strided } from "./harness.ts";

/** Blocks with all tokens of a problem, whose heads have keys and values of their own. */
export class ByteBlocks {
  readonly #bench: Bench;
  readonly #problem: AttentionProblem;
  readonly #blocks: readonly number[];
  readonly #bytes: number;
  readonly #table: number;

  /** @param pieces Tokens that are stored at a time; in all as many as there are. */
  constructor(bench: Bench, problem: AttentionProblem, pieces = [problem.keys.length]) {
    const { arena, kernels } = bench;
    const { keys, values, heads, headSize } = problem;
    this.#bench = bench;
    this.#problem = problem;
    this.#bytes = keyValueBlockBytes({ kvHeads: heads, headSize, keyValueType: "int7" });
    // What no token has written may be anything.
    this.#blocks = Array.from({ length: Math.ceil(keys.length / KV_BLOCK_TOKENS) }, () => {
      return arena.place(new Uint8Array(this.#bytes).fill(0xff));
    }).reverse();
    this.#table = arena.place(Uint32Array.from(this.#blocks));
    const width = heads * headSize;
    const place = (rows: Float32Array[]) => strided(arena.floats(rows.flatMap((row) => [...row])), width);
    let start = 0;
    for (const rows of pieces) {
      const own = {
        keys: place(keys.slice(start, start + rows)),
        values: place(values.slice(start, start + rows)),
      };
      kernels.storeBytes({ ...own, start, rows, heads, headSize, table: this.#table });
      start += rows;
    }
  }

  /** The blocks as they lie in memory, in the order of the tokens. */
  get bytes(): Uint8Array {
    return Uint8Array.from(this.#blocks.flatMap((block) => [...this.#bench.arena.bytes(block, this.#bytes)]));
  }

  /** Attention of the queries [begin, end), each to the first counts[b] tokens of every block. */
  attend(begin: number, end: number, counts: readonly number[]): Float32Array {
    const { arena, kernels } = this.#bench;
    const { queries, heads, headSize, scale } = this.#problem;
    const width = heads * headSize, rows = end - begin, output = arena.result(rows * width);
    const scratchBytes = byteAttentionScratchBytes(headSize), { dot32, wideScratch } = kernels.form;
    kernels.attendBytes({
      queries: strided(arena.floats(queries.slice(begin, end).flatMap((query) => [...query])), width),
      table: this.#table,
      counts: arena.place(Int32Array.from(counts)),
      blocks: counts.length,
      rows,
      heads,
      headSize,
      scale,
      dot32,
      isWide: wideScratch > 0,
      output: strided(output.address, width),
      scratch: arena.reserve(scratchBytes * kernels.threads),
      scratchBytes,
    });
    return output.read();
  }
}
