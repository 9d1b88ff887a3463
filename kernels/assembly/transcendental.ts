/**
 * exp, sine and cosine of our own: the host's differ between engines in the last bit, ours is IEEE additions and
 * multiplications only.
 */
import { CONSTANTS_ADDRESS, HALF_BITS, HALF_BITS_ADDRESS, HALF_FACTOR, HALF_FACTOR_ADDRESS } from "../shared/layout";
import { ROUND_MAGIC } from "./vector";

/**
 * Constants of exp4 and powerOfTwo4 (and of the scales of products), from memory: V8 puts a vector constant into a register anew at every use, three
 * instructions each, but loads from an address that it knows in one.
 */
// @ts-ignore: decorator
@inline
function constant(index: usize): v128 {
  return v128.load32_splat(CONSTANTS_ADDRESS + index * 4);
}

/**
 * Writes the constants; once for every memory, before anything else runs there. One by one: a list would become data that every
 * thread writes anew as it starts.
 */
export function prepare(): void {
  store<f32>(CONSTANTS_ADDRESS, -87.33654, 0);
  store<f32>(CONSTANTS_ADDRESS, 88.8, 4);
  store<f32>(CONSTANTS_ADDRESS, 1.44269504088896341, 8);
  store<f32>(CONSTANTS_ADDRESS, ROUND_MAGIC, 12);
  store<f32>(CONSTANTS_ADDRESS, 0.693359375, 16);
  store<f32>(CONSTANTS_ADDRESS, -2.12194440e-4, 20);
  store<f32>(CONSTANTS_ADDRESS, 1.9875691500e-4, 24);
  store<f32>(CONSTANTS_ADDRESS, 1.3981999507e-3, 28);
  store<f32>(CONSTANTS_ADDRESS, 8.3334519073e-3, 32);
  store<f32>(CONSTANTS_ADDRESS, 4.1665795894e-2, 36);
  store<f32>(CONSTANTS_ADDRESS, 1.6666665459e-1, 40);
  store<f32>(CONSTANTS_ADDRESS, 5.0000001201e-1, 44);
  store<f32>(CONSTANTS_ADDRESS, 1, 48);
  store<f32>(CONSTANTS_ADDRESS, SMALLEST_POWER, 52);
  store<f32>(CONSTANTS_ADDRESS, ROUND_MAGIC + 127, 56);
  store<f32>(CONSTANTS_ADDRESS, 1.326472731307149e-3, 60);
  store<f32>(CONSTANTS_ADDRESS, 9.671512991189957e-3, 64);
  store<f32>(CONSTANTS_ADDRESS, 5.550733581185341e-2, 68);
  store<f32>(CONSTANTS_ADDRESS, 2.4022242426872253e-1, 72);
  store<f32>(CONSTANTS_ADDRESS, 6.931470036506653e-1, 76);
  store<u32>(HALF_BITS_ADDRESS, HALF_BITS);
  store<u32>(HALF_FACTOR_ADDRESS, HALF_FACTOR);
}

/**
 * exp of four lanes. Range reduction by ln 2 in two parts, then the degree-6 polynomial of the Cephes library
 * (single precision, Moshier). At most 2 units in the last place off. Below −87.33 the result is 0 (no
 * subnormals), from about 88.38 on infinity; NaN stays NaN.
 */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  const smallest = constant(0);
  const tooSmall = f32x4.lt(x, smallest);
  // pmin and pmax are one instruction each, and keep a NaN in their first operand.
  const clamped = f32x4.pmin(f32x4.pmax(x, smallest), constant(1));
  const shifted = f32x4.add(f32x4.mul(clamped, constant(2)), constant(3));
  const n = f32x4.sub(shifted, constant(3));
  let r = f32x4.sub(clamped, f32x4.mul(n, constant(4)));
  r = f32x4.sub(r, f32x4.mul(n, constant(5)));
  let p = constant(6);
  p = f32x4.add(f32x4.mul(p, r), constant(7));
  p = f32x4.add(f32x4.mul(p, r), constant(8));
  p = f32x4.add(f32x4.mul(p, r), constant(9));
  p = f32x4.add(f32x4.mul(p, r), constant(10));
  p = f32x4.add(f32x4.mul(p, r), constant(11));
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), constant(12));
  // The low bits of `shifted` are n in two's complement; the shift drops what is above them.
  const scale = i32x4.shl(i32x4.add(shifted, i32x4.splat(127)), 23);
  return v128.andnot(f32x4.mul(p, scale), tooSmall);
}

/** What powerOfTwo4 takes smaller exponents for, so that no product with its result is subnormal. */
const SMALLEST_POWER: f32 = -100;

