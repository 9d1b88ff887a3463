/**
 * The arrays that a model's weights consist of, in the order in which they are reserved and kept on disk.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import { linearBytes, type LinearForm } from "../../kernels/host/sizes.ts";
import type { Linear } from "./linear.ts";
import type { WeightPlan } from "./plan.ts";

/** An array in kernel memory. */
export interface Piece {
  kernels: Kernels;
  address: number;
  bytes: number;
}

/**
 * Reserves all weights of a plan; nothing is read.
 *
 * @param formOf The form that a layer was packed in.
 */
export function reserveWeights(
  plan: WeightPlan,
  kernelsOf: (part: string) => Kernels,
  formOf: (linear: Linear) => LinearForm,
): void {
  const allocate = (part: string, bytes: number) => kernelsOf(part).memory.allocate(bytes);
  for (const linear of plan.linearLayers()) {
    const { part } = linear;
    linear.place(kernelsOf(part), formOf(linear), (bytes) => allocate(part, bytes));
  }
  for (const array of [...plan.vectors.values(), ...plan.arrays.values()]) {
    array.place = { kernels: kernelsOf(array.part), address: allocate(array.part, array.bytes) };
  }
}

/** Bytes of each array that `reserveWeights` reserves, in its order. */
export function* pieceSizes(
  plan: WeightPlan,
  formOf: (linear: Linear) => LinearForm,
): Generator<number, void, void> {
  for (const linear of plan.linearLayers()) yield* Object.values(linearBytes(formOf(linear)));
  for (const { bytes } of [...plan.vectors.values(), ...plan.arrays.values()]) yield bytes;
}

/** The arrays of loaded weights, in the order of `reserveWeights`. */
export function* piecesOf(plan: WeightPlan): Generator<Piece, void, void> {
  for (const { packed } of plan.linearLayers()) {
    const bytes = linearBytes(packed.form);
    for (const name of ["bias", "order", "weights", "scales", "zeros", "offsets", "units"] as const) {
      yield { kernels: packed.kernels, address: packed[name], bytes: bytes[name] };
    }
  }
  for (const { place, bytes } of [...plan.vectors.values(), ...plan.arrays.values()]) {
    yield { ...place, bytes };
  }
}
