/**
 * Models with random weights: a GPTQ checkpoint of a real model's shape whose bytes are made when they are read. For
 * measuring speed and memory without a download; what such a model says means nothing.
 *
 * @module
 */
import { CONFIG_FILE, WEIGHTS_FILE } from "../io/model_files.ts";
import { requireRange } from "../io/read.ts";
import type { ModelSource } from "../io/source.ts";
import type { Dtype } from "./containers/safetensors.ts";
import { safetensorsHeader } from "./containers/safetensors_writer.ts";

/** Sizes of a Llama decoder. */
interface SyntheticShape {
  hidden: number;
  intermediate: number;
  layers: number;
  heads: number;
  keyValueHeads: number;
  headSize: number;
  vocabulary: number;
  /** Positions that the config promises. */
  context: number;
  /** The output head is the embedding table. */
  isTied: boolean;
  /** Inputs that share a scale. */
  group: number;
}

const LLAMA_3 = { vocabulary: 128_256, context: 131_072, group: 128, keyValueHeads: 8 };

/** Shapes of SmolLM2 135M, Llama 3.2 1B and 3B, and Llama 3.1 8B. No group of 128 divides SmolLM2's 576 channels. */
const SHAPES = {
  "135m": {
    hidden: 576,
    intermediate: 1_536,
    layers: 30,
    heads: 9,
    keyValueHeads: 3,
    headSize: 64,
    vocabulary: 49_152,
    context: 8_192,
    isTied: true,
    group: 64,
  },
  "1b": { ...LLAMA_3, hidden: 2_048, intermediate: 8_192, layers: 16, heads: 32, headSize: 64, isTied: true },
  "3b": {
    ...LLAMA_3,
    hidden: 3_072,
    intermediate: 8_192,
    layers: 28,
    heads: 24,
    headSize: 128,
    isTied: true,
  },
  "8b": {
    ...LLAMA_3,
    hidden: 4_096,
    intermediate: 14_336,
    layers: 32,
    heads: 32,
    headSize: 128,
    isTied: false,
  },
} satisfies Record<SyntheticShapeName, SyntheticShape>;

/** A shape by its usual name. */
export type SyntheticShapeName = "135m" | "1b" | "3b" | "8b";

/** All names. */
export const SYNTHETIC_SHAPES = Object.keys(SHAPES) as SyntheticShapeName[];

/** A tensor whose bytes are a pattern, repeated. */
interface SyntheticTensor {
  name: string;
  dtype: Dtype;
  shape: number[];
  bytes: number;
  pattern: Uint8Array;
  /** Byte of the pattern that the tensor begins with. */
  start: number;
}

const ELEMENT_BYTES = { I32: 4, F16: 2, BF16: 2 } satisfies Partial<Record<Dtype, number>>;

/**
 * Elements of a random pattern: short enough to be made at once, and odd, so that it starts elsewhere in every row of a
 * matrix and no two rows of one are alike.
 */
const PATTERN_ELEMENTS = (1 << 18) - 1;

/**
 * Random codes are 1 to 15 with equal chances. With 0 among them their mean would be half a code below the middle, and the
 * hidden state would grow a hundredfold.
 */
const CODES = 15;
const CODE_DEVIATION = Math.sqrt((CODES ** 2 - 1) / 12);

/**
 * Makes a source of one such model. The same name gives the same bytes always.
 *
 * Weights have a standard deviation of about 1/√inputs and norms are 1, so that activations neither vanish nor explode.
 */
