/**
 * Weights on disk as they lie in kernel memory, to be read straight into place.
 *
 *     OFFSET  SIZE  DESCRIPTION
 *          0     8  "REMORAWT"
 *          8     4  version of this table, u32 little-endian
 *         12     4  WEIGHT_LAYOUT_VERSION, u32
 *         16    32  name of what was packed, and how: see repacked_cache.ts
 *         48     4  bytes of the description D, u32
 *         52     D  description, JSON: of layers whose inputs lie in an order of their own, `packedInputs` and `group`
 *          …        zeros up to a multiple of 64
 *          …        the arrays, in the order of the plan, each filled up to a multiple of 64 with zeros
 *          …  16 W  checksums of the W windows, two u64 each: every array is cut into windows of WINDOW_BYTES
 *        −32    32  SHA-256 of the beginning up to the arrays, and of the checksums
 *
 * Sizes are not stored: they follow from the plan and the description. Before anything is reserved, the file's size must be
 * their sum; so a file cannot ask for more memory than it has bytes.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import type { LinearForm } from "../../kernels/host/sizes.ts";
import { BLOCK_INPUTS, GROUP_INPUTS_MAX, WEIGHT_LAYOUT_VERSION } from "../../kernels/shared/layout.ts";
import { RemoraError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { CONFIG_BYTES_MAX } from "../core/limits.ts";
import { isObject } from "../io/read.ts";
import type { HostEvents } from "../platform/events.ts";
import type { Platform, ReadableFile } from "../platform/platform.ts";
import type { Linear } from "./linear.ts";
import type { LoadProgress } from "./load.ts";
import { type Piece, pieceSizes, piecesOf, reserveWeights } from "./pieces.ts";
import type { WeightPlan } from "./plan.ts";

const MAGIC = "REMORAWT";
const VERSION = 1;
const HEAD_BYTES = 52;
const NAME_BYTES = 32;
const SEAL_BYTES = 32;
/** Of arrays in kernel memory; also what the checksum kernel takes at a time. */
const ALIGNMENT = 64;
/** Bytes between two checks of the signal, and under one checksum. */
const WINDOW_BYTES = 4 << 20;
const CHECKSUM_BYTES = 16;
const TITLE = "repacked weights of remora";

/** A file of repacked weights, and what must be in it. */
export interface RepackedFile {
  platform: Platform;
  path: string;
  /** 32 bytes that name the checkpoint and how it is packed. */
  name: Uint8Array;
  plan: WeightPlan;
  kernelsOf(part: string): Kernels;
}

/** How to read or write. */
export interface RepackedOptions {
  events: HostEvents;
  onProgress?(progress: LoadProgress): void;
  signal?: AbortSignal;
}

/** What is special about a layer whose inputs lie in an order of their own. */
interface Reordered {
  packedInputs: number;
  group: number;
}

/**
 * Writes loaded weights.
 *
 * @returns The file's bytes.
 * @throws {RemoraError} BAD_FILE when it cannot be written. The signal's reason when it fires; the old file stays then.
 */
export async function writeRepacked(
  { platform, path, name, plan }: RepackedFile,
  options: RepackedOptions,
): Promise<number> {
  const reordered = [...plan.linearLayers()].filter(({ form }) => form.hasOrder)
    .map(({ name, form: { packedInputs, group } }) => [name, { packedInputs, group }]);
  const head = headOf(name, new TextEncoder().encode(JSON.stringify(Object.fromEntries(reordered))));
  const pieces = [...piecesOf(plan)];
  let bytes = head.length + pieces.reduce((sum, piece) => sum + aligned(piece.bytes), 0) + SEAL_BYTES;
  await platform.files.replace(path, async (file) => {
    file.write(head);
    const checksums = await passWindows(pieces, options, (window) => file.write(bytesOf(window)));
    file.write(checksums);
    file.write(sealOf(platform, head, checksums));
    bytes += checksums.length;
  });
  return bytes;
}

/**
 * Reserves the weights and reads them.
 *
 * @throws {RemoraError} FILE_NOT_FOUND when there is no such file; BAD_FILE, naming it, when it holds other weights or is
 * damaged, what was reserved is given back then; OUT_OF_MEMORY. The signal's reason when it fires.
 */
