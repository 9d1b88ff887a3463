/**
 * exp, tanh, log and pow of f64 whose last bit is the same on every engine.
 *
 * ECMAScript leaves `Math.exp` and friends to the implementation, so their last bits differ between
 * engines and machines. These use only `+ - * /` and bit operations, which IEEE 754 fixes.
 * {@linkcode exp} and {@linkcode log} follow fdlibm's e_exp.c and e_log.c (https://www.netlib.org/fdlibm/).
 *
 * @module
 */

/** ln 2 split so that `k * LN2_HIGH` is exact for every binary exponent k. */
const LN2_HIGH = 6.93147180369123816490e-01;
const LN2_LOW = 1.90821492927058770002e-10;
const LOG2_E = 1.44269504088896338700;
/** Largest argument with a finite exponential, and smallest with one above zero. */
const EXP_OVERFLOW = 7.09782712893383973096e+02;
const EXP_UNDERFLOW = -7.45133219101941108420e+02;
const SQRT_2 = 1.4142135623730951;
/** Lifts a subnormal into the normal range. */
const TWO_54 = 18014398509481984;
/** Dekker's splitting constant, 2^27 + 1. */
const SPLITTER = 134217729;

const float = new Float64Array(1);
/** The same eight bytes; every platform WebAssembly runs on is little-endian, so [1] is the high word. */
const words = new Uint32Array(float.buffer);

/** 2^-1022 … 2^1023; a look-up makes exp a third faster than assembling the bits. */
const POWERS_OF_TWO = Float64Array.from({ length: 2046 }, (_, i) => {
  words[0] = 0;
  words[1] = (i + 1) << 20;
  return float[0];
});

/** e^x, within 1 ulp. */
export function exp(x: number): number {
  if (x !== x) return x;
  if (x > EXP_OVERFLOW) return Infinity;
  if (x < EXP_UNDERFLOW) return 0;
  const exponent = (x * LOG2_E + (x < 0 ? -0.5 : 0.5)) | 0;
  const high = x - exponent * LN2_HIGH;
  const low = exponent * LN2_LOW;
  const r = high - low;
  const t = r * r;
  const c = r -
    t * (1.66666666666666019037e-01 +
        t * (-2.77777777770155933842e-03 +
            t *
              (6.61375632143793436117e-05 +
                t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))));
  return scale(1 - ((low - (r * c) / (2 - c)) - high), exponent);
}

/** Hyperbolic tangent, within 2^-52 of the true value. */
export function tanh(x: number): number {
  return 1 - 2 / (exp(2 * x) + 1);
}

