/**
 * Where a model's weights lie in kernel memory.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import { KIND_INT7 } from "../../kernels/shared/layout.ts";
import { type Linear, linearBytes, type LinearForm, type StoredArray } from "./linear.ts";
import type { PlannedLinear, WeightPlan } from "./plan.ts";

/** What the model code gets: its weights by name. */
export interface LoadedWeights {
  readonly tables: ReadonlyMap<string, Linear>;
  readonly linears: ReadonlyMap<string, Linear>;
  /** Addresses of f32 vectors. */
  readonly vectors: ReadonlyMap<string, number>;
  readonly arrays: ReadonlyMap<string, StoredArray>;
}

/** An array in kernel memory. */
export interface Piece {
  kernels: Kernels;
  address: number;
  bytes: number;
}

/** A linear layer whose arrays are reserved and not filled yet; `allocate` gives address 0 for 0 bytes. */
export function reserveLinear(
  { name, inputs, stored }: PlannedLinear,
  form: LinearForm,
  allocate: (bytes: number) => number,
): Linear {
  const { kind, outputs, packedInputs, group } = form;
  const bytes = linearBytes(form);
  const [bias, order, weights, scales, zeros] = [
    bytes.bias,
    bytes.order,
    bytes.weights,
    bytes.scales,
    bytes.zeros,
  ].map(allocate);
  const zero = stored.kind === "gptq" ? stored.zeroPoint : kind === KIND_INT7 ? 64 : 128;
  const matrix = { weights, scales, zeros, zero, group };
  return { name, kind, outputs, inputs, matrix, bias, order, packedInputs };
}

/** All weights of a plan, reserved and not filled yet. */
export function reserveWeights(
  plan: WeightPlan,
  formOf: (planned: PlannedLinear) => LinearForm,
  allocate: (part: string, bytes: number) => number,
): LoadedWeights {
  const reserve = (planned: PlannedLinear) =>
    reserveLinear(planned, formOf(planned), (bytes) => allocate(planned.part, bytes));
  const mapped = <P extends { part: string; bytes: number }, T>(
    planned: ReadonlyMap<string, P>,
    place: (planned: P) => T,
  ) => new Map([...planned].map(([name, item]) => [name, place(item)]));
  return {
    tables: mapped(plan.tables, reserve),
    linears: mapped(plan.linears, reserve),
    vectors: mapped(plan.vectors, ({ part, bytes }) => allocate(part, bytes)),
    arrays: mapped(plan.arrays, ({ part, bytes, kind }) => ({ address: allocate(part, bytes), kind })),
  };
}

/** The arrays that weights consist of, in the order in which `reserveWeights` reserves them. */
export function* piecesOf(
  plan: WeightPlan,
  weights: LoadedWeights,
  kernelsOf: (part: string) => Kernels,
): Generator<Piece, void, void> {
  for (const kind of ["tables", "linears"] as const) {
    for (const { name, part } of plan[kind].values()) {
      const linear = weights[kind].get(name)!;
      const { bias, order, matrix } = linear;
      const bytes = linearBytes(formIn(linear));
      const kernels = kernelsOf(part);
      yield { kernels, address: bias, bytes: bytes.bias };
      yield { kernels, address: order, bytes: bytes.order };
      yield { kernels, address: matrix.weights, bytes: bytes.weights };
      yield { kernels, address: matrix.scales, bytes: bytes.scales };
      yield { kernels, address: matrix.zeros, bytes: bytes.zeros };
    }
  }
  for (const { name, part, bytes } of plan.vectors.values()) {
    yield { kernels: kernelsOf(part), address: weights.vectors.get(name)!, bytes };
  }
  for (const { name, part, bytes } of plan.arrays.values()) {
    yield { kernels: kernelsOf(part), address: weights.arrays.get(name)!.address, bytes };
  }
}

function formIn({ kind, outputs, packedInputs, matrix, bias, order }: Linear): LinearForm {
  return {
    kind,
    outputs,
    packedInputs,
    group: matrix.group,
    hasZeros: matrix.zeros !== 0,
    hasBias: bias !== 0,
    hasOrder: order !== 0,
  };
}