export function syntheticModelSource(name: SyntheticShapeName): ModelSource {
  const shape: SyntheticShape = SHAPES[name];
  const encoder = new TextEncoder();
  const tensors = listTensors(shape);
  const config = encoder.encode(JSON.stringify(configOf(shape)));
  const header = safetensorsHeader(tensors);
  const parts = [{ bytes: header.length, pattern: header, start: 0 }, ...tensors];
  const begins = [0];
  for (const { bytes } of parts) begins.push(begins.at(-1)! + bytes);
  const sizes = new Map([[CONFIG_FILE, config.length], [WEIGHTS_FILE, begins.at(-1)!]]);

  function readInto(file: string, begin: number, target: Uint8Array): void {
    requireRange(sizes, file, begin, begin + target.length);
    if (file === CONFIG_FILE) return target.set(config.subarray(begin, begin + target.length));
    let part = begins.findLastIndex((start) => start <= begin);
    for (let at = 0; at < target.length; part++) {
      const { bytes, pattern, start } = parts[part];
      const offset = begin + at - begins[part];
      const length = Math.min(bytes - offset, target.length - at);
      repeat(pattern, start + offset, target.subarray(at, at + length));
      at += length;
    }
  }
  return {
    label: `the shape ${name}`,
    list: () => sizes,
    read(file, begin, end) {
      requireRange(sizes, file, begin, end);
      const bytes = new Uint8Array(end - begin);
      readInto(file, begin, bytes);
      return bytes;
    },
    readInto,
  };
}

/** Fills `target` with the endless repetition of `pattern`, from its byte `offset` on. */
function repeat(pattern: Uint8Array, offset: number, target: Uint8Array): void {
  for (let at = 0; at < target.length;) {
    const from = (offset + at) % pattern.length;
    const length = Math.min(pattern.length - from, target.length - at);
    target.set(pattern.subarray(from, from + length), at);
    at += length;
  }
}

function configOf(shape: SyntheticShape): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: shape.vocabulary,
    hidden_size: shape.hidden,
    intermediate_size: shape.intermediate,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.keyValueHeads,
    head_dim: shape.headSize,
    hidden_act: "silu",
    rms_norm_eps: 1e-5,
    rope_theta: 500_000,
    max_position_embeddings: shape.context,
    tie_word_embeddings: shape.isTied,
    quantization_config: {
      quant_method: "gptq",
      bits: 4,
      group_size: shape.group,
      desc_act: false,
      sym: true,
      lm_head: false,
      checkpoint_format: "gptq",
      pack_dtype: "int32",
    },
  };
}

/** The tensors in the order of the file, as GPTQ tools name and pack them; see gptq/linear.ts. */
function listTensors(shape: SyntheticShape): SyntheticTensor[] {
  const { hidden, intermediate, group } = shape;
  const patterns = new Patterns();
  const tensors: SyntheticTensor[] = [];
  // A tensor begins in its pattern at its own place in the file, so that layers differ: equal ones would add up.
  let begin = 0;
  const add = (
    name: string,
    dtype: keyof typeof ELEMENT_BYTES,
    sizes: number[],
    pattern: Uint8Array,
    start = begin,
  ) => {
    const bytes = sizes.reduce((product, size) => product * size, ELEMENT_BYTES[dtype]);
    tensors.push({ name, dtype, shape: sizes, bytes, pattern, start });
    begin += bytes;
  };
  const linear = (name: string, outputs: number, inputs: number) => {
    add(`${name}.qweight`, "I32", [inputs / 8, outputs], patterns.codes);
    add(`${name}.qzeros`, "I32", [inputs / group, outputs / 8], patterns.middleZeros);
    add(`${name}.scales`, "F16", [inputs / group, outputs], patterns.scales(1 / Math.sqrt(inputs)));
    add(`${name}.g_idx`, "I32", [inputs], patterns.groupIndex(inputs, group), 0);
  };
  const table = (name: string, rows: number, deviation: number) =>
    add(`${name}.weight`, "BF16", [rows, hidden], patterns.normal(deviation));

  // A tied table is a head too: 0.05 keeps its logits within a real model's range.
  table("model.embed_tokens", shape.vocabulary, shape.isTied ? 0.05 : 0.5);
  for (let layer = 0; layer < shape.layers; layer++) {
    const prefix = `model.layers.${layer}`;
    const queries = shape.heads * shape.headSize, keys = shape.keyValueHeads * shape.headSize;
    linear(`${prefix}.self_attn.q_proj`, queries, hidden);
    linear(`${prefix}.self_attn.k_proj`, keys, hidden);
    linear(`${prefix}.self_attn.v_proj`, keys, hidden);
    linear(`${prefix}.self_attn.o_proj`, hidden, queries);
    linear(`${prefix}.mlp.gate_proj`, intermediate, hidden);
    linear(`${prefix}.mlp.up_proj`, intermediate, hidden);
    linear(`${prefix}.mlp.down_proj`, hidden, intermediate);
    add(`${prefix}.input_layernorm.weight`, "BF16", [hidden], patterns.ones);
    add(`${prefix}.post_attention_layernorm.weight`, "BF16", [hidden], patterns.ones);
  }
  add("model.norm.weight", "BF16", [hidden], patterns.ones);
  if (!shape.isTied) table("lm_head", shape.vocabulary, 2.5 / Math.sqrt(hidden));
  return tensors;
}

