/**
 * Weights on disk as they lie in kernel memory, to be read straight into place.
 *
 *     OFFSET  SIZE  DESCRIPTION
 *          0     8  "REMORAWT"
 *          8     4  version of this table, u32 little-endian
 *         12     4  WEIGHT_LAYOUT_VERSION, u32
 *         16    32  name of what was packed, and how: see src/generation/weight_cache.ts
 *         48     4  bytes of the description D, u32
 *         52     D  description, JSON: of layers whose inputs lie in an order of their own, `packedInputs` and `group`
 *          …        zeros up to a multiple of 64
 *          …        the arrays, in the order of the plan, each filled up to a multiple of 64 with zeros
 *          …  16 W  checksums of the W windows, two u64 each: every array is cut into windows of WINDOW_BYTES
 *        −32    32  SHA-256 of the beginning up to the arrays, and of the checksums
 *
 * Sizes are not stored: they follow from the plan and the description. The file's must be their sum, before anything is
 * reserved; then a file asks for no more memory than it has bytes.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Kernels } from "../../kernels/host/kernels.ts";
import { BLOCK_INPUTS, GROUP_INPUTS_MAX, WEIGHT_LAYOUT_VERSION } from "../../kernels/shared/layout.ts";
import { RemoraError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { CONFIG_BYTES_MAX } from "../core/limits.ts";
import { replaceFile } from "../core/replace_file.ts";
import { yieldWhenDue } from "../core/yield.ts";
import { isObject } from "../io/read.ts";
import type { LoadProgress } from "./load.ts";
import { type LoadedWeights, type Piece, piecesOf, reserveWeights } from "./loaded_weights.ts";
import { formOf, type PlannedLinear, type WeightPlan } from "./plan.ts";

const MAGIC = "REMORAWT";
const VERSION = 1;
const HEAD_BYTES = 52;
const NAME_BYTES = 32;
const SEAL_BYTES = 32;
/** Of arrays in kernel memory; also what the checksum kernel takes at a time. */
const ALIGNMENT = 64;
/** Bytes between two looks at the signal, and under one checksum. */
const WINDOW_BYTES = 4 << 20;
const CHECKSUM_BYTES = 16;
const TITLE = "repacked weights of remora";

/** A file of repacked weights, and what must be in it. */
export interface RepackedFile {
  path: string;
  /** 32 bytes that name the checkpoint and how it is packed. */
  name: Uint8Array;
  plan: WeightPlan;
  kernelsOf(part: string): Kernels;
}

/** How to read or write. */
export interface RepackedOptions {
  onProgress?(progress: LoadProgress): void;
  signal?: AbortSignal;
}

/** What is special about a layer whose inputs lie in an order of their own. */
interface Reordered {
  packedInputs: number;
  group: number;
}

/** @throws {RemoraError} BAD_FILE when it cannot be written. The signal's reason when it fires; the old file stays then. */
export async function writeRepacked(
  { path, name, plan, kernelsOf }: RepackedFile,
  weights: LoadedWeights,
  options: RepackedOptions = {},
): Promise<void> {
  const linears = [...weights.tables.values(), ...weights.linears.values()];
  const reordered = linears.filter(({ order }) => order !== 0)
    .map(({ name, packedInputs, matrix: { group } }) => [name, { packedInputs, group }]);
  const head = headOf(name, new TextEncoder().encode(JSON.stringify(Object.fromEntries(reordered))));
  const pieces = [...piecesOf(plan, weights, kernelsOf)];
  await replaceFile(path, async (file) => {
    writeAll(file, head);
    const checksums = await passWindows(pieces, options, (window) => writeAll(file, bytesOf(window)));
    writeAll(file, checksums);
    writeAll(file, sealOf(head, checksums));
  });
}

/**
 * Reserves the weights and reads them.
 *
 * @throws {RemoraError} FILE_NOT_FOUND when there is no such file; BAD_FILE, naming it, when it holds other weights or is
 * damaged, what was reserved is given back then; OUT_OF_MEMORY. The signal's reason when it fires.
 */
