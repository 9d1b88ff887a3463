/**
 * Keys and values on their way into the cache; see block.ts for the layouts.
 */
import { KIND_F32, KIND_INT8, KV_BLOCK_TOKENS } from "../../shared/layout";
import { shareBegin } from "../share";
import { blockAt, columnsOf, headBytes, partBytes, TOKENS } from "./block";
import { BYTE_LIMIT, integerScale, integersPerUnit, largestOf, lengthLimit, VALUE_LIMIT } from "./integers";

/**
 * Writes the keys and values of tokens start … start + M − 1 into their blocks.
 *   keys, values  f32 [M, heads, headSize]
 *   table         u32 [blocks], those of the whole sequence up to the last of these tokens
 * F32 stays as it is; integers are nearest(x · (L / max |x|)), ties to even, with the limits of integers.ts.
 */
export function storeKeysValues(
  keys: usize, keyStride: usize, values: usize, valueStride: usize, keyValueType: i32, start: i32, rows: i32, heads: i32,
  headSize: i32, table: usize, rank: i32, size: i32,
): void {
  if (keyValueType == KIND_F32) {
    storeFloats(keys, keyStride, values, valueStride, start, rows, heads, headSize, table, rank, size);
  } else if (keyValueType == KIND_INT8) {
    storeIntegers<i8>(keys, keyStride, values, valueStride, start, rows, heads, headSize, table, rank, size);
  } else {
    storeIntegers<i16>(keys, keyStride, values, valueStride, start, rows, heads, headSize, table, rank, size);
  }
}

function storeFloats(
  keys: usize, keyStride: usize, values: usize, valueStride: usize, start: i32, rows: i32, heads: i32, headSize: i32,
  table: usize, rank: i32, size: i32,
): void {
  const rowBytes = <usize>headSize * 4;
  const end = shareBegin(rows, rank + 1, size);
  for (let row = shareBegin(rows, rank, size); row < end; row++) {
    const token = start + row, place = <usize>(token % KV_BLOCK_TOKENS);
    const block = blockAt(table, token / KV_BLOCK_TOKENS);
    for (let head = 0; head < heads; head++) {
      const key = keys + <usize>row * keyStride + <usize>head * rowBytes;
      const value = values + <usize>row * valueStride + <usize>head * rowBytes;
      const to = block + <usize>head * headBytes<f32>(headSize);
      for (let d = 0; d < headSize; d++) store<f32>(to + (<usize>d * TOKENS + place) * 4, load<f32>(key + <usize>d * 4));
      memory.copy(to + partBytes<f32>(headSize) + place * rowBytes, value, rowBytes);
    }
  }
}

/** `E` is i16 or i8. */
function storeIntegers<E>(
  keys: usize, keyStride: usize, values: usize, valueStride: usize, start: i32, rows: i32, heads: i32, headSize: i32,
  table: usize, rank: i32, size: i32,
): void {
  const columns = columnsOf<E>(headSize), part = partBytes<E>(headSize);
  const valueLimit = sizeof<E>() == 1 ? BYTE_LIMIT : VALUE_LIMIT;
  // Heads are dealt out: two threads never write into one vector of the same head.
  for (let head = rank; head < heads; head += size) {
    for (let row = 0; row < rows; row++) {
      const token = start + row, place = <usize>(token % KV_BLOCK_TOKENS);
      const to = blockAt(table, token / KV_BLOCK_TOKENS) + <usize>head * headBytes<E>(headSize);
      const key = keys + <usize>row * keyStride + <usize>(head * headSize) * 4;
      const value = values + <usize>row * valueStride + <usize>(head * headSize) * 4;
      const scales = to + 2 * part + place * 4;
      const largestKey = largestOf(key, headSize), largestValue = largestOf(value, headSize);
      const keyLimit = sizeof<E>() == 1 ? BYTE_LIMIT : lengthLimit(key, headSize, largestKey);
      store<f32>(scales, integerScale(largestKey, keyLimit));
      store<f32>(scales + TOKENS * 4, integerScale(largestValue, valueLimit));
      const keyFactor = integersPerUnit(largestKey, keyLimit), valueFactor = integersPerUnit(largestValue, valueLimit);
      const keyPlace = to + place * 2 * sizeof<E>();
      const valuePlace = to + part + ((place >> 1) * columns * 2 + (place & 1)) * sizeof<E>();
      for (let d: usize = 0; d < columns; d++) {
        const isThere = d < <usize>headSize;
        const k = isThere ? <i32>nearest(load<f32>(key + d * 4) * keyFactor) : 0;
        const v = isThere ? <i32>nearest(load<f32>(value + d * 4) * valueFactor) : 0;
        store<E>(keyPlace + ((d >> 1) * TOKENS * 2 + (d & 1)) * sizeof<E>(), <E>k);
        store<E>(valuePlace + d * 2 * sizeof<E>(), <E>v);
      }
    }
  }
}
