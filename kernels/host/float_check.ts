/**
 * Whether the wide tile of floats gives the bits of the plain one: 256 bits are an experiment of the engine.
 *
 * @module
 */
import { RemoraError } from "../../src/core/errors.ts";
import type { KernelCalls } from "./calls.ts";
import type { KernelMemory } from "./memory.ts";
import { inputAt } from "./product_trial.ts";

/** Two runs of inputs, three pairs of panels, a row that makes no tile. */
const ROWS = 9, INPUTS = 128, OUTPUTS = 48;

/** What is checked. */
type Checked = KernelCalls & {
  readonly memory: KernelMemory;
  withoutWorkers<T>(work: () => T): T;
};

/**
 * The calling thread computes alone: shared by many, no thread would have a pair of panels, which the wide tile takes.
 *
 * @param wideScratch Scratch of the wide tiles, or 0 where there are none.
 * @throws {RemoraError} UNSUPPORTED when they differ.
 */
export function checkFloats(kernels: Checked, wideScratch: number): void {
  if (!wideScratch) return;
  const { memory } = kernels, sizes = [ROWS * INPUTS, INPUTS * OUTPUTS, ROWS * OUTPUTS];
  const bytes = sizes.reduce((sum, count) => sum + count * 4, 0), piece = memory.allocate(bytes);
  let end = piece;
  const [input, weights, output] = sizes.map((count) => (end += count * 4) - count * 4);
  memory.floatsAt(piece, sizes[0] + sizes[1]).forEach((_, i, all) => all[i] = inputAt(i));
  const bitsOf = (scratch: number) => {
    const call = {
      wideScratch: scratch,
      input: { address: input, stride: INPUTS * 4 },
      weights,
      weightType: "f32",
      bias: 0,
      rows: ROWS,
      outputs: OUTPUTS,
      inputs: INPUTS,
      accumulate: false,
      output: { address: output, stride: OUTPUTS * 4 },
    } as const;
    kernels.withoutWorkers(() => kernels.matmulDense(call));
    return memory.wordsAt(output, ROWS * OUTPUTS).join();
  };
  try {
    if (bitsOf(wideScratch) === bitsOf(0)) return;
    throw new RemoraError("UNSUPPORTED", "Cannot trust this engine's arithmetic", {
      expected: "the same product of floats in all forms (wide)",
      found: "other bits; run without --experimental-wasm-revectorize",
    });
  } finally {
    memory.free(piece, bytes);
  }
}
