/**
 * From the meaning of a matrix to the memory of the kernels, by way of a file's words.
 *
 * @module
 */
import type { CodeActivations, CodeMatrix, Kernels } from "../../kernels/host/kernels.ts";
import { KIND_F32 } from "../../kernels/shared/layout.ts";
import type { LogicalCodes } from "../reference/code_matrix.ts";
import { lessOne, packAlongInputs, packAlongOutputs } from "../reference/gptq_words.ts";
import type { GuardedMemory } from "./bench_memory.ts";

/** How the zero points get into memory. */
export type ZeroForm =
  | "version 1" // packed words that store one less
  | "version 2" // packed words
  | "direct" // i16 values, as the kernels keep them: the only way to a zero point of 16
  | "uniform"; // the same number everywhere

/** Packs with the library's kernels. Zero points of a layer whose outputs fill no whole word are written directly. */
export function loadMatrix(
  memory: GuardedMemory,
  matrix: LogicalCodes,
  bits: 4 | 8,
  zeroForm: ZeroForm,
): CodeMatrix {
  const { kernels } = memory;
  const { inputs, outputs, groups, group } = matrix;
  const panels = Math.ceil(outputs / 8), blocks = Math.ceil(inputs / 8);
  const words = packAlongInputs(matrix.codes, blocks * 8, outputs, bits);
  const source = memory.put(words, "words");
  const weights = memory.room(panels * blocks * (bits === 4 ? 32 : 64), "weights");
  if (bits === 4) kernels.packInt4(source, weights, outputs, blocks, 0, blocks);
  else kernels.packInt8Gathered(source, 0, weights, outputs, blocks);
  const scales = memory.room(panels * groups * 32, "scales");
  kernels.packScales(memory.put(matrix.scales, "stored scales"), KIND_F32, scales, outputs, groups, 1);
  if (zeroForm === "uniform") return { weights, scales, zeros: 0, zero: matrix.zeros[0], group };

  const zeros = memory.room(panels * groups * 16, "zeros");
  const isWhole = outputs % (32 / bits) === 0;
  if (zeroForm === "direct" || !isWhole) {
    const direct = new Int16Array(panels * groups * 8);
    matrix.zeros.forEach((zero, i) => {
      const output = i % outputs, g = Math.floor(i / outputs);
      direct[(Math.floor(output / 8) * groups + g) * 8 + output % 8] = zero;
    });
    kernels.heap.bytesAt(zeros, direct.byteLength).set(new Uint8Array(direct.buffer));
  } else {
    const stored = packAlongOutputs(matrix.zeros, groups, outputs, bits);
    const addOne = zeroForm === "version 1";
    const at = memory.put(addOne ? lessOne(stored, bits) : stored, "stored zeros");
    kernels.packZeros(at, bits, addOne, zeros, outputs, groups, 1);
  }
  // The number for matrices without zero points must not be looked at.
  return { weights, scales, zeros, zero: 99, group };
}

/** Quantises rows; the codes stay sealed, their layout is the kernels' own. */
export function quantiseRows(
  memory: GuardedMemory,
  activations: Float32Array,
  shape: { rows: number; inputs: number; group: number },
  bytes: 1 | 2,
): CodeActivations {
  const { rows, inputs, group } = shape;
  const groups = Math.ceil(inputs / group);
  const target = {
    bytes,
    codes: memory.room(rows * bytes * Math.ceil(inputs / 8) * 8, "codes"),
    sums: memory.room(rows * groups * 4, "sums"),
    steps: memory.room(rows * groups * 4, "steps"),
  };
  memory.kernels.quantize(memory.put(activations, "activations"), inputs * 4, target, rows, inputs, group);
  return target;
}

/** Rows of f32 as they lie in the library's memory, read back through the embedding kernel. */
export function readRows(
  memory: GuardedMemory,
  kind: number,
  matrix: CodeMatrix,
  shape: { outputs: number; inputs: number },
): Float32Array<ArrayBuffer> {
  const { outputs, inputs } = shape;
  const ids = memory.put(Uint32Array.from({ length: outputs }, (_, id) => id), "ids");
  const output = memory.room(outputs * inputs * 4, "rows");
  memory.kernels.embed(ids, kind, matrix, output, outputs, inputs, 1);
  return memory.floats(output, outputs * inputs);
}

/** The product kernel for codes of `bits`. */
export function productOf(kernels: Kernels, bits: 4 | 8): Kernels["matmulInt4"] {
  return (bits === 4 ? kernels.matmulInt4 : kernels.matmulInt8).bind(kernels);
}