/** Natural logarithm, within 1 ulp; -Infinity at 0, NaN below. */
export function log(x: number): number {
  if (!(x > 0) || x === Infinity) return x === 0 ? -Infinity : x === Infinity ? x : NaN;
  const [mantissa, exponent] = split(x);
  const f = mantissa - 1;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const odd = z *
    (6.666666666666735130e-01 +
      w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  const halfSquare = 0.5 * f * f;
  return exponent * LN2_HIGH -
    ((halfSquare - (s * (halfSquare + even + odd) + exponent * LN2_LOW)) - f);
}

/**
 * base^exponent, within 2 ulp; the special cases are those of `**`.
 *
 * The logarithm and its product with the exponent are carried as unevaluated sums of two doubles
 * (T. J. Dekker, "A floating-point technique for extending the available precision", 1971), because
 * `exp(exponent * log(base))` alone would lose as many bits as the product has before its point.
 */
export function pow(base: number, exponent: number): number {
  if (exponent === 0) return 1;
  if (base !== base || exponent !== exponent) return NaN;
  const magnitude = base < 0 ? -base : base;
  if (magnitude === 1 && (exponent === Infinity || exponent === -Infinity)) return NaN;
  const isOdd = isInteger(exponent) && !isInteger(exponent / 2);
  const negative = isOdd && (base < 0 || Object.is(base, -0));
  if (base < 0 && base !== -Infinity && exponent - exponent === 0 && !isInteger(exponent)) return NaN;
  let power: number;
  if (magnitude === 0 || magnitude === Infinity) {
    power = (magnitude === 0) === (exponent > 0) ? 0 : Infinity;
  } else if (exponent === Infinity || exponent === -Infinity) {
    power = (magnitude > 1) === (exponent > 0) ? Infinity : 0;
  } else {
    power = magnitude === 1 ? 1 : positivePower(magnitude, exponent);
  }
  return negative ? -power : power;
}

function positivePower(base: number, exponent: number): number {
  const [logHigh, logLow] = logarithm(base);
  const rough = logHigh * exponent;
  // Past both ends of exp, where the two-double product itself could overflow.
  if (rough > 750 || rough < -750) return rough > 0 ? Infinity : 0;
  const [high, error] = product(logHigh, exponent);
  const low = error + logLow * exponent;
  const whole = exp(high);
  return whole === Infinity || whole === 0 ? exp(high + low) : whole + whole * low;
}

/** ln x of a positive finite x as [high, low], about 2^-62 relative. */
function logarithm(x: number): [number, number] {
  const [mantissa, exponent] = split(x);
  // ln m = 2 (s + s³/3 + s⁵/5 + …) with s = (m - 1) / (m + 1), |s| < 0.1716.
  const f = mantissa - 1;
  const [divisor, divisorLow] = sum(f, 2);
  const sHigh = f / divisor;
  const [back, backLow] = product(sHigh, divisor);
  const sLow = ((f - back) - backLow - sHigh * divisorLow) / divisor;
  const [square, squareError] = product(sHigh, sHigh);
  const squareLow = squareError + 2 * sHigh * sLow;
  const [cube, cubeError] = product(square, sHigh);
  const cubeLow = cubeError + square * sLow + squareLow * sHigh;
  const third = cube / 3;
  const [thrice, thriceLow] = product(third, 3);
  const thirdLow = ((cube - thrice) - thriceLow + cubeLow) / 3;
  // 1/5 … 1/25: the next term is below 2^-70 of the sum.
  let tail = 0;
  for (let odd = 25; odd >= 5; odd -= 2) tail = tail * square + 1 / odd;
  tail *= square * cube;
  const [a, aLow] = sum(exponent * LN2_HIGH, 2 * sHigh);
  const [b, bLow] = sum(a, 2 * third);
  return sum(b, aLow + bLow + (exponent * LN2_LOW + 2 * (sLow + thirdLow + tail)));
}

/** [m, k] with x = m · 2^k and m in [√½, √2), for a positive finite x. */
function split(x: number): [number, number] {
  float[0] = x;
  let exponent = 0;
  if (words[1] < 0x00100000) {
    float[0] = x * TWO_54;
    exponent = -54;
  }
  exponent += (words[1] >>> 20) - 1023;
  words[1] = (words[1] & 0x000fffff) | 0x3ff00000;
  return float[0] >= SQRT_2 ? [float[0] / 2, exponent + 1] : [float[0], exponent];
}

/** x · 2^exponent for x in [½, 2], rounded once. */
function scale(x: number, exponent: number): number {
  if (exponent > 1023) return x * 2 * powerOfTwo(exponent - 1);
  if (exponent < -1021) return x * powerOfTwo(exponent + 54) / TWO_54;
  return x * powerOfTwo(exponent);
}

/** 2^exponent of a normal number. */
function powerOfTwo(exponent: number): number {
  return POWERS_OF_TWO[exponent + 1022];
}

/** a + b exactly, as [rounded, rest] (Knuth). */
function sum(a: number, b: number): [number, number] {
  const total = a + b;
  const bPart = total - a;
  return [total, (a - (total - bPart)) + (b - bPart)];
}

/** a · b exactly, as [rounded, rest] (Dekker). */
function product(a: number, b: number): [number, number] {
  const total = a * b;
  const aShifted = SPLITTER * a;
  const aHigh = aShifted - (aShifted - a);
  const aLow = a - aHigh;
  const bShifted = SPLITTER * b;
  const bHigh = bShifted - (bShifted - b);
  const bLow = b - bHigh;
  return [total, ((aHigh * bHigh - total) + aHigh * bLow + aLow * bHigh) + aLow * bLow];
}

function isInteger(x: number): boolean {
  return Number.isInteger(x);
}
