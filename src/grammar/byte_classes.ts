/**
 * Bytes that a term cannot tell apart: one derivative serves all bytes of a class.
 *
 * @module
 */
import { type ByteSet, hasByte } from "./byte_set.ts";

/** A partition of the bytes. */
export interface ByteClasses {
  /** The class of each byte. */
  readonly classes: Uint8Array;
  /** One byte of each class. */
  readonly samples: readonly number[];
}

/** All bytes are alike. */
export const ONE_CLASS: ByteClasses = { classes: new Uint8Array(256), samples: [0] };

/** The bytes of a set, and the others. */
export function classesOfSet(set: ByteSet): ByteClasses {
  return numbered((byte) => Number(hasByte(set, byte)));
}

/** Bytes are alike when they are so in both partitions. */
export function refine(a: ByteClasses, b: ByteClasses): ByteClasses {
  if (a === b || b.samples.length === 1) return a;
  if (a.samples.length === 1) return b;
  return numbered((byte) => a.classes[byte] << 8 | b.classes[byte]);
}

function numbered(keyOf: (byte: number) => number): ByteClasses {
  const numbers = new Map<number, number>();
  const classes = new Uint8Array(256);
  const samples: number[] = [];
  for (let byte = 0; byte < 256; byte++) {
    const key = keyOf(byte);
    let number = numbers.get(key);
    if (number === undefined) {
      numbers.set(key, number = samples.length);
      samples.push(byte);
    }
    classes[byte] = number;
  }
  return { classes, samples };
}
