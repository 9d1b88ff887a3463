/**
 * Linear modules that a GGUF file keeps as blocks: `weight` [outputs, inputs], each row's weights in blocks of 32 or 256 with their
 * scales. Every format becomes codes of 4 or 8 bits with a scale, and where it has minimums an offset, for each group of 32 or 16
 * weights: exactly what the file says. Where the scales of 256 weights are products of two numbers, those of Q4_K and Q5_K stay two
 * numbers; of the other formats f16 has them rounded.
 *
 * @module
 */
import { BLOCK_INPUTS, PANEL_OUTPUTS } from "../../../kernels/shared/layout.ts";
import type { BlockFormat } from "../../../kernels/host/types.ts";
import { blockBytes, blockWeights } from "../containers/gguf/types.ts";
import type { TensorEntry } from "../containers/safetensors.ts";
import type { LinearShape, PackingStep, StoredLinear, StoredModule } from "../stored_linear.ts";
import { badTensor, checkTensor, takeBias } from "../tensor_checks.ts";

/**
 * A format in memory: the type of its codes, the code that counts as 0 (with offsets it is the code 0), and weights that share a scale.
 */
interface BlockForm {
  readonly type: "int4" | "int8";
  /** Of a stored weight, scales included. */
  readonly bits: number;
  readonly centre: number;
  readonly group: number;
  readonly hasOffsets: boolean;
  readonly canHaveUnits: boolean;
}

function form(
  type: BlockForm["type"],
  bits: number,
  centre: number,
  { group = 32, hasOffsets = false, canHaveUnits = false } = {},
): BlockForm {
  return { type, bits, centre, group, hasOffsets, canHaveUnits };
}

/** As kernels/assembly/pack/block_formats.ts has them. */
const FORMS: Readonly<Record<BlockFormat, BlockForm>> = {
  Q4_0: form("int4", 4.5, 8),
  Q4_1: form("int4", 5, 0, { hasOffsets: true }),
  Q5_0: form("int8", 5.5, 16),
  Q5_1: form("int8", 6, 0, { hasOffsets: true }),
  Q8_0: form("int8", 8.5, 128),
  Q2_K: form("int4", 2.625, 0, { group: 16, hasOffsets: true }),
  Q3_K: form("int4", 3.4375, 4, { group: 16 }),
  Q4_K: form("int4", 4.5, 0, { hasOffsets: true, canHaveUnits: true }),
  Q5_K: form("int8", 5.5, 0, { hasOffsets: true, canHaveUnits: true }),
  Q6_K: form("int8", 6.5625, 32, { group: 16 }),
  IQ4_NL: form("int8", 4.5, 128),
  IQ4_XS: form("int8", 4.25, 128),
};

/** What a module of blocks becomes in memory. */
export function readBlocks(
  module: StoredModule,
  weight: TensorEntry,
  { outputs, inputs }: LinearShape,
): StoredLinear {
  const format = weight.dtype as BlockFormat;
  checkTensor(weight, [format], [outputs, inputs]);
  if (inputs % blockWeights(format) !== 0 || inputs % BLOCK_INPUTS !== 0) {
    throw badTensor(weight, `inputs in multiples of ${blockWeights(format)}`, `${inputs}`);
  }
  const bias = takeBias(module, outputs);
  const { type, bits, centre, group, hasOffsets, canHaveUnits } = FORMS[format];
  const shape = {
    outputs,
    packedInputs: inputs,
    group,
    hasZeros: false,
    hasBias: bias !== undefined,
    hasOrder: false,
  };
  const step: PackingStep = {
    tensor: weight,
    windows: { rowBytes: blockBytes(format, inputs), multiple: PANEL_OUTPUTS },
    pack(kernels, { address: source, begin, count: rowCount }, { form: { scaleType }, arrays }) {
      const { weights, scales, offsets, units } = arrays, panelBegin = begin / PANEL_OUTPUTS;
      kernels.packBlocks({
        source,
        format,
        rowCount,
        inputs,
        panelBegin,
        scaleType,
        weights,
        scales,
        offsets,
        units,
      });
    },
  };
  return {
    format,
    bits,
    groupSize: group,
    settings: {},
    form: { ...shape, type, hasOffsets, canHaveUnits },
    ...(format === "Q6_K" && { byteForm: { ...shape, type: "int6", canHaveUnits: true } }),
    zeroPoint: centre,
    tensors: [...(bias ? [bias] : []), weight],
    ...(bias && { bias }),
    steps: () => [step],
  };
}