export async function readRepacked(
  { path, name, plan, kernelsOf }: RepackedFile,
  options: RepackedOptions = {},
): Promise<LoadedWeights> {
  const refuse = (expected: string, found: string, cause?: unknown) =>
    new RemoraError("BAD_FILE", "Cannot use", { file: path, expected, found, cause });
  using file = open(path);
  const read = (target: Uint8Array) => {
    try {
      for (let filled = 0; filled < target.length;) {
        const count = file.readSync(target.subarray(filled));
        if (count === null) throw refuse(TITLE, "a file that ends too early");
        filled += count;
      }
    } catch (cause) {
      throw cause instanceof RemoraError ? cause : refuse(TITLE, `${cause}`, cause);
    }
  };
  const { size, isFile } = file.statSync();
  if (!isFile) throw refuse(TITLE, "no file");
  if (size < HEAD_BYTES + SEAL_BYTES) throw refuse(TITLE, `${size} bytes`);
  const start = new Uint8Array(HEAD_BYTES);
  read(start);
  const descriptionBytes = requireHead(start, name, refuse);
  if (descriptionBytes > Math.min(CONFIG_BYTES_MAX, size)) {
    throw refuse(`a description of at most ${CONFIG_BYTES_MAX} bytes`, `${descriptionBytes}`);
  }
  const head = new Uint8Array(aligned(HEAD_BYTES + descriptionBytes));
  head.set(start);
  read(head.subarray(HEAD_BYTES));
  const description = parseJson(head.subarray(HEAD_BYTES, HEAD_BYTES + descriptionBytes), path);
  const forms = formsFrom(description, plan);
  if (!forms) throw refuse("a description that fits the model", "another");

  const reserve = (allocate: (part: string, bytes: number) => number) =>
    reserveWeights(plan, (planned) => forms.get(planned.name) ?? formOf(planned), allocate);
  const sizes: number[] = [];
  reserve((_, bytes) => sizes.push(bytes));
  const contentBytes = sizes.reduce((sum, bytes) => sum + aligned(bytes), 0);
  const windows = sizes.reduce((sum, bytes) => sum + Math.ceil(aligned(bytes) / WINDOW_BYTES), 0);
  const expectedSize = head.length + contentBytes + windows * CHECKSUM_BYTES + SEAL_BYTES;
  if (size !== expectedSize) throw refuse(`${expectedSize} bytes`, `${size}`);
  const checksums = new Uint8Array(windows * CHECKSUM_BYTES), seal = new Uint8Array(SEAL_BYTES);
  file.seekSync(head.length + contentBytes, Deno.SeekMode.Start);
  read(checksums);
  read(seal);
  if (!isSame(seal, sealOf(head, checksums))) throw refuse("its checksum to hold", "damaged bytes");

  file.seekSync(head.length, Deno.SeekMode.Start);
  const weights = reserve((part, bytes) => kernelsOf(part).heap.allocate(bytes));
  const pieces = [...piecesOf(plan, weights, kernelsOf)];
  try {
    const found = await passWindows(pieces, options, (window) => {
      // Taking fresh memory is what takes longest: one thread 2.6 GB/s, two 4.3; reading into it then 8 (docs/performance.md).
      window.kernels.touch(window.address, window.bytes);
      read(bytesOf(window));
    });
    if (!isSame(found, checksums)) throw refuse("its checksums to hold", "damaged bytes");
    requireOrders(plan, weights, kernelsOf, refuse);
    return weights;
  } catch (error) {
    for (const { kernels, address, bytes } of pieces) kernels.heap.free(address, bytes);
    throw error;
  }
}

/** Hands every window of the arrays to `use`, to write or to fill, and returns the checksums of what is there then. */
async function passWindows(
  pieces: readonly Piece[],
  { onProgress, signal }: RepackedOptions,
  use: (window: Piece) => void,
): Promise<Uint8Array> {
  const checksums: bigint[] = [];
  const sums = new Map<Kernels, number>();
  for (const { kernels } of pieces) {
    if (!sums.has(kernels)) sums.set(kernels, kernels.heap.allocate(CHECKSUM_BYTES * kernels.team.size));
  }
  const totalBytes = pieces.reduce((sum, { bytes }) => sum + aligned(bytes), 0);
  let loadedBytes = 0;
  try {
    for (const { kernels, address, bytes } of pieces) {
      for (let begin = 0; begin < aligned(bytes); begin += WINDOW_BYTES) {
        signal?.throwIfAborted();
        const length = Math.min(WINDOW_BYTES, aligned(bytes) - begin);
        use({ kernels, address: address + begin, bytes: length });
        checksums.push(...kernels.checksum(address + begin, length, sums.get(kernels)!));
        loadedBytes += length;
        const pause = yieldWhenDue();
        if (!pause) continue;
        await pause;
        onProgress?.({ loadedBytes, totalBytes });
      }
    }
  } finally {
    for (const [{ heap, team }, address] of sums) heap.free(address, CHECKSUM_BYTES * team.size);
  }
  onProgress?.({ loadedBytes, totalBytes });
  return new Uint8Array(BigUint64Array.from(checksums).buffer);
}

