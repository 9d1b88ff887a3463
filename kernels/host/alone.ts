/**
 * Kernels for functions that need no model: on the calling thread, in a small memory of their own.
 *
 * @module
 */
import { Kernels } from "./kernels.ts";

/**
 * Room for the operands of one kernel call; a larger matrix is done in slices of its outputs. A memory cannot shrink, and
 * one given up lingers until it is collected (with a new one for every 4096 × 4096 matrix the process held up to 2.7 GB), so
 * a small one is kept. A single slice that needs more gets a memory that is given up.
 */
const ROOM_BYTES = 8 << 20;
/** Slices are whole tiles of Marlin's. */
const TILE_OUTPUTS = 64;

/** A matrix in rows, each of which has the same number of bytes for each output. */
export interface OutputMatrix {
  values: Int32Array | Uint16Array | Uint8Array;
  rows: number;
}

/** Addresses of a slice, and its outputs. */
export interface Slice {
  source: number;
  target: number;
  /** 0 where there is none. */
  order: number;
  outputs: number;
}

interface Room {
  kernels: Kernels;
  address: number;
  bytes: number;
}

let kept: Room | undefined;

/**
 * Fills `target` by running a kernel on every slice of `source`.
 *
 * @param outputs Of both matrices.
 * @param order Passed to every call whole.
 * @throws {RemoraError} OUT_OF_MEMORY when the memory cannot grow to hold a slice.
 */
export function runAlone(
  outputs: number,
  source: OutputMatrix,
  target: OutputMatrix,
  order: Int32Array | undefined,
  run: (kernels: Kernels, slice: Slice) => void,
): void {
  const orderBytes = order?.byteLength ?? 0;
  const sourceStep = source.values.byteLength / outputs, targetStep = target.values.byteLength / outputs;
  const tiles = Math.floor((ROOM_BYTES - orderBytes) / (sourceStep + targetStep) / TILE_OUTPUTS);
  const sliceOutputs = Math.min(outputs, Math.max(tiles, 1) * TILE_OUTPUTS);
  const sourceAt = orderBytes, targetAt = sourceAt + sourceStep * sliceOutputs;
  const room = takeRoom(targetAt + targetStep * sliceOutputs);
  const bytes = room.kernels.memory.bytesAt(room.address, room.bytes);
  if (order !== undefined) bytes.set(bytesOf(order));
  for (let begin = 0; begin < outputs; begin += sliceOutputs) {
    const count = Math.min(sliceOutputs, outputs - begin);
    for (const [piece, at] of piecesOf(source, outputs, begin, count)) bytes.set(piece, sourceAt + at);
    run(room.kernels, {
      source: room.address + sourceAt,
      target: room.address + targetAt,
      order: order === undefined ? 0 : room.address,
      outputs: count,
    });
    for (const [piece, at] of piecesOf(target, outputs, begin, count)) {
      piece.set(bytes.subarray(targetAt + at, targetAt + at + piece.length));
    }
  }
  if (room.bytes === ROOM_BYTES) kept = room;
}

/** Taken, not borrowed: a call that fails leaves nothing half done behind. */
function takeRoom(needed: number): Room {
  if (kept !== undefined && needed <= ROOM_BYTES) {
    const room = kept;
    kept = undefined;
    return room;
  }
  const kernels = Kernels.alone(), bytes = Math.max(needed, ROOM_BYTES);
  return { kernels, address: kernels.memory.allocate(bytes), bytes };
}

/** The bytes of `count` outputs, piece by piece, and where each belongs in a matrix of these outputs alone. */
function* piecesOf(
  { values, rows }: OutputMatrix,
  outputs: number,
  begin: number,
  count: number,
): Iterable<[piece: Uint8Array, at: number]> {
  const bytes = bytesOf(values);
  if (count === outputs) return yield [bytes, 0];
  const rowBytes = bytes.length / rows, step = rowBytes / outputs;
  for (let row = 0; row < rows; row++) {
    const from = row * rowBytes + begin * step;
    yield [bytes.subarray(from, from + count * step), row * count * step];
  }
}

function bytesOf(values: OutputMatrix["values"]): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