export async function readRepacked(
  { platform, path, name, plan, kernelsOf }: RepackedFile,
  options: RepackedOptions,
): Promise<void> {
  const refuse: Refuse = (expected, found, cause) =>
    new RemoraError("BAD_FILE", "Cannot use", { file: path, expected, found, cause });
  using file = open(platform, path);
  const { formOf, head } = readHead(file, path, name, plan, refuse);
  const sizes = [...pieceSizes(plan, formOf)];
  const contentBytes = sizes.reduce((sum, bytes) => sum + aligned(bytes), 0);
  const windows = sizes.reduce((sum, bytes) => sum + Math.ceil(aligned(bytes) / WINDOW_BYTES), 0);
  const expectedSize = head.length + contentBytes + windows * CHECKSUM_BYTES + SEAL_BYTES;
  if (file.size !== expectedSize) throw refuse(`${expectedSize} bytes`, `${file.size}`);
  const checksums = new Uint8Array(windows * CHECKSUM_BYTES), seal = new Uint8Array(SEAL_BYTES);
  readWhole(file, head.length + contentBytes, checksums, refuse);
  readWhole(file, expectedSize - SEAL_BYTES, seal, refuse);
  if (!isSame(seal, sealOf(platform, head, checksums))) throw refuse("its checksum to hold", "damaged bytes");

  reserveWeights(plan, kernelsOf, formOf);
  const pieces = [...piecesOf(plan)];
  let position = head.length;
  try {
    const found = await passWindows(pieces, options, (window) => {
      const { kernels, address: target, bytes } = window;
      // Touching fresh memory takes longest, and several threads do it faster (docs/performance.md).
      kernels.touch({ bytes, target });
      readWhole(file, position, bytesOf(window), refuse);
      position += bytes;
    });
    if (!isSame(found, checksums)) throw refuse("its checksums to hold", "damaged bytes");
    requireOrders(plan, refuse);
  } catch (error) {
    for (const { kernels, address, bytes } of pieces) kernels.memory.free(address, bytes);
    throw error;
  }
}

/** Makes the error that says what the file is not. */
type Refuse = (expected: string, found: string, cause?: unknown) => RemoraError;

/** The beginning of the file up to the arrays, checked, and the forms that it says layers were packed in. */
function readHead(
  file: ReadableFile,
  path: string,
  name: Uint8Array,
  plan: WeightPlan,
  refuse: Refuse,
): { head: Uint8Array; formOf: (linear: Linear) => LinearForm } {
  const { size, isFile } = file;
  if (!isFile) throw refuse(TITLE, "no file");
  if (size < HEAD_BYTES + SEAL_BYTES) throw refuse(TITLE, `${size} bytes`);
  const start = new Uint8Array(HEAD_BYTES);
  readWhole(file, 0, start, refuse);
  const descriptionBytes = requireHead(start, name, refuse);
  if (descriptionBytes > Math.min(CONFIG_BYTES_MAX, size)) {
    throw refuse(`a description of at most ${CONFIG_BYTES_MAX} bytes`, `${descriptionBytes}`);
  }
  const head = new Uint8Array(aligned(HEAD_BYTES + descriptionBytes));
  readWhole(file, 0, head, refuse);
  const description = parseJson(head.subarray(HEAD_BYTES, HEAD_BYTES + descriptionBytes), path);
  const forms = formsFrom(description, plan);
  if (!forms) throw refuse("a description that fits the model", "another");
  return { head, formOf: ({ name, planned }) => forms.get(name) ?? planned };
}

function readWhole(file: ReadableFile, position: number, target: Uint8Array, refuse: Refuse): void {
  let count: number;
  try {
    count = file.readInto(position, target);
  } catch (cause) {
    throw refuse(TITLE, `${cause}`, cause);
  }
  if (count < target.length) throw refuse(TITLE, "a file that ends too early");
}

