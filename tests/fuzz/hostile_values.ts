/**
 * Values at which readers go wrong.
 *
 * @module
 */
import type { Random } from "../kernels/random.ts";

/** One of a list. */
export function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.below(values.length)];
}

/** Whole numbers at the ends of what types hold. */
export const BOUNDARIES: readonly number[] = [
  0,
  1,
  2,
  3,
  7,
  8,
  15,
  16,
  31,
  32,
  33,
  63,
  64,
  127,
  128,
  255,
  256,
  1023,
  4096,
  32767,
  65535,
  65536,
  2 ** 20,
  2 ** 24,
  2 ** 30,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 40,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 62,
  2 ** 63,
  2 ** 64,
];

/** Numbers as only text can say them. */
const ODD_NUMBERS = [
  "1e999",
  "-1e999",
  "NaN",
  "Infinity",
  "-Infinity",
  "-0",
  "1e-400",
  "0.5",
  "1E2",
  "9".repeat(400),
  "0x10",
];

/** A number near another one, or at a boundary, as JSON text. */
export function nearbyNumber(random: Random, number: number): string {
  const kind = random.below(10);
  if (kind < 3) return `${number + pick(random, [-1, 1, 0.5, 2, -2])}`;
  if (kind === 3) return `${-number}`;
  if (kind === 4) return `${number * pick(random, [2, 3, 0.5, 8, 1000, 1 / 8])}`;
  if (kind === 5) return pick(random, ODD_NUMBERS);
  return `${pick(random, BOUNDARIES) * pick(random, [1, 1, 1, -1])}`;
}

/** Made when they are needed: some are long. */
export const HOSTILE_STRINGS: readonly (() => string)[] = [
  () => "",
  () => " ",
  () => "\u0000",
  () => "a\nb\u001b[31m",
  () => "../secret",
  () => "../../../../etc/passwd",
  () => "/etc/passwd",
  () => "C:\\secret",
  () => "a/../b",
  () => "__proto__",
  () => "constructor",
  () => "toString",
  () => "length",
  () => "\ud800",
  () => "\udc00a",
  () => "e\u0301",
  () => "\u202e",
  () => "👩‍👩‍👧",
  () => "😀".repeat(300),
  () => "x".repeat(1_000),
  () => "x".repeat(100_000),
  () => "(".repeat(200),
  () => "(a+)+$",
  () => "re:^(a|a)*$",
  () => "[",
  () => "\\",
  () => "-:.*",
  () => "+:(.*)*",
  () => "NaN",
  () => "1",
  () => "-1",
  () => "null",
  () => "{{ x }}",
  () => "<|begin_of_text|>",
];

/** Changes bytes as if they were anything. */
export function editBytes(bytes: Uint8Array, random: Random): { bytes: Uint8Array; what: string } {
  const kind = random.below(8), { length } = bytes;
  if (length === 0) return { bytes: new Uint8Array(pick(random, [1, 4, 100])), what: "bytes out of nothing" };
  const at = random.below(length);
  if (kind === 0) return { bytes: bytes.slice(0, at), what: `cut after ${at} bytes` };
  const copy = bytes.slice();
  if (kind === 1) {
    copy[at] ^= 1 << random.below(8);
    return { bytes: copy, what: `bit of byte ${at}` };
  }
  if (kind === 2) {
    const end = Math.min(length, at + 1 + random.below(64)), value = pick(random, [0, 0xff, 0x7f, 0x80]);
    return { bytes: copy.fill(value, at, end), what: `bytes ${at} to ${end} ${value}` };
  }
  if (kind === 3) {
    copy.copyWithin(at, random.below(length), Math.min(length, random.below(length) + 32));
    return { bytes: copy, what: `bytes moved to ${at}` };
  }
  if (kind === 4) {
    const more = new Uint8Array(length + pick(random, [1, 2, 8, 64, 1000]));
    more.set(copy.subarray(0, at));
    more.set(copy.subarray(at), at + more.length - length);
    return { bytes: more, what: `${more.length - length} zeros at ${at}` };
  }
  const size = pick(random, [1, 2, 4, 8]), value = BigInt(Math.trunc(pick(random, BOUNDARIES)));
  for (let i = 0; i < size && at + i < length; i++) copy[at + i] = Number(value >> BigInt(8 * i) & 255n);
  return { bytes: copy, what: `${value} at byte ${at} in ${size}` };
}
