/**
 * Rounding against GPTQ as its paper has it, computed by numpy in f64 with the inverse Hessian (tools/gptq_reference.py); ours needs no
 * inverse and computes in f32.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { CodedLinear } from "../../src/formats/coded/coded_linear.ts";
import { KernelSpace } from "../../src/ops/space.ts";
import { Matrix } from "../../src/ops/matrix.ts";
import { CrossGram } from "../../src/quantization/dense_inputs.ts";
import { factorise } from "../../src/quantization/factor.ts";
import { Gram } from "../../src/quantization/gram.ts";
import { orderOf, type OrderRule } from "../../src/quantization/order.ts";
import { roundLinear } from "../../src/quantization/round.ts";
import { Linear } from "../../src/weights/linear.ts";
import { startKernels } from "../kernels/harness.ts";

interface Case {
  bits: 4 | 8;
  symmetric: boolean;
  order: OrderRule;
  /** The unquantised model has other inputs. */
  dense?: boolean;
  codes: number[];
  scales: number[];
  zeros: number[];
  groupOf: number[];
  loss: number;
}

const REFERENCE: {
  outputs: number;
  inputs: number;
  tokens: number;
  group: number;
  damp: number;
  weights: number[];
  activations: number[];
  cases: Case[];
} = JSON.parse(
  Deno.readTextFileSync(fileURLToPath(new URL("gptq_reference.json", import.meta.url))),
);

const { outputs, inputs, tokens, group, damp } = REFERENCE;

/** What the unquantised model is given: each input a quarter of its right neighbour more. */
const DENSE_INPUTS = Float32Array.from(REFERENCE.activations, (value, at) => {
  const right = at - at % inputs + (at + 1) % inputs;
  return Math.fround(value) + Math.fround(REFERENCE.activations[right]) / 4;
});

/** Rounds the reference's matrix. */
async function round({ bits, symmetric, order: rule, dense }: Case, threads: number): Promise<CodedLinear> {
  const [kernels] = await startKernels(threads);
  try {
    const space = new KernelSpace(kernels), gram = new Gram(space, inputs, 64);
    const form = {
      type: "f32",
      outputs,
      packedInputs: inputs,
      group: inputs,
      hasZeros: false,
      hasBias: false,
      hasOrder: false,
      scaleType: "f32",
    } as const;
    const stored = { form, tensors: [{ name: "w.weight" }] } as unknown as Linear["stored"];
    const linear = new Linear("w", "", inputs, stored, "f32");
    linear.place(kernels, form, (bytes) => space.allocate(bytes));
    const source = Matrix.reserve(space, outputs, inputs), x = Matrix.reserve(space, 64, inputs);
    source.write(Float32Array.from(REFERENCE.weights));
    const packing = { source: source.address, sourceType: "f32", rowCount: outputs, inputs } as const;
    kernels.packDense({ ...packing, panelBegin: 0, weights: linear.packed.weights });
    const cross = new CrossGram(space, [linear], 64);
    for (let begin = 0; begin < tokens; begin += 64) {
      x.write(DENSE_INPUTS.subarray(begin * inputs, (begin + 64) * inputs));
      cross.keep(x);
      x.write(Float32Array.from(REFERENCE.activations.slice(begin * inputs, (begin + 64) * inputs)));
      gram.add(x);
      cross.add(x);
    }
    const matrix = gram.finish(), values = matrix.read();
    for (let i = 0; i < inputs; i++) {
      for (let j = 0; j < i; j++) assert.equal(values[i * inputs + j], values[j * inputs + i]);
    }
    const products = cross.finish([linear]);
    const diagonal = Float32Array.from({ length: inputs }, (_, i) => values[i * (inputs + 1)]);
    const factor = factorise(space, matrix, orderOf(rule, diagonal, group), damp);
    assert.equal(factor?.damp, damp);
    return roundLinear(
      space,
      linear,
      { bits, group, isSymmetric: symmetric },
      factor,
      dense ? products.get(linear.name) : undefined,
      rule === "groups",
    );
  } finally {
    await kernels.close();
  }
}

const scalesOf = ({ scales }: CodedLinear) => new Float16Array(scales.buffer as ArrayBuffer);

/** The sum of the squares by which the products with all inputs differ. */
function lossOf(found: CodedLinear, wanted: ArrayLike<number>): number {
  const scales = scalesOf(found);
  let loss = 0;
  for (let n = 0; n < outputs; n++) {
    const meant = Float64Array.from({ length: inputs }, (_, k) => {
      const g = found.groupOf[k];
      const zero = found.zeros[g * outputs + n];
      return scales[g * outputs + n] * (found.codes[k * outputs + n] - zero);
    });
    for (let t = 0; t < tokens; t++) {
      let difference = 0;
      for (let k = 0; k < inputs; k++) {
        difference += REFERENCE.weights[n * inputs + k] * wanted[t * inputs + k];
        difference -= meant[k] * REFERENCE.activations[t * inputs + k];
      }
      loss += difference ** 2;
    }
  }
  return loss;
}

for (const reference of REFERENCE.cases) {
  const { bits, symmetric, order, dense } = reference;
  Deno.test(
    `${bits} bits, ${symmetric ? "middle" : "own"} zero points, order ${order}${
      dense ? ", other inputs" : ""
    }: as numpy's GPTQ`,
    async () => {
      const found = await round(reference, 1), groups = inputs / group;
      assert.deepEqual([...found.groupOf], reference.groupOf);
      let same = 0;
      for (let n = 0; n < outputs; n++) {
        for (let k = 0; k < inputs; k++) {
          const difference = found.codes[k * outputs + n] - reference.codes[n * inputs + k];
          if (difference === 0) same++;
        }
        for (let g = 0; g < groups; g++) {
          const scale = scalesOf(found)[g * outputs + n], wanted = reference.scales[g * outputs + n];
          assert.ok(Math.abs(scale / wanted - 1) < 0.02, `scale ${scale}, expected ${wanted}`);
        }
      }
      // A value in the middle between two codes falls to either side, and all after it move a little.
      assert.ok(same >= 0.98 * outputs * inputs, `${same} of ${outputs * inputs} codes`);
      const loss = lossOf(found, dense ? DENSE_INPUTS : REFERENCE.activations);
      assert.ok(Math.abs(loss / reference.loss - 1) < 0.005, `loss ${loss}, expected ${reference.loss}`);
    },
  );
}

Deno.test("the same bits for any number of threads", async () => {
  const [first, ...others] = await Promise.all(
    [1, 2, 3].map((threads) => round(REFERENCE.cases.at(-1)!, threads)),
  );
  for (const other of others) assert.deepEqual(other, first);
});
