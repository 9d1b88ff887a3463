/**
 * Floats in decimal, as Python writes them: exactly, halves to even.
 *
 * @module
 */

/** The digits of a positive float and where the point is: 0.digits × 10^point. */
export interface Decimal {
  digits: string;
  point: number;
}

const view = new DataView(new ArrayBuffer(8));

/** All digits of a float without its sign; a float has finitely many. */
function exactDecimal(value: number): Decimal {
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const exponent = Number(bits >> 52n);
  const mantissa = (bits & 0xfffffffffffffn) | (exponent > 0 ? 1n << 52n : 0n);
  const shift = Math.max(exponent, 1) - 1075;
  if (mantissa === 0n) return { digits: "0", point: 1 };
  if (shift >= 0) {
    const digits = (mantissa << BigInt(shift)).toString();
    return { digits, point: digits.length };
  }
  // m / 2^k is m × 5^k / 10^k.
  const digits = (mantissa * 5n ** BigInt(-shift)).toString();
  return { digits, point: digits.length + shift };
}

/** Rounds to so many digits after the first one of 0.digits, halves to even. */
function roundDigits({ digits, point }: Decimal, count: number): Decimal {
  if (count >= digits.length) return { digits, point };
  if (count < 0) return { digits: "0", point: 1 };
  const rest = digits.slice(count);
  const half = "5".padEnd(rest.length, "0");
  const kept = digits.slice(0, count) || "0";
  const isUp = rest > half || rest === half && Number(kept[kept.length - 1]) % 2 === 1;
  if (!isUp) return count === 0 ? { digits: "0", point: 1 } : { digits: kept, point };
  const up = (BigInt(kept) + 1n).toString();
  if (count === 0) return { digits: up, point: point + 1 };
  const padded = up.padStart(count, "0");
  return { digits: padded, point: point + padded.length - count };
}

/** `%.{precision}f` of a finite float, without its sign. */
export function fixed(value: number, precision: number): string {
  const exact = exactDecimal(value);
  const { digits, point } = roundDigits(exact, exact.point + precision);
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, "0") : "0";
  if (precision === 0) return whole;
  const fraction = point >= 0 ? digits.slice(point) : "0".repeat(-point) + digits;
  return `${whole}.${(digits === "0" ? "" : fraction).padEnd(precision, "0").slice(0, precision)}`;
}

/** So many significant digits and the exponent of the first one. */
function significant(value: number, count: number): { digits: string; exponent: number } {
  if (value === 0) return { digits: "0".repeat(count), exponent: 0 };
  const { digits, point } = roundDigits(exactDecimal(value), count);
  return { digits: digits.padEnd(count, "0").slice(0, count), exponent: point - 1 };
}

function withExponent(digits: string, exponent: number, keepsPoint: boolean): string {
  const rest = digits.slice(1);
  const sign = exponent < 0 ? "-" : "+";
  const point = rest !== "" || keepsPoint ? `.${rest}` : "";
  return `${digits[0]}${point}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** `%.{precision}e` of a finite float, without its sign. */
export function scientific(value: number, precision: number, keepsPoint = false): string {
  const { digits, exponent } = significant(value, precision + 1);
  return withExponent(digits, exponent, keepsPoint);
}

/** `%.{precision}g` of a finite float, without its sign. `keepsZeros` is the flag `#`. */
export function general(value: number, precision: number, keepsZeros = false): string {
  const count = precision || 1;
  const { digits, exponent } = significant(value, count);
  const trimmed = keepsZeros ? digits : digits.replace(/0+$/, "") || "0";
  if (exponent < -4 || exponent >= count) return withExponent(trimmed, exponent, keepsZeros);
  if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${trimmed}`;
  const whole = trimmed.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const fraction = trimmed.slice(exponent + 1);
  return fraction !== "" || keepsZeros ? `${whole}.${fraction}` : whole;
}

/** `repr` of a float: the shortest digits that mean it. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const sign = value < 0 ? "-" : "";
  const [mantissa, exponentText] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) return sign + withExponent(digits, exponent, false);
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/** Python's `round(value, digits)` of a float. */
export function roundFloat(value: number, digits: number): number {
  if (!Number.isFinite(value) || digits > 330) return value;
  const sign = value < 0 || Object.is(value, -0) ? -1 : 1;
  if (digits >= 0) return sign * Number(fixed(value, digits));
  const exact = exactDecimal(value);
  const rounded = roundDigits(exact, exact.point + digits);
  return sign * Number(`0.${rounded.digits}e${rounded.point}`);
}
