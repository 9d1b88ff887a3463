/**
 * A checkpoint taken apart: its JSON files as trees, its tensors one by one.
 *
 * @module
 */
import { withHeader, type WrittenTensor } from "../formats/safetensors_writer.ts";
import type { Random } from "../kernels/random.ts";
import { BOUNDARIES, editBytes, HOSTILE_STRINGS, pick } from "./hostile_values.ts";
import { bytesOf, editJson, type JsonTree, textOf, treeOf, treeOfText } from "./json_tree.ts";
import type { Files } from "./target.ts";

/** Bytes of an element. */
const DTYPE_BYTES: Record<string, number> = {
  I64: 8,
  F64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
};

/** A file of tensors; `header` and `bytes` win over what would be written. */
export interface TensorFile {
  tensors: WrittenTensor[];
  header?: { tree: JsonTree };
  bytes?: Uint8Array;
}

/** A model's files. */
export interface CheckpointParts {
  json: Map<string, { tree: JsonTree }>;
  tensors: Map<string, TensorFile>;
}

/** The files of a folder, taken apart; safetensors by a reader of the fuzzer's own. */
export function readParts(
  folder: string,
  jsonFiles: readonly string[],
  tensorFile = "model.safetensors",
): CheckpointParts {
  const json = new Map(
    jsonFiles.map((name) => [name, { tree: treeOfText(Deno.readFileSync(`${folder}/${name}`)) }]),
  );
  return { json, tensors: new Map([[tensorFile, { tensors: readTensors(`${folder}/${tensorFile}`) }]]) };
}

export function readTensors(path: string): WrittenTensor[] {
  const bytes = Deno.readFileSync(path);
  const dataBegin = 8 + new DataView(bytes.buffer).getUint32(0, true);
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = JSON
    .parse(
      new TextDecoder().decode(bytes.subarray(8, dataBegin)),
    );
  return Object.entries(header).filter(([name]) => name !== "__metadata__").map(([name, entry]) => ({
    name,
    dtype: entry.dtype,
    shape: entry.shape,
    data: bytes.subarray(dataBegin + entry.data_offsets[0], dataBegin + entry.data_offsets[1]),
  }));
}

/** A copy whose tensors and trees can be changed; the bytes are shared until an edit replaces them. */
export function copyParts({ json, tensors }: CheckpointParts): CheckpointParts {
  return {
    json: new Map([...json].map(([name, { tree }]) => [name, { tree: structuredClone(tree) }])),
    tensors: new Map(
      [...tensors].map(([name, file]) => [name, { tensors: file.tensors.map((tensor) => ({ ...tensor })) }]),
    ),
  };
}

export function writeParts({ json, tensors }: CheckpointParts): Files {
  const files = new Map<string, Uint8Array>();
  for (const [name, { tree }] of json) files.set(name, bytesOf(tree));
  for (const [name, file] of tensors) files.set(name, writeTensors(file));
  return files;
}

function writeTensors({ tensors, header, bytes }: TensorFile): Uint8Array {
  return bytes ?? withHeader(textOf((header ?? headerOf(tensors)).tree), tensors.map(({ data }) => data));
}

/** The header that fits the tensors, laid end to end. */
function headerOf(tensors: readonly WrittenTensor[]): { tree: JsonTree } {
  let end = 0;
  const members = tensors.map(({ name, dtype, shape, data }): [string, JsonTree] => [
    name,
    treeOf({ dtype, shape, data_offsets: [end, end += data.length] }),
  ]);
  return { tree: { kind: "object", members } };
}

/** Changes the header alone, so that it may not fit the data, or the bytes of the whole file. */
export function editHeader(file: TensorFile, random: Random): string {
  if (random.below(5) === 0) {
    const { bytes, what } = editBytes(writeTensors(file), random);
    file.bytes = bytes;
    return `file: ${what}`;
  }
  file.header ??= headerOf(file.tensors);
  return `header: ${editJson(file.header, random, ["F32", "I32", "BF16", "I64", "F8_E4M3", "__metadata__"])}`;
}