function headOf(name: Uint8Array, description: Uint8Array): Uint8Array {
  const head = new Uint8Array(aligned(HEAD_BYTES + description.length));
  const view = new DataView(head.buffer);
  head.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  view.setUint32(12, WEIGHT_LAYOUT_VERSION, true);
  head.set(name, 16);
  view.setUint32(16 + NAME_BYTES, description.length, true);
  head.set(description, HEAD_BYTES);
  return head;
}

/** Returns the bytes of the description. */
function requireHead(
  head: Uint8Array,
  name: Uint8Array,
  refuse: (expected: string, found: string) => RemoraError,
): number {
  const view = new DataView(head.buffer);
  if (!isSame(head.subarray(0, 8), new TextEncoder().encode(MAGIC))) throw refuse(TITLE, "other bytes");
  for (
    const [title, at, expected] of [["version", 8, VERSION], ["layout", 12, WEIGHT_LAYOUT_VERSION]] as const
  ) {
    const found = view.getUint32(at, true);
    if (found !== expected) throw refuse(`${title} ${expected}`, `${title} ${found}`);
  }
  if (!isSame(head.subarray(16, 16 + NAME_BYTES), name)) {
    throw refuse("weights of this checkpoint, packed with these options", "others");
  }
  return view.getUint32(16 + NAME_BYTES, true);
}

/** The forms of the layers that the description names; `undefined` when one cannot be. */
function formsFrom(description: unknown, plan: WeightPlan) {
  if (!isObject(description)) return undefined;
  const forms = new Map<string, ReturnType<typeof formOf>>();
  for (const [name, found] of Object.entries(description)) {
    const planned = plan.tables.get(name) ?? plan.linears.get(name);
    if (!planned || !isReordered(found, planned)) return undefined;
    forms.set(name, {
      ...formOf(planned),
      packedInputs: found.packedInputs,
      group: found.group,
      hasOrder: true,
    });
  }
  return forms;
}

function isReordered(value: unknown, { stored, inputs }: PlannedLinear): value is Reordered {
  if (!isObject(value) || stored.kind !== "gptq" || !stored.groupIndex) return false;
  const { packedInputs, group } = value;
  const isCount = (count: unknown): count is number => Number.isSafeInteger(count) && Number(count) > 0;
  return isCount(packedInputs) && isCount(group) && group % BLOCK_INPUTS === 0 && group <= GROUP_INPUTS_MAX &&
    packedInputs % group === 0 && packedInputs >= inputs;
}

/** Kernels gather by these indices and check nothing. */
function requireOrders(
  plan: WeightPlan,
  { tables, linears }: LoadedWeights,
  kernelsOf: (part: string) => Kernels,
  refuse: (expected: string, found: string) => RemoraError,
): void {
  for (const [loaded, planned] of [[tables, plan.tables], [linears, plan.linears]] as const) {
    for (const { name, order, packedInputs, inputs } of loaded.values()) {
      if (!order) continue;
      const words = kernelsOf(planned.get(name)!.part).heap.wordsAt(order, packedInputs);
      const isInput = (index: number) => (index | 0) >= -1 && (index | 0) < inputs;
      if (!words.every(isInput)) throw refuse(`an order of ${inputs} inputs for ${name}`, "other numbers");
    }
  }
}

function open(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path);
  } catch (cause) {
    const isMissing = cause instanceof Deno.errors.NotFound;
    throw new RemoraError(isMissing ? "FILE_NOT_FOUND" : "BAD_FILE", "Cannot use", {
      file: path,
      expected: TITLE,
      found: isMissing ? "no such file" : `${cause}`,
      cause,
    });
  }
}

function bytesOf({ kernels, address, bytes }: Piece): Uint8Array {
  return kernels.heap.bytesAt(address, bytes);
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += file.writeSync(bytes.subarray(written));
}

function sealOf(head: Uint8Array, checksums: Uint8Array): Uint8Array {
  return createHash("sha256").update(head).update(checksums).digest();
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
