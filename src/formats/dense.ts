/**
 * Linear modules that a file holds in full precision: `weight` [outputs, inputs] in f16, bf16 or f32.
 *
 * @module
 */
import { BLOCK_INPUTS, PANEL_OUTPUTS } from "../../kernels/shared/layout.ts";
import { elementBytes } from "../../kernels/host/types.ts";
import type { TensorEntry } from "./containers/safetensors.ts";
import type { DenseForm, LinearShape, PackingStep, StoredLinear, StoredModule } from "./stored_linear.ts";
import { checkTensor, elementTypeOf, FLOAT_DTYPES, takeBias } from "./tensor_checks.ts";

/**
 * Inputs that share a scale when a dense matrix is coded in 8 or 7 bits: one f16 scale adds 3 % to its bytes. docs/numerics.md has
 * the perplexity with it.
 */
const GROUP_INPUTS = 64;
/**
 * The same for 4 bits, whose error is the larger the more weights share a scale; GGUF's Q4_0 has as many. Groups have zero points, as their
 * weights seldom reach as far below 0 as above.
 */
const GROUP_INPUTS_INT4 = 32;

/** What a dense module becomes in memory. */
export function readDense(
  module: StoredModule,
  weight: TensorEntry,
  { outputs, inputs, kernel }: LinearShape,
  wanted: DenseForm,
): StoredLinear {
  // A last block that is not full has no place among 4-bit codes.
  const dense = wanted === "int4" && inputs % BLOCK_INPUTS !== 0 ? "int8" : wanted;
  const group = dense === "int4" ? GROUP_INPUTS_INT4 : GROUP_INPUTS;
  checkTensor(weight, FLOAT_DTYPES, kernel ?? [outputs, inputs]);
  const bias = takeBias(module, outputs);
  const sourceType = elementTypeOf(weight);
  const type = dense === "asStored" ? sourceType : dense;
  const step: PackingStep = {
    tensor: weight,
    windows: { rowBytes: inputs * elementBytes(sourceType), multiple: PANEL_OUTPUTS },
    pack(kernels, { address: source, begin, count: rowCount }, { form: { scaleType }, arrays }) {
      const { weights, scales, zeros } = arrays;
      const rows = { source, sourceType, rowCount, inputs, panelBegin: begin / PANEL_OUTPUTS, weights };
      if (dense === "asStored") kernels.packDense(rows);
      else kernels.packDenseCodes({ ...rows, codeType: dense, group, scaleType, scales, zeros });
    },
  };
  return {
    format: sourceType,
    bits: elementBytes(sourceType) * 8,
    groupSize: 0,
    settings: { dense, ...(dense === "int4" && { zeros: true }) },
    form: {
      type,
      outputs,
      packedInputs: inputs,
      group: dense === "asStored" ? inputs : group,
      hasZeros: dense === "int4",
      hasBias: bias !== undefined,
      hasOrder: false,
    },
    zeroPoint: dense === "int7" ? 64 : dense === "int4" ? 8 : 128,
    tensors: [...(bias ? [bias] : []), weight],
    ...(bias && { bias }),
    steps: () => [step],
  };
}