/** Hands every window of the arrays to `use`, to write or to fill, and returns the checksums of their contents afterwards. */
async function passWindows(
  pieces: readonly Piece[],
  { events, onProgress, signal }: RepackedOptions,
  use: (window: Piece) => void,
): Promise<Uint8Array> {
  const checksums: bigint[] = [];
  const sums = new Map<Kernels, number>();
  for (const { kernels } of pieces) {
    if (!sums.has(kernels)) sums.set(kernels, kernels.memory.allocate(CHECKSUM_BYTES * kernels.threads));
  }
  const totalBytes = pieces.reduce((sum, { bytes }) => sum + aligned(bytes), 0);
  let loadedBytes = 0;
  try {
    for (const { kernels, address, bytes } of pieces) {
      for (let begin = 0; begin < aligned(bytes); begin += WINDOW_BYTES) {
        signal?.throwIfAborted();
        const length = Math.min(WINDOW_BYTES, aligned(bytes) - begin);
        use({ kernels, address: address + begin, bytes: length });
        checksums.push(
          ...checksumOf({ kernels, address: address + begin, bytes: length }, sums.get(kernels)!),
        );
        loadedBytes += length;
        const pause = events.pauseWhenDue();
        if (!pause) continue;
        await pause;
        onProgress?.({ loadedBytes, totalBytes });
      }
    }
  } finally {
    for (const [{ memory, threads }, address] of sums) memory.free(address, CHECKSUM_BYTES * threads);
  }
  onProgress?.({ loadedBytes, totalBytes });
  return new Uint8Array(BigUint64Array.from(checksums).buffer);
}

/** Both sums of kernels/assembly/memory/checksum.ts, added up over the threads; `sums` has room for CHECKSUM_BYTES of each. */
function checksumOf({ kernels, address, bytes }: Piece, sums: number): [sum: bigint, weighted: bigint] {
  kernels.checksum({ source: address, bytes, sums });
  const shares = new BigUint64Array(kernels.memory.wasm.buffer, sums, 2 * kernels.threads);
  let sum = 0n, weighted = 0n;
  for (let rank = 0; rank < kernels.threads; rank++) {
    sum += shares[2 * rank];
    weighted += shares[2 * rank + 1];
  }
  return [BigInt.asUintN(64, sum), BigInt.asUintN(64, weighted)];
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
  refuse: Refuse,
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
function formsFrom(description: unknown, plan: WeightPlan): Map<string, LinearForm> | undefined {
  if (!isObject(description)) return undefined;
  const forms = new Map<string, LinearForm>();
  for (const [name, found] of Object.entries(description)) {
    const linear = plan.tables.get(name) ?? plan.linears.get(name);
    if (!linear || !isReordered(found, linear)) return undefined;
    const { packedInputs, group } = found;
    forms.set(name, { ...linear.planned, packedInputs, group, hasOrder: true });
  }
  return forms;
}

function isReordered(value: unknown, { stored, inputs }: Linear): value is Reordered {
  if (!isObject(value) || !stored.order) return false;
  const { packedInputs, group } = value;
  const isCount = (count: unknown): count is number => Number.isSafeInteger(count) && Number(count) > 0;
  return isCount(packedInputs) && isCount(group) && group % BLOCK_INPUTS === 0 && group <= GROUP_INPUTS_MAX &&
    packedInputs % group === 0 && packedInputs >= inputs;
}

/** Refuses indices out of range: kernels gather by them and check nothing. */
function requireOrders(plan: WeightPlan, refuse: Refuse): void {
  for (const { name, inputs, packed: { kernels, form, order } } of plan.linearLayers()) {
    if (!form.hasOrder) continue;
    const words = kernels.memory.wordsAt(order, form.packedInputs);
    const isInput = (index: number) => (index | 0) >= -1 && (index | 0) < inputs;
    if (!words.every(isInput)) throw refuse(`an order of ${inputs} inputs for ${name}`, "other numbers");
  }
}

function open({ files }: Platform, path: string): ReadableFile {
  try {
    return files.open(path);
  } catch (error) {
    if (!(error instanceof RemoraError)) throw error;
    throw new RemoraError(error.code, "Cannot use", {
      file: path,
      expected: TITLE,
      found: error.found,
      cause: error,
    });
  }
}

function bytesOf({ kernels, address, bytes }: Piece): Uint8Array {
  return kernels.memory.bytesAt(address, bytes);
}

function sealOf(platform: Platform, head: Uint8Array, checksums: Uint8Array): Uint8Array {
  return platform.createHash().update(head).update(checksums).digest();
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
