/**
 * One kernel test: threads, guarded memory, a seed that a failure names.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import type { Strided } from "../../kernels/host/calls.ts";
import { Kernels } from "../../kernels/host/kernels.ts";
import type { KernelVariant } from "../../kernels/host/modules.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import type { Bounded } from "../reference/rounding.ts";
import { Arena } from "./arena.ts";
import { Random } from "./random.ts";

/** What a test works with. */
export interface Bench {
  kernels: Kernels;
  arena: Arena;
  random: Random;
}

/** The kernels of a test. */
export interface KernelSetup {
  threads?: number;
  variant?: "auto" | KernelVariant;
  /** How products are computed; see ProductForm. */
  dot32?: boolean;
  isWide?: boolean;
}

/** For titles. */
export function describeSetup({ variant, dot32, isWide }: KernelSetup): string {
  return `${variant}${dot32 ? ", 32-bit dot" : ""}${isWide ? ", wide" : ""}`;
}

const SEED = 20240229;

/** Registers a test; its guards are checked and its threads are ended at the end. */
export function kernelTest(
  name: string,
  body: (bench: Bench) => void | Promise<void>,
  setup: KernelSetup = {},
): void {
  Deno.test(name, () => withBench(body, setup));
}

/** Runs `body` on kernels of its own. A failure names the seed. */
export async function withBench<T>(
  body: (bench: Bench) => T | Promise<T>,
  { threads = 1, variant = "auto", dot32 = false, isWide = false }: KernelSetup = {},
): Promise<T> {
  const [kernels] = await startKernels(threads, variant);
  kernels.useForm({ dot32, isWide });
  const arena = new Arena(kernels.memory);
  try {
    const value = await body({ kernels, arena, random: new Random(SEED) });
    arena.assertGuards();
    return value;
  } catch (error) {
    if (error instanceof Error) error.message += ` [seed ${SEED}]`;
    throw error;
  } finally {
    await kernels.close();
  }
}

/** Kernels on new memories, run by as many threads. */
export function startKernels(
  threads: number,
  variant: "auto" | KernelVariant = "auto",
  memories = 1,
): Promise<Kernels[]> {
  return Kernels.start({ threads, variant, memories, startWorker: denoPlatform.startWorker });
}

/** A matrix of f32 without gaps. */
export function strided(address: number, width: number): Strided {
  return { address, stride: width * 4 };
}

/** Every value is finite and no further from the reference than its bound. */
export function assertWithin(actual: ArrayLike<number>, { values, bounds }: Bounded, what: string): void {
  ok(actual.length === values.length, `${what}: ${actual.length} values, expected ${values.length}`);
  for (let i = 0; i < values.length; i++) {
    ok(Number.isFinite(actual[i]), `${what}: value ${i} is ${actual[i]}, expected ${values[i]}`);
    const error = Math.abs(actual[i] - values[i]);
    ok(
      error <= bounds[i],
      `${what}: value ${i} is ${actual[i]}, expected ${values[i]} ± ${bounds[i]}, off by ${error}`,
    );
  }
}

/** Both are the same bits; ±0 and NaN are told apart. */
export function assertSameBits(actual: Float32Array, expected: Float32Array, what: string): void {
  const a = new Uint32Array(actual.buffer, actual.byteOffset, actual.length);
  const b = new Uint32Array(expected.buffer, expected.byteOffset, expected.length);
  ok(a.length === b.length, `${what}: ${a.length} values, expected ${b.length}`);
  const at = a.findIndex((bits, i) => bits !== b[i]);
  ok(at < 0, `${what}: value ${at} is ${actual[at]}, expected exactly ${expected[at]}`);
}

/** Distance of an f32 from a real number, in units of the last place of the f32 nearest to it. */
export function ulpsFrom(actual: number, exact: number): number {
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(exact))), -126);
  return Math.abs(actual - exact) / 2 ** (exponent - 23);
}

/** Rows of a [count, width] matrix. */
export function rowsOf(values: Float32Array, width: number): Float32Array[] {
  return Array.from({ length: values.length / width }, (_, m) => values.subarray(m * width, (m + 1) * width));
}

/** All rows in one. */
export function joined(rows: Bounded[]): Bounded {
  return {
    values: Float64Array.from(rows.flatMap((row) => [...row.values])),
    bounds: Float64Array.from(rows.flatMap((row) => [...row.bounds])),
  };
}
