/**
 * Golden checkpoints and their expected values, read by a reader of its own: a length, a JSON header, raw arrays.
 *
 * @module
 */
/** An array of expected.safetensors. */
export interface GoldenArray {
  shape: number[];
  data: Float32Array | number[];
}

/** The arrays of a case, by name. I64 and I32 become plain numbers, F16 and BF16 their bit patterns. */
export function readGolden(path: string): Map<string, GoldenArray> {
  const bytes = Deno.readFileSync(path);
  const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
  const arrays = new Map<string, GoldenArray>();
  for (
    const [name, entry] of Object.entries<{ dtype: string; shape: number[]; data_offsets: number[] }>(header)
  ) {
    if (name === "__metadata__") continue;
    const [begin, end] = entry.data_offsets;
    const { buffer } = bytes.slice(8 + headerLength + begin, 8 + headerLength + end);
    arrays.set(name, { shape: entry.shape, data: read(entry.dtype, buffer) });
  }
  return arrays;
}

function read(dtype: string, buffer: ArrayBuffer): Float32Array | number[] {
  if (dtype === "F32") return new Float32Array(buffer);
  if (dtype === "I64") return Array.from(new BigInt64Array(buffer), Number);
  return Array.from(dtype.endsWith("F16") ? new Uint16Array(buffer) : new Int32Array(buffer));
}

/** Goldens of the text architectures that there are, at least one of each. */
export const ARCHITECTURES = [
  "arch-gemma3-text",
  "arch-llama",
  "arch-mistral",
  "arch-phi3",
  "arch-phi3-longrope",
  "arch-qwen2",
  "arch-qwen3",
  "arch-smollm3",
];

/** Goldens of the stored formats that there are. */
export const STORED_FORMATS = [
  "awq-gemm-asym-g64",
  "bf16-dense",
  "ct-actorder",
  "ct-channel",
  "ct-pack-asym-g64",
  "ct-pack-sym-g32",
  "f16-dense",
  "gguf-f16",
  "gguf-q4_0",
  "gguf-q4_1",
  "gguf-q4_k_m",
  "gguf-q5_0",
  "gguf-q6_k",
  "gguf-q8_0",
  "gptq-8bit",
  "gptq-bias",
  "gptq-channelwise",
  "gptq-desc-act",
  "gptq-dynamic",
  "gptq-empty-optional",
  "gptq-extra-bias",
  "gptq-lm-head-quantized",
  "gptq-odd-shapes",
  "gptq-sharded",
  "gptq-static-groups-desc-act",
  "gptq-v1-asym",
  "gptq-v1-asym-zero",
  "gptq-v1-sym-g128",
  "gptq-v1-sym-g32",
  "gptq-v2-asym",
  "marlin-channelwise",
  "marlin-g128",
];

/** Standard deviation of all values. */
export function deviation(values: ArrayLike<number>): number {
  let sum = 0, squares = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i];
    squares += values[i] ** 2;
  }
  return Math.sqrt(squares / values.length - (sum / values.length) ** 2);
}

/** Largest distance between two arrays of one length. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i] - b[i]));
  return largest;
}

/** Cosine of the angle between two vectors. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let product = 0, ofA = 0, ofB = 0;
  for (let i = 0; i < a.length; i++) {
    product += a[i] * b[i];
    ofA += a[i] ** 2;
    ofB += b[i] ** 2;
  }
  return product / Math.sqrt(ofA * ofB);
}

/** Kullback–Leibler divergence of two rows of logits, natural logarithm. */
export function divergence(expected: ArrayLike<number>, got: ArrayLike<number>): number {
  const logSoftmax = (row: ArrayLike<number>) => {
    const values = Array.from(row);
    const largest = Math.max(...values);
    const total = Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0)) + largest;
    return values.map((value) => value - total);
  };
  const p = logSoftmax(expected), q = logSoftmax(got);
  return p.reduce((sum, value, i) => sum + Math.exp(value) * (value - q[i]), 0);
}

/** Index of the largest value, the first of equals. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