/**
 * 2^x of four lanes, x ≤ 0; 2^−100 for all that is below, NaN stays NaN. A polynomial of degree 5, least squares with weights
 * that level its relative error: at most 2·10^-7 off. Half the instructions of exp4.
 */
// @ts-ignore: decorator
@inline
export function powerOfTwo4(x: v128): v128 {
  const clamped = f32x4.pmax(x, constant(13));
  // The low bits are x rounded, plus the bias of an exponent.
  const shifted = f32x4.add(clamped, constant(14));
  const r = f32x4.sub(clamped, f32x4.sub(shifted, constant(14)));
  let p = f32x4.add(f32x4.mul(constant(15), r), constant(16));
  p = f32x4.add(f32x4.mul(p, r), constant(17));
  p = f32x4.add(f32x4.mul(p, r), constant(18));
  p = f32x4.add(f32x4.mul(p, r), constant(19));
  p = f32x4.add(f32x4.mul(p, r), constant(12));
  return f32x4.mul(p, i32x4.shl(shifted, 23));
}

/** The constants of powerOfTwo4 in the order of their use, two vectors each: what kernels/wide/softmax_text.ts reads. */
export function copyPowerConstants(to: usize): void {
  copyConstant(to, 13);
  copyConstant(to + 32, 14);
  for (let i: usize = 0; i < 5; i++) copyConstant(to + 64 + i * 32, 15 + i);
  copyConstant(to + 224, 12);
}

// @ts-ignore: decorator
@inline
function copyConstant(to: usize, index: usize): void {
  v128.store(to, constant(index));
  v128.store(to, constant(index), 16);
}

/** All bits where powerOfTwo4 does not compute 2^x: there a weight is 0. */
// @ts-ignore: decorator
@inline
export function hasNoPower(x: v128): v128 {
  return f32x4.lt(x, constant(13));
}

/**
 * The error function of four lanes: a quotient of an odd and an even polynomial (the coefficients of Eigen's single-precision
 * erf, which is 1 in f32 beyond the clamp). At most 3·10^-7 off.
 */
// @ts-ignore: decorator
@inline
export function erf4(value: v128): v128 {
  const x = f32x4.pmin(f32x4.pmax(value, f32x4.splat(-4)), f32x4.splat(4));
  const square = f32x4.mul(x, x);
  let p = f32x4.splat(-2.72614225801306e-10);
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(2.77068142495902e-08));
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(-2.10102402082508e-06));
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(-5.69250639462346e-05));
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(-7.34990630326855e-04));
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(-2.95459980854025e-03));
  p = f32x4.add(f32x4.mul(p, square), f32x4.splat(-1.60960333262415e-02));
  let q = f32x4.splat(-1.45660718464996e-05);
  q = f32x4.add(f32x4.mul(q, square), f32x4.splat(-2.13374055278905e-04));
  q = f32x4.add(f32x4.mul(q, square), f32x4.splat(-1.68282697438203e-03));
  q = f32x4.add(f32x4.mul(q, square), f32x4.splat(-7.37332916720468e-03));
  q = f32x4.add(f32x4.mul(q, square), f32x4.splat(-1.42647390514189e-02));
  return f32x4.div(f32x4.mul(p, x), q);
}

/** Sine on [−π/4, π/4]; coefficients of FreeBSD's k_sin.c. */
// @ts-ignore: decorator
@inline
function sineNearZero(x: f64): f64 {
  const z = x * x;
  return x + x * z * (-1.66666666666666324348e-01 + z * (8.33333333332248946124e-03 +
    z * (-1.98412698298579493134e-04 + z * (2.75573137070700676789e-06 +
    z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
}

/** Cosine on [−π/4, π/4]; coefficients of FreeBSD's k_cos.c. */
// @ts-ignore: decorator
@inline
function cosineNearZero(x: f64): f64 {
  const z = x * x;
  return 1 - (0.5 * z - z * z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 +
    z * (2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07 +
    z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))))));
}

/**
 * Stores cosine and sine of an angle as f32. π/2 is subtracted in two exact parts, which is good for angles up to
 * 2^20 · π/2: positions stay below that.
 */
// @ts-ignore: decorator
@inline
export function storeCosineSine(cosine: usize, sine: usize, angle: f64, factor: f64): void {
  const n = nearest(angle * 0.63661977236758134308);
  const r = (angle - n * 1.57079632673412561417) - n * 6.07710050650619224932e-11;
  const s = sineNearZero(r);
  const c = cosineNearZero(r);
  const quadrant = <i32>n & 3;
  const cosineValue = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
  const sineValue = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
  store<f32>(cosine, <f32>(cosineValue * factor));
  store<f32>(sine, <f32>(sineValue * factor));
}
