/**
 * Whether attention in bytes gives the same bits in all its forms: 256 bits are an experiment of the engine.
 *
 * @module
 */
import { RemoraError } from "../../src/core/errors.ts";
import { KV_BLOCK_TOKENS } from "../shared/layout.ts";
import type { KernelCalls } from "./calls.ts";
import type { KernelMemory } from "./memory.ts";
import type { KernelVariant } from "./modules.ts";
import { inputAt, type ProductForm } from "./product_trial.ts";
import { byteAttentionScratchBytes, keyValueBlockBytes } from "./sizes.ts";

/** A head that takes a piece of 64 columns and one of 16, a second tile that is not whole, a last block that is not. */
const ROWS = 6, HEAD_SIZE = 70, BLOCKS = 2, LAST_COUNT = 21;

/** Kernels that are checked. */
type Checked = KernelCalls & { readonly memory: KernelMemory; readonly variant: KernelVariant };

/**
 * Compares all forms with the plain one, whose arithmetic is that of products and f32.
 *
 * @param wideScratch Scratch of the wide tiles, or 0 where there are none.
 * @throws {RemoraError} UNSUPPORTED when they differ.
 */
export function checkAttention(kernels: Checked, wideScratch: number): void {
  const { memory } = kernels;
  const floats = BLOCKS * KV_BLOCK_TOKENS * HEAD_SIZE, outputs = ROWS * HEAD_SIZE;
  const blockBytes = keyValueBlockBytes({ kvHeads: 1, headSize: HEAD_SIZE, keyValueType: "int7" });
  const scratchBytes = byteAttentionScratchBytes(HEAD_SIZE);
  const sizes = [floats * 4, outputs * 4, BLOCKS * blockBytes, BLOCKS * 4, BLOCKS * 4, scratchBytes];
  const room = sizes.reduce((sum, bytes) => sum + aligned(bytes), 0), piece = memory.allocate(room);
  let end = piece;
  const [vectors, result, blocks, table, counts, scratch] = sizes.map((bytes) =>
    (end += aligned(bytes)) - aligned(bytes)
  );
  memory.floatsAt(vectors, floats).forEach((_, i, all) => all[i] = inputAt(i));
  memory.wordsAt(table, BLOCKS).set([blocks, blocks + blockBytes]);
  memory.wordsAt(counts, BLOCKS).set([KV_BLOCK_TOKENS, LAST_COUNT]);
  const [input, output] = [vectors, result].map((address) => ({ address, stride: HEAD_SIZE * 4 }));
  const shape = { heads: 1, headSize: HEAD_SIZE, table };
  kernels.storeBytes({ ...shape, keys: input, values: input, start: 0, rows: BLOCKS * KV_BLOCK_TOKENS });
  const bitsOf = ({ dot32, wideScratch }: ProductForm) => {
    const form = { dot32, isWide: wideScratch > 0 };
    // One head of few rows is the work of one thread, so there is scratch for one.
    kernels.attendBytes({
      ...shape,
      ...form,
      queries: input,
      counts,
      blocks: BLOCKS,
      rows: ROWS,
      scale: HEAD_SIZE ** -0.5,
      output,
      scratch,
      scratchBytes,
    });
    return memory.wordsAt(result, outputs).join();
  };
  try {
    const expected = bitsOf({ dot32: false, wideScratch: 0 });
    const dots = kernels.variant === "strict" ? [false] : [false, true];
    for (const scratch of wideScratch ? [0, wideScratch] : [0]) {
      for (const dot32 of dots) {
        if (bitsOf({ dot32, wideScratch: scratch }) === expected) continue;
        throw new RemoraError("UNSUPPORTED", "Cannot trust this engine's arithmetic", {
          expected: `the same attention in all forms (${scratch ? "wide" : "plain"}${
            dot32 ? ", 32-bit dot" : ""
          })`,
          found: "other bits; run without --experimental-wasm-revectorize",
        });
      }
    }
  } finally {
    memory.free(piece, room);
  }
}

/** To a cache line. */
function aligned(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}
