/**
 * Which way to multiply is fastest on this processor, found by trying; and whether all ways give the sums that they must.
 *
 * @module
 */
import { RemoraError } from "../../src/core/errors.ts";
import { f16Bits } from "../../src/core/half_floats.ts";
import type { KernelCalls } from "./calls.ts";
import type { KernelMemory } from "./memory.ts";
import type { KernelVariant } from "./modules.ts";
import { activationBytes, linearBytes, type LinearForm } from "./sizes.ts";
import { activationForm, isCoded, type WeightType } from "./types.ts";

/** How products are computed. No result shows it: every form gives the same bits. */
export interface ProductForm {
  /** Whether bytes are multiplied and added four at a time, where one instruction does that (VNNI, ARM), or two at a time. */
  readonly dot32: boolean;
  /** Scratch of the wide tiles, or 0: they are not used. */
  readonly wideScratch: number;
}

/** What a trial found. */
export interface TrialResult {
  readonly form: ProductForm;
  /** Bits of the vectors that the engine made of products of many rows. */
  readonly vectorBits: 128 | 256;
}

/** Rows and outputs of the product that is timed: enough for tiles to fill their pipelines, a few ten microseconds. */
const TIMED = { rows: 32, inputs: 512, outputs: 128, group: 128 };
const TIMED_PRODUCT = { type: "int4", bytes: 1 } as const;
/** Odd sizes: last panels and groups that are not whole, and rows that fill no tile. */
export const CHECKED = { rows: 13, inputs: 328, outputs: 24, group: 64 };

/** Room for the operands of a trial. */
const OPERAND_BYTES = 2 ** 18;

/** Time for each form at the start, so that the engine makes its best code of it while the weights are read. */
const WARMING_MILLISECONDS = 3;
/** The same where clocks stand still while something is computed, as in Cloudflare's Workers: products of some 15 µs. */
const WARMING_ROUNDS_MAX = 200;
/** Trials of all forms without a better time, after which the times are believed. */
const SETTLED_TRIALS = 20;
/** A form that takes so many times the best one's time is still the engine's first, hasty code; its better code is on the way. */
const HASTY = 3;
/** Where other programs disturb every trial, or the engine takes long. */
const TRIAL_MILLISECONDS_MAX = 300;
/** With 256 bits the same tile takes half the time; without it takes as long. */
const DOUBLE_SPEED = 1.3;

/**
 * Checksums of the results of `CHECKED` with operands by their place (`inputAt` and its neighbours), as tests/kernels/product_trial_test.ts computes them
 * one multiplication after the other.
 */
export const CHECKSUMS = {
  "int4 1": 2_273_230_565,
  "int4 2": 4_170_869_496,
  "int7 1": 603_423_235,
  "int8 2": 687_636_741,
};

/** A product of the trial: `bytes` of an activation; the weights' form as `LinearForm` has it. */
interface Product extends Pick<LinearForm, "hasOffsets" | "hasUnits"> {
  readonly type: WeightType;
  readonly bytes: 1 | 2;
}

/** Weights whose products are compared. */
export type ComparedForm = Pick<LinearForm, "type" | "group" | "hasOffsets" | "hasUnits">;

/** Lengths of groups that have tiles of their own, of weights. */
const COMPARED_GROUPS = [16, 32, 64, 128];
/** With rows for a tile of one, for those of few, and for wide ones; whole runs of inputs. */
const COMPARED_ROWS = [1, 3, 22], COMPARED_SIZES = { inputs: 512, outputs: 24 };

/** Operands of a product in kernel memory. */
interface Operands {
  shape: typeof TIMED;
  input: number;
  activations: ReturnType<typeof activationBytes>;
  weights: number;
  scales: number;
  offsets: number;
  units: number;
  output: number;
}

/** Kernels on trial. */
type Candidate = KernelCalls & { readonly memory: KernelMemory; readonly variant: KernelVariant };

/** A trial of the products of one memory. */
export class ProductTrial implements Disposable {
  readonly #kernels: Candidate;
  readonly #piece: number;
  #end: number;
  readonly #forms: readonly ProductForm[];

