/**
 * GGUF files taken apart and put together, with types and offsets that may be wrong.
 *
 * @module
 */

/** A scalar as it lies in the file, a text, or an array; `type` is that of the format. */
export type GgufValue =
  | { type: number; bytes: Uint8Array }
  | { type: 8; text: string }
  | { type: 9; of: number; values: GgufValue[]; count?: number };

export interface GgufTensor {
  name: string;
  /** The fastest first. */
  sizes: bigint[];
  type: number;
  data: Uint8Array;
  /** What is written in place of the offset that fits. */
  offset?: bigint;
}

export interface GgufFile {
  version: number;
  items: { key: string; value: GgufValue }[];
  tensors: GgufTensor[];
  /** What is written in place of the counts that fit. */
  tensorCount?: bigint;
  itemCount?: bigint;
}

const SCALAR_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const ALIGNMENT = 32;

/** Reads a valid file. */
export function readGguf(bytes: Uint8Array): GgufFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 4;
  const u32 = () => view.getUint32((at += 4) - 4, true);
  const u64 = () => view.getBigUint64((at += 8) - 8, true);
  const text = () => {
    const length = Number(u64());
    return new TextDecoder().decode(bytes.subarray(at, at += length));
  };
  const valueOf = (type: number): GgufValue => {
    if (type === 8) return { type, text: text() };
    if (type !== 9) return { type, bytes: bytes.slice(at, at += SCALAR_BYTES[type]) };
    const of = u32(), count = Number(u64());
    return { type, of, values: Array.from({ length: count }, () => valueOf(of)) };
  };
  const version = u32(), tensorCount = Number(u64()), itemCount = Number(u64());
  const items = Array.from({ length: itemCount }, () => ({ key: text(), value: valueOf(u32()) }));
  const described = Array.from({ length: tensorCount }, () => {
    const name = text();
    const sizes = Array.from({ length: u32() }, u64);
    return { name, sizes, type: u32(), begin: Number(u64()) };
  });
  const data = Math.ceil(at / ALIGNMENT) * ALIGNMENT;
  const begins = [...described.map(({ begin }) => begin), bytes.length - data].sort((a, b) => a - b);
  const tensors = described.map(({ begin, ...tensor }) => {
    const end = begins.find((other) => other > begin) ?? begin;
    return { ...tensor, data: bytes.subarray(data + begin, data + end) };
  });
  return { version, items, tensors };
}

/** Writes the file; offsets follow from the data unless they are given. */
export function writeGgufFile({ version, items, tensors, tensorCount, itemCount }: GgufFile): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  const put = (bytes: Uint8Array) => {
    parts.push(bytes);
    length += bytes.length;
  };
  const u32 = (value: number) => put(new Uint8Array(Uint32Array.of(value).buffer));
  const u64 = (value: bigint) => put(new Uint8Array(BigUint64Array.of(value).buffer));
  const text = (value: string) => {
    const bytes = new TextEncoder().encode(value);
    u64(BigInt(bytes.length));
    put(bytes);
  };
  const body = (value: GgufValue): void => {
    if ("text" in value) return text(value.text);
    if ("bytes" in value) return put(value.bytes);
    u32(value.of);
    u64(BigInt(value.count ?? value.values.length));
    value.values.forEach(body);
  };
  const pad = () => put(new Uint8Array(Math.ceil(length / ALIGNMENT) * ALIGNMENT - length));
  put(new TextEncoder().encode("GGUF"));
  u32(version);
  u64(tensorCount ?? BigInt(tensors.length));
  u64(itemCount ?? BigInt(items.length));
  for (const { key, value } of items) {
    text(key);
    u32(value.type);
    body(value);
  }
  let end = 0;
  for (const { name, sizes, type, data, offset } of tensors) {
    text(name);
    u32(sizes.length);
    sizes.forEach(u64);
    u32(type);
    u64(offset ?? BigInt(end));
    end += Math.ceil(data.length / ALIGNMENT) * ALIGNMENT;
  }
  pad();
  for (const { data } of tensors) {
    put(data);
    pad();
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
