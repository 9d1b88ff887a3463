/**
 * Numbers for people.
 *
 * @module
 */

/** Bytes in decimal units, e.g. `12.3 MB`. */
export function describeBytes(bytes: number): string {
  return withPrefix(bytes, "B");
}

/** A count in decimal units, e.g. `134.5 M`. */
export function describeCount(count: number): string {
  return withPrefix(count, "").trimEnd();
}

function withPrefix(value: number, unit: string): string {
  for (const [size, prefix] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
    if (value >= size) return `${(value / size).toFixed(1)} ${prefix}${unit}`;
  }
  return `${value} ${unit}`;
}

/** Thousands separated by commas. */
export function describeInteger(value: number): string {
  return value.toLocaleString("en-US");
}
