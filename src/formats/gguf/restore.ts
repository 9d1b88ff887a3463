/**
 * Undoes what the converter did to tensors: rows of queries and keys that it brought into another order, and one that it added to the
 * weights of norms.
 *
 * A head's rows are those of the first halves of its pairs, then those of the second halves. Llama's files have each pair side by
 * side: row 2 i + s of a head is row s · (rows of a head / 2) + i.
 *
 * @module
 */
import { readBytes, readBytesInto } from "../../io/read.ts";
import type { ModelSource } from "../../io/source.ts";
import type { TensorEntry } from "../containers/safetensors.ts";
import { badTensor, checkTensor } from "../tensor_checks.ts";

/** What is to be undone. */
export interface Restorations {
  /** Heads into which the rows of a tensor are divided. */
  readonly heads: ReadonlyMap<TensorEntry, number>;
  /** What was added to a tensor's values, which are f32. */
  readonly offsets: ReadonlyMap<TensorEntry, number>;
}

/** Fills `target` from byte `offset` of the tensor on, as it was before the conversion. */
export async function readRestored(
  source: ModelSource,
  entry: TensorEntry,
  offset: number,
  target: Uint8Array,
  { heads, offsets }: Restorations,
): Promise<void> {
  const count = heads.get(entry);
  if (count !== undefined) return await readHeads(source, entry, count, offset, target);
  await readBytesInto(source, entry.file, entry.begin + offset, target);
  const added = offsets.get(entry);
  if (added !== undefined) subtract(entry, added, target);
}

async function readHeads(
  source: ModelSource,
  entry: TensorEntry,
  heads: number,
  offset: number,
  target: Uint8Array,
): Promise<void> {
  const { file, begin, end, shape: [rows] } = entry;
  const headRows = rows / heads, half = headRows / 2, rowBytes = (end - begin) / rows;
  if (!Number.isInteger(half) || half === 0) {
    throw badTensor(entry, `rows of ${heads} heads of an even size`, `${rows}`);
  }
  const headBytes = headRows * rowBytes, last = offset + target.length;
  for (let head = Math.floor(offset / headBytes); head * headBytes < last; head++) {
    const stored = await readBytes(source, file, begin + head * headBytes, begin + (head + 1) * headBytes);
    for (let row = 0; row < headRows; row++) {
      const at = head * headBytes + row * rowBytes;
      const from = Math.max(at, offset), to = Math.min(at + rowBytes, last);
      if (from >= to) continue;
      const place = row < half ? 2 * row : 2 * (row - half) + 1;
      const shift = place * rowBytes - at;
      target.set(stored.subarray(from + shift, to + shift), from - offset);
    }
  }
}

/** Values may lie at any byte of memory, which may be shared. */
function subtract(entry: TensorEntry, added: number, target: Uint8Array): void {
  checkTensor(entry, ["F32"], entry.shape);
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  for (let at = 0; at + 4 <= target.length; at += 4) {
    view.setFloat32(at, view.getFloat32(at, true) - added, true);
  }
}