  /** @param wideScratch Scratch of the wide tiles, or 0 where there are none. */
  constructor(kernels: Candidate, wideScratch: number) {
    this.#kernels = kernels;
    this.#end = this.#piece = kernels.memory.allocate(OPERAND_BYTES);
    const widths = wideScratch ? [0, wideScratch] : [0];
    const dots = kernels.variant === "strict" ? [false] : [false, true];
    this.#forms = widths.flatMap((scratch) => dots.map((dot32) => ({ dot32, wideScratch: scratch })));
  }

  /**
   * Computes fixed products in all forms.
   *
   * @throws {RemoraError} UNSUPPORTED when a result is not what it must be: 256 bits are an experiment of the engine.
   */
  check(): void {
    for (const [name, expected] of Object.entries(CHECKSUMS)) {
      const [type, bytes] = name.split(" ");
      this.#checkForms({ type: type as WeightType, bytes: Number(bytes) as 1 | 2 }, CHECKED, name, expected);
    }
  }

  /**
   * Compares the forms of the products of such weights, whose tiles `check` does not reach, with the plain one.
   *
   * @throws {RemoraError} As `check`.
   */
  compare({ type, group, hasOffsets, hasUnits }: ComparedForm): void {
    if (!isCoded(type) || !COMPARED_GROUPS.includes(group)) return;
    const own = `${hasOffsets ? ", offsets" : ""}${hasUnits ? ", units" : ""}`;
    // Only against 4 bits have activations two forms.
    for (const bytes of type === "int4" ? [1, 2] as const : [1] as const) {
      for (const rows of COMPARED_ROWS) {
        const name = `${type} ${bytes}, ${rows} rows, groups of ${group}${own}`;
        this.#checkForms({ type, bytes, hasOffsets, hasUnits }, { ...COMPARED_SIZES, rows, group }, name);
      }
    }
  }