/** Changes a tensor so that the file is well-formed still. */
export function editTensor({ tensors }: TensorFile, random: Random): string {
  if (tensors.length === 0) return "no tensors";
  const index = random.below(tensors.length), tensor = tensors[index];
  const other = tensors[random.below(tensors.length)];
  const kind = random.below(11);
  if (kind === 0) {
    tensors.splice(index, 1);
    return `${tensor.name}: removed`;
  }
  if (kind === 1) {
    const parts = [
      "weight",
      "qweight",
      "qzeros",
      "scales",
      "g_idx",
      "bias",
      "weight_packed",
      "weight_scale",
      "B",
      "s",
    ];
    const name = random.below(2) === 0
      ? other.name
      : random.below(4) > 0
      ? tensor.name.replace(/[^.]+$/, pick(random, parts))
      : pick(random, HOSTILE_STRINGS)();
    if (random.below(2) === 0) tensors.push({ ...tensor, name });
    else tensors[index] = { ...tensor, name };
    return `${tensor.name}: as ${name.slice(0, 60)} too or instead`;
  }
  if (kind === 2) {
    Object.assign(tensor, {
      shape: tensor.shape.map((size, i) => i === 0 ? 0 : size),
      data: new Uint8Array(),
    });
    return `${tensor.name}: without elements`;
  }
  if (kind === 3) return `${tensor.name}: the data of ${swapData(tensor, other)}`;
  if (kind < 6) return reshape(tensor, random);
  if (kind === 6) return retype(tensor, random);
  return refill(tensor, random);
}

function swapData(tensor: WrittenTensor, other: WrittenTensor): string {
  const { shape, dtype, data } = tensor;
  Object.assign(tensor, { shape: other.shape, dtype: other.dtype, data: other.data });
  Object.assign(other, { shape, dtype, data });
  return other.name;
}

/** Bytes of another length that begin alike. */
function resized(data: Uint8Array, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes.set(data.subarray(0, length));
  return bytes;
}

/** The most bytes that an edit makes of a tensor. */
const TENSOR_BYTES_MAX = 1 << 20;

function reshape(tensor: WrittenTensor, random: Random): string {
  const { shape, dtype, data } = tensor, count = shape.reduce((product, size) => product * size, 1);
  const shapes = [
    shape.toReversed(),
    [count],
    [1, count],
    [count, 1],
    [...shape, 1],
    Array(pick(random, [64, 65])).fill(1),
    [],
    shape.map((size) => size + pick(random, [-1, 1, 8, 0])),
    shape.map((size, i) => i === 0 ? size * 2 : size),
    shape.map((size, i) => i === 1 ? Math.ceil(size / 2) : size),
  ];
  const chosen = pick(random, shapes);
  const bytes = chosen.reduce((product, size) => product * size, 1) * (DTYPE_BYTES[dtype] ?? 1);
  if (!(bytes >= 0 && bytes <= TENSOR_BYTES_MAX)) return `${tensor.name}: kept`;
  Object.assign(tensor, { shape: chosen, data: resized(data, bytes) });
  return `${tensor.name}: shape [${shape}] is [${chosen.slice(0, 8)}]`;
}

function retype(tensor: WrittenTensor, random: Random): string {
  const dtype = pick(random, Object.keys(DTYPE_BYTES));
  const length = tensor.data.length / (DTYPE_BYTES[tensor.dtype] ?? 1) * DTYPE_BYTES[dtype];
  tensor.data = resized(tensor.data, length);
  tensor.dtype = dtype;
  return `${tensor.name}: ${dtype}`;
}

/** Other values. */
function refill(tensor: WrittenTensor, random: Random): string {
  const data = tensor.data.slice(), size = DTYPE_BYTES[tensor.dtype] ?? 1;
  const kind = random.below(3);
  if (kind === 0) data.fill(pick(random, [0, 0xff, 0x7f, 0x80, 0x7c]));
  if (kind === 1) { for (let i = 0; i < data.length; i++) data[i] = random.below(256); }
  const count = kind === 2 ? 1 + random.below(4) : 0;
  for (let i = 0; i < count && data.length > 0; i++) {
    const value = BigInt(Math.trunc(pick(random, BOUNDARIES) * pick(random, [1, -1])));
    const at = random.below(Math.ceil(data.length / size)) * size;
    for (let b = 0; b < size && at + b < data.length; b++) {
      data[at + b] = Number(value >> BigInt(8 * b) & 255n);
    }
  }
  tensor.data = data;
  return `${tensor.name}: ${["one byte", "random bytes", "some values"][kind]}`;
}
