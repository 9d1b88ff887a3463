/**
 * Sets of characters, and the bytes that write them.
 *
 * @module
 */
import type { Term, TermStore } from "./terms.ts";

/** Code points first … last, in order and apart. */
export type CharacterSet = readonly (readonly [first: number, last: number])[];

const HIGHEST = 0x10ffff;
const SURROGATES: readonly [number, number] = [0xd800, 0xdfff];

/** Every character that UTF-8 can write: surrogates are halves of UTF-16 and no characters. */
export const EVERY_CHARACTER: CharacterSet = [[0, SURROGATES[0] - 1], [SURROGATES[1] + 1, HIGHEST]];

/** The union, in order and apart, without surrogates. */
export function joinCharacters(...sets: readonly CharacterSet[]): CharacterSet {
  const sorted = sets.flat().toSorted((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const [first, last] of sorted) {
    const before = joined.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else joined.push([first, last]);
  }
  return joined.flatMap(([first, last]): [number, number][] => {
    const [low, high] = SURROGATES;
    if (last < low || first > high) return [[first, last]];
    return [
      ...(first < low ? [[first, low - 1] as [number, number]] : []),
      ...(last > high ? [[high + 1, last] as [number, number]] : []),
    ];
  });
}

/** The characters that are not in the set. */
export function otherCharacters(set: CharacterSet): CharacterSet {
  const others: [number, number][] = [];
  let next = 0;
  for (const [first, last] of joinCharacters(set)) {
    if (first > next) others.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= HIGHEST) others.push([next, HIGHEST]);
  return joinCharacters(others);
}

/** One character of the set, in UTF-8. */
export function utf8(store: TermStore, set: CharacterSet): Term {
  return store.either(joinCharacters(set).flatMap(([first, last]) => utf8Ranges(store, first, last)));
}

/** Code points up to here take 1, 2, 3 and 4 bytes. */
const LENGTH_ENDS = [0x7f, 0x7ff, 0xffff, HIGHEST];

/** A range of code points as sequences of ranges of bytes. */
function utf8Ranges(store: TermStore, first: number, last: number): Term[] {
  const end = LENGTH_ENDS.find((end) => first <= end)!;
  if (last > end) return [...utf8Ranges(store, first, end), ...utf8Ranges(store, end + 1, last)];
  if (end === LENGTH_ENDS[0]) return [store.range(first, last)];
  // Cut where a range of leading bytes does not go with every continuation.
  for (let bits = 6; bits <= 18; bits += 6) {
    const mask = (1 << bits) - 1;
    if ((first & ~mask) === (last & ~mask)) continue;
    if ((first & mask) !== 0) {
      return [...utf8Ranges(store, first, first | mask), ...utf8Ranges(store, (first | mask) + 1, last)];
    }
    if ((last & mask) !== mask) {
      return [...utf8Ranges(store, first, (last & ~mask) - 1), ...utf8Ranges(store, last & ~mask, last)];
    }
  }
  const from = encode(first), to = encode(last);
  return [store.sequence(...from.map((byte, i) => store.range(byte, to[i])))];
}

function encode(codePoint: number): number[] {
  if (codePoint <= LENGTH_ENDS[1]) return [0xc0 | codePoint >> 6, 0x80 | codePoint & 0x3f];
  if (codePoint <= LENGTH_ENDS[2]) {
    return [0xe0 | codePoint >> 12, 0x80 | codePoint >> 6 & 0x3f, 0x80 | codePoint & 0x3f];
  }
  return [
    0xf0 | codePoint >> 18,
    0x80 | codePoint >> 12 & 0x3f,
    0x80 | codePoint >> 6 & 0x3f,
    0x80 | codePoint & 0x3f,
  ];
}
