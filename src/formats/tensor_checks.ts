/**
 * What the formats demand of the tensors that they find.
 *
 * @module
 */
import { BLOCK_INPUTS, GROUP_INPUTS_MAX } from "../../kernels/shared/layout.ts";
import type { ElementType } from "../../kernels/host/types.ts";
import { RemoraError } from "../core/errors.ts";
import type { Dtype, TensorEntry } from "./containers/safetensors.ts";
import type { LinearShape, StoredModule } from "./stored_linear.ts";

/** Dtypes of values that we widen. */
export const FLOAT_DTYPES: readonly Dtype[] = ["F16", "BF16", "F32"];
/** Dtypes of packed words. */
export const WORD_DTYPES: readonly Dtype[] = ["I32", "U32"];
/** Dtypes of codes that lie one a byte. */
export const CODE_DTYPES: readonly Dtype[] = ["I8"];
/** Dtypes of indices. */
export const INDEX_DTYPES: readonly Dtype[] = ["I32", "I64"];

/** @throws {RemoraError} `BAD_TENSOR`, with both dtypes and shapes. */
export function checkTensor(entry: TensorEntry, dtypes: readonly Dtype[], shape: readonly number[]): void {
  const fits = dtypes.includes(entry.dtype) && entry.shape.length === shape.length &&
    shape.every((size, axis) => entry.shape[axis] === size);
  if (fits) return;
  throw badTensor(
    entry,
    `${dtypes.join(" or ")} [${shape.join(", ")}]`,
    `${entry.dtype} [${entry.shape.join(", ")}]`,
  );
}

/** The bias of a module, checked. */
export function takeBias(module: StoredModule, outputs: number): TensorEntry | undefined {
  const bias = module.find("bias");
  if (bias !== undefined) checkTensor(bias, FLOAT_DTYPES, [outputs]);
  return bias;
}

/**
 * Finds the tensors that a quantised module cannot do without.
 *
 * @param parts Those of its layout; the module has one of them at least.
 * @returns The tensor of a part. It throws `MISSING_TENSOR`, naming the tensor, where there is none.
 */
export function requiredParts(module: StoredModule, parts: readonly string[]): (part: string) => TensorEntry {
  return (part) => {
    const entry = module.find(part);
    if (entry !== undefined) return entry;
    const neighbour = parts.map(module.find).find(Boolean)!;
    throw new RemoraError("MISSING_TENSOR", "Cannot load from", {
      file: neighbour.file,
      // As the file spells its neighbour: the module's name may be ours.
      tensor: neighbour.name.slice(0, neighbour.name.lastIndexOf(".") + 1) + part,
      expected: "elements",
      found: "none, in a quantised module",
    });
  };
}

/**
 * The bits of a code.
 *
 * @param codes The tensor that holds the codes.
 * @throws {RemoraError} `UNSUPPORTED` when they are none of `known`.
 */
export function requireBits<Bits extends number>(
  bits: number,
  known: readonly Bits[],
  { file, name }: TensorEntry,
): Bits {
  const found = known.find((candidate) => candidate === bits);
  if (found !== undefined) return found;
  throw new RemoraError("UNSUPPORTED", "Cannot load from", {
    file,
    tensor: name,
    expected: `bits to be ${known.join(" or ")}`,
    found: `${bits}`,
  });
}

/**
 * Checks that a module consists of whole blocks of inputs and whole words of outputs. Every published model does, and the kernels'
 * layouts rely on it, for words of four 8-bit codes too.
 *
 * @throws {RemoraError} `BAD_TENSOR`, naming `codes`.
 */
export function requireMultiples(
  codes: TensorEntry,
  { outputs, inputs }: LinearShape,
  codesPerWord: number,
): void {
  if (outputs % codesPerWord === 0 && inputs % BLOCK_INPUTS === 0) return;
  throw badTensor(
    codes,
    `inputs in multiples of ${BLOCK_INPUTS} and outputs of ${codesPerWord}`,
    `${inputs} and ${outputs}`,
  );
}

/** The longest run of at most GROUP_INPUTS_MAX inputs into which stored groups can be cut evenly. */
export function groupInMemory(groups: number, groupSize: number, { file, name }: TensorEntry): number {
  if (groups === 1) return GROUP_INPUTS_MAX;
  for (let run = GROUP_INPUTS_MAX; run > 0; run -= BLOCK_INPUTS) if (groupSize % run === 0) return run;
  throw new RemoraError("UNSUPPORTED", "Cannot load", {
    file,
    tensor: name,
    expected: `group_size in multiples of ${BLOCK_INPUTS}`,
    found: `${groupSize}`,
  });
}

/** The element type of a tensor of FLOAT_DTYPES. */
export function elementTypeOf({ dtype }: TensorEntry): ElementType {
  return dtype === "F16" ? "f16" : dtype === "BF16" ? "bf16" : "f32";
}

export function badTensor({ file, name }: TensorEntry, expected: string, found: string): RemoraError {
  return new RemoraError("BAD_TENSOR", "Cannot load from", { file, tensor: name, expected, found });
}