/** The patterns of one model, each made once. */
class Patterns {
  readonly codes: Uint8Array;
  /** The middle code 8, less the one that this format subtracts, in every nibble. */
  readonly middleZeros = new Uint8Array(4).fill(0x77);
  /** 1 in bf16. */
  readonly ones = Uint8Array.of(0x80, 0x3f);
  readonly #bells: Float32Array;
  readonly #made = new Map<string, Uint8Array>();

  constructor() {
    const random = randomWords(4 * PATTERN_ELEMENTS);
    this.codes = Uint8Array.from({ length: 4 * PATTERN_ELEMENTS }, (_, i) => {
      const low = 1 + (random[i] & 0xffff) % CODES, high = 1 + (random[i] >>> 16) % CODES;
      return high << 4 | low;
    });
    // The sum of four uniform numbers is near enough to a normal one, and within ±3.5 deviations.
    this.#bells = Float32Array.from({ length: PATTERN_ELEMENTS }, (_, i) => {
      const sum = random[4 * i] + random[4 * i + 1] + random[4 * i + 2] + random[4 * i + 3];
      return (sum / 2 ** 32 - 2) * Math.sqrt(3);
    });
  }

  normal(deviation: number): Uint8Array {
    return this.#make(`normal ${deviation}`, () => {
      // bf16 is the upper half of f32; cutting instead of rounding is good enough for random numbers.
      const halves = new Uint16Array(this.#bells.map((value) => value * deviation).buffer);
      return new Uint8Array(halves.filter((_, i) => i % 2 === 1).buffer);
    });
  }

  /** Scales that give weights this deviation; they differ by a fifth and stay above zero. */
  scales(deviation: number): Uint8Array {
    return this.#make(`scales ${deviation}`, () => {
      const scale = deviation / CODE_DEVIATION;
      const floats = new Uint32Array(this.#bells.map((bell) => scale * (1 + 0.2 * bell)).buffer);
      return new Uint8Array(Uint16Array.from(floats, halfOf).buffer);
    });
  }

  groupIndex(inputs: number, group: number): Uint8Array {
    const make = () => Int32Array.from({ length: inputs }, (_, input) => Math.floor(input / group));
    return this.#make(`index ${inputs}`, () => new Uint8Array(make().buffer));
  }

  #make(key: string, make: () => Uint8Array): Uint8Array {
    let pattern = this.#made.get(key);
    if (!pattern) this.#made.set(key, pattern = make());
    return pattern;
  }
}

/** Marsaglia's xorshift, "Xorshift RNGs" (2003): no quality is asked for but that all bits vary. */
function randomWords(count: number): Uint32Array {
  const words = new Uint32Array(count);
  let state = 1;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return words;
}

/** The bits of a positive f32 number as f16, of a size that f16 has with all its digits (6e-5 to 65,504), rounded to nearest. */
function halfOf(bits: number): number {
  const EXPONENT_BIAS = 127 - 15;
  return ((bits + 0x1000) >>> 13) - (EXPONENT_BIAS << 10);
}