  /** @param expected The checksum; default: that of the first form. */
  #checkForms(product: Product, shape: typeof TIMED, name: string, expected?: number): void {
    const operands = this.#operands(product, shape);
    for (const form of this.#forms) {
      this.#multiply(product, operands, form);
      const found = this.checksum(operands.output, shape.rows * shape.outputs);
      expected ??= found;
      if (found === expected) continue;
      throw new RemoraError("UNSUPPORTED", "Cannot trust this engine's arithmetic", {
        expected: `sum ${expected} of a fixed product (${name}${form.wideScratch ? ", wide" : ""})`,
        found: `${found}; run without --experimental-wasm-revectorize`,
      });
    }
  }

  /** Runs every form for a moment. */
  warm(): void {
    const operands = this.#operands(TIMED_PRODUCT, TIMED);
    for (const form of this.#forms) {
      const until = performance.now() + WARMING_MILLISECONDS;
      for (let round = 0; round < WARMING_ROUNDS_MAX && performance.now() < until; round++) {
        this.#multiply(TIMED_PRODUCT, operands, form);
      }
    }
  }

  /** Times all forms. */
  choose(): TrialResult {
    const operands = this.#operands(TIMED_PRODUCT, TIMED);
    const best = this.#forms.map(() => Infinity);
    const until = performance.now() + TRIAL_MILLISECONDS_MAX;
    // Of a clock that stands still all times are 0, which is settled too: the first form is kept.
    const isSettled = (trials: number) =>
      trials >= SETTLED_TRIALS && Math.max(...best) <= HASTY * Math.min(...best);
    for (let settled = 0; !isSettled(settled) && performance.now() < until; settled++) {
      this.#forms.forEach((form, i) => {
        const begin = performance.now();
        this.#multiply(TIMED_PRODUCT, operands, form);
        const time = performance.now() - begin;
        // Noise moves a minimum by less.
        if (time < 0.95 * best[i]) settled = 0;
        best[i] = Math.min(best[i], time);
      });
    }
    const timeOf = (dot32: boolean, isWide: boolean) =>
      best[this.#forms.findIndex((form) => form.dot32 === dot32 && form.wideScratch > 0 === isWide)];
    const isDouble = [false, true].some((dot32) => timeOf(dot32, true) * DOUBLE_SPEED < timeOf(dot32, false));
    return {
      form: this.#forms[best.indexOf(Math.min(...best))],
      vectorBits: isDouble ? 256 : 128,
    };
  }

  [Symbol.dispose](): void {
    this.#kernels.memory.free(this.#piece, OPERAND_BYTES);
  }

  /** Of f32 bit by bit, for comparison with CHECKSUMS. */
  checksum(address: number, count: number): number {
    return this.#kernels.memory.wordsAt(address, count).reduce(
      (sum, word) => (Math.imul(sum, 31) + word) >>> 0,
      0,
    );
  }

  #take(bytes: number): number {
    const address = this.#end;
    this.#end = address + Math.ceil(bytes / 64) * 64;
    if (this.#end > this.#piece + OPERAND_BYTES) {
      throw new Error("the trial's operands are larger than their room");
    }
    return address;
  }

  #operands({ type, bytes: bytesOfOne, hasOffsets, hasUnits }: Product, shape: typeof TIMED): Operands {
    const { memory } = this.#kernels, { rows, inputs, outputs, group } = shape;
    this.#end = this.#piece;
    const form = {
      type,
      outputs,
      packedInputs: inputs,
      group,
      hasZeros: false,
      hasBias: false,
      hasOrder: false,
      hasOffsets,
      hasUnits,
      scaleType: "f16",
    } as const;
    const bytes = linearBytes(form),
      own = activationBytes(activationForm(type, bytesOfOne), rows, inputs, group);
    const operands: Operands = {
      shape,
      input: this.#take(rows * inputs * 4),
      activations: {
        codes: this.#take(own.codes),
        sums: this.#take(own.sums),
        activationScales: this.#take(own.activationScales),
        factors: this.#take(own.factors),
      },
      weights: this.#take(bytes.weights),
      scales: this.#take(bytes.scales),
      offsets: bytes.offsets && this.#take(bytes.offsets),
      units: bytes.units && this.#take(bytes.units),
      output: this.#take(rows * outputs * 4),
    };
    memory.floatsAt(operands.input, rows * inputs).forEach((_, i, all) => all[i] = inputAt(i));
    memory.bytesAt(operands.weights, bytes.weights).forEach((_, i, all) => all[i] = weightByteAt(i, type));
    const halves = (address: number, count: number) =>
      memory.halvesAt(address, count).set(
        f16Bits(Float32Array.from({ length: count }, (_, i) => scaleAt(i))),
      );
    if (hasUnits) {
      memory.bytesAt(operands.scales, bytes.scales).forEach((_, i, all) => all[i] = weightByteAt(i, type));
      halves(operands.units, bytes.units / 2);
    } else {
      halves(operands.scales, bytes.scales / 2);
      if (hasOffsets) halves(operands.offsets, bytes.offsets / 2);
    }
    return operands;
  }

  #multiply({ type, bytes, hasOffsets }: Product, operands: Operands, form: ProductForm): void {
    const { rows, inputs, outputs, group } = operands.shape;
    const { activations, weights, scales, offsets, units } = operands;
    const activationForms = { form: activationForm(type, bytes), ...activations };
    const input = { address: operands.input, stride: inputs * 4 };
    this.#kernels.quantize({
      input,
      rows,
      inputs,
      group,
      ...activationForms,
      scales: activations.activationScales,
    });
    this.#kernels.matmulCodes({
      ...activationForms,
      weightType: type,
      rows,
      inputs,
      group,
      ...form,
      products: [{
        weights,
        scales,
        zeros: 0,
        zero: hasOffsets ? 0 : zeroOf(type),
        offsets,
        units,
        bias: 0,
        outputs,
        accumulate: false,
        output: { address: operands.output, stride: outputs * 4 },
      }],
    });
  }
}

/** The operands of the fixed products, by their place in memory. */
export function inputAt(place: number): number {
  return ((place * 2_654_435) % 1009 - 504) / 64;
}

export function weightByteAt(place: number, type: WeightType): number {
  return (place * 40_503 >>> 3) & (type === "int7" ? 127 : 255);
}

export function scaleAt(place: number): number {
  return (1 + place % 7) / 256;
}

export function zeroOf(type: WeightType): number {
  return type === "int4" ? 8 : type === "int6" ? 32 : type === "int7" ? 64 : 128;
}
