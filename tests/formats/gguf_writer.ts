/**
 * Writes GGUF bytes for tests. Shares nothing with the reader.
 *
 * @module
 */

/** A tensor of F32; sizes as numpy has them, the slowest first. */
export interface WrittenGgufTensor {
  name: string;
  shape: number[];
  values: Float32Array;
  /** Number of another type, or another offset, for files that are wrong. */
  type?: number;
  offset?: number;
}

/** Metadata of the smallest llama. */
export const LLAMA = {
  "general.architecture": "llama",
  "llama.block_count": 1,
  "llama.context_length": 64,
  "llama.embedding_length": 8,
  "llama.feed_forward_length": 16,
  "llama.attention.head_count": 2,
  "llama.attention.layer_norm_rms_epsilon": 1.5e-5,
};

type Value = string | number | boolean | string[] | number[];

class Writer {
  readonly bytes: number[] = [];

  number(value: number | bigint, size: 4 | 8): void {
    for (let i = 0n; i < BigInt(size); i++) this.bytes.push(Number(BigInt(value) >> (8n * i) & 255n));
  }

  float(value: number): void {
    this.bytes.push(...new Uint8Array(Float32Array.of(value).buffer));
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.number(bytes.length, 8);
    this.bytes.push(...bytes);
  }

  /** Whole numbers are u32, others f32. */
  value(value: Value): void {
    if (Array.isArray(value)) {
      this.number(9, 4);
      const isText = typeof value[0] === "string";
      this.number(isText ? 8 : 6, 4);
      this.number(value.length, 8);
      for (const item of value) isText ? this.string(item as string) : this.float(item as number);
    } else if (typeof value === "string") {
      this.number(8, 4);
      this.string(value);
    } else if (typeof value === "boolean") {
      this.number(7, 4);
      this.bytes.push(value ? 1 : 0);
    } else if (Number.isInteger(value)) {
      this.number(4, 4);
      this.number(value, 4);
    } else {
      this.number(6, 4);
      this.float(value);
    }
  }

  pad(): void {
    while (this.bytes.length % 32 !== 0) this.bytes.push(0);
  }
}

/** A whole file. */
export function writeGguf(metadata: Record<string, Value>, tensors: WrittenGgufTensor[]): Uint8Array {
  const writer = new Writer();
  writer.bytes.push(...new TextEncoder().encode("GGUF"));
  writer.number(3, 4);
  writer.number(tensors.length, 8);
  writer.number(Object.keys(metadata).length, 8);
  for (const [key, value] of Object.entries(metadata)) {
    writer.string(key);
    writer.value(value);
  }
  let end = 0;
  for (const { name, shape, values, type = 0, offset = end } of tensors) {
    writer.string(name);
    writer.number(shape.length, 4);
    for (const size of shape.toReversed()) writer.number(size, 8);
    writer.number(type, 4);
    writer.number(offset, 8);
    end += Math.ceil(values.byteLength / 32) * 32;
  }
  writer.pad();
  for (const { values } of tensors) {
    writer.bytes.push(...new Uint8Array(values.buffer));
    writer.pad();
  }
  return Uint8Array.from(writer.bytes);
}
