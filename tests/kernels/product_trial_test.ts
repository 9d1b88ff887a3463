/**
 * Truth: the fixed products of the check at the start, multiplied one after the other with every rounding to f32 written out.
 */
import { equal, ok, throws } from "node:assert/strict";
import {
  CHECKED,
  CHECKSUMS,
  type ComparedForm,
  inputAt,
  ProductTrial,
  scaleAt,
  weightByteAt,
  zeroOf,
} from "../../kernels/host/product_trial.ts";
import { integerMax, quantiseBytes, quantiseRow } from "../reference/quantise.ts";
import { type KernelSetup, kernelTest } from "./harness.ts";
import { consecutiveRuns } from "./problems.ts";

type Name = keyof typeof CHECKSUMS;

/** Places in the 64 bytes of a block: [2 pairs of inputs, 2 halves of outputs, 2 pairs, 4 outputs, inputs j and j + 4]. */
function int8Place(k: number, n: number): number {
  return ((k >> 1) & 1) * 32 + (n >> 2) * 16 + (k & 1) * 8 + (n & 3) * 2 + (k >> 2);
}

/** [even or odd inputs, 8 outputs, 4 inputs]. */
function int7Place(k: number, n: number): number {
  return (k & 1) * 32 + n * 4 + (k >> 1);
}

/** The code of input `k` and output `n`, where the packed layouts have it. */
function codeAt(k: number, n: number, type: "int4" | "int7" | "int8"): number {
  const block = (n >> 3) * (CHECKED.inputs / 8) + (k >> 3), [input, output] = [k & 7, n & 7];
  if (type === "int4") {
    const byte = weightByteAt(block * 32 + output * 4 + (input >> 1), type);
    return input & 1 ? byte >> 4 : byte & 15;
  }
  return weightByteAt(block * 64 + (type === "int7" ? int7Place : int8Place)(input, output), type);
}

function checksumOf(name: Name): number {
  const [type, bytes] = name.split(" ") as ["int4" | "int7" | "int8", "1" | "2"];
  const { rows, inputs, outputs, group } = CHECKED, groups = Math.ceil(inputs / group);
  const runs = consecutiveRuns(inputs, group);
  const words: number[] = [];
  for (let m = 0; m < rows; m++) {
    const row = Float32Array.from({ length: inputs }, (_, k) => inputAt(m * inputs + k));
    const ofBytes = quantiseBytes(row, runs);
    const ofWords = quantiseRow(row, runs, groups, integerMax(type === "int8" ? 8 : 4, 2));
    for (let n = 0; n < outputs; n++) {
      let total = 0;
      for (let g = 0; g < groups; g++) {
        let sum = 0;
        for (let k = g * group; k < Math.min((g + 1) * group, inputs); k++) {
          const activation = bytes === "1" ? ofBytes.integers[k] * ofBytes.factors[k] : ofWords.integers[k];
          sum += activation * (codeAt(k, n, type) - zeroOf(type));
        }
        const scale = Math.fround(scaleAt(((n >> 3) * groups + g) * 8 + (n & 7)));
        const factor = bytes === "1" ? scale : Math.fround(scale * ofWords.scales[g]);
        total = Math.fround(total + Math.fround(Math.fround(sum) * factor));
      }
      words.push(bytes === "1" ? Math.fround(total * ofBytes.scale) : total);
    }
  }
  const bits = new Uint32Array(Float32Array.from(words).buffer);
  return bits.reduce((sum, word) => (Math.imul(sum, 31) + word) >>> 0, 0);
}

for (const name of Object.keys(CHECKSUMS) as Name[]) {
  Deno.test(`the checksum of ${name} is that of the product`, () => equal(CHECKSUMS[name], checksumOf(name)));
}

/** Weights of every format, as kernels have them. */
const FORMS: ComparedForm[] = [
  ...([16, 32, 64, 128] as const).flatMap((group) => [
    { type: "int4" as const, group },
    { type: "int7" as const, group },
    { type: "int8" as const, group },
  ]),
  ...(["int4", "int8"] as const).flatMap((type) => [
    { type, group: 32, hasOffsets: true },
    { type, group: 32, hasOffsets: true, hasUnits: true },
  ]),
  { type: "int6", group: 16, hasUnits: true },
];

const SETUPS: KernelSetup[] = [{ variant: "strict" }, { variant: "relaxed" }, {
  variant: "relaxed",
  threads: 2,
}];

for (const setup of SETUPS) {
  const title = `${setup.variant}, ${setup.threads ?? 1} threads`;
  kernelTest(`the check passes in every form and refuses a wrong sum: ${title}`, ({ kernels }) => {
    using trial = new ProductTrial(kernels, kernels.wideScratch);
    trial.check();
    class Wrong extends ProductTrial {
      override checksum(address: number, count: number): number {
        return super.checksum(address, count) ^ 1;
      }
    }
    using wrong = new Wrong(kernels, kernels.wideScratch);
    throws(() => wrong.check(), { code: "UNSUPPORTED" });
  }, setup);

  for (const form of FORMS) {
    const { type, group, hasOffsets, hasUnits } = form;
    const name = `${type}, groups of ${group}${hasOffsets ? ", offsets" : ""}${hasUnits ? ", units" : ""}`;
    kernelTest(`forms of ${name} are compared, and one that differs is refused: ${title}`, ({ kernels }) => {
      using trial = new ProductTrial(kernels, kernels.wideScratch);
      trial.compare(form);
      let sums = 0;
      class Other extends ProductTrial {
        override checksum(address: number, count: number): number {
          const sum = super.checksum(address, count);
          ok(sum !== 0);
          return sum + (++sums === 2 ? 1 : 0);
        }
      }
      using other = new Other(kernels, kernels.wideScratch);
      // The strict build has one form, but the sum of the next rows is compared with itself alone.
      if (setup.variant === "strict") other.compare(form);
      else throws(() => other.compare(form), { code: "UNSUPPORTED" });
    }, setup);
  }

  kernelTest(`a trial takes a moment and finds a form: ${title}`, ({ kernels }) => {
    using trial = new ProductTrial(kernels, kernels.wideScratch);
    const begin = performance.now();
    const { form, vectorBits } = trial.choose();
    ok(performance.now() - begin < 500);
    ok(vectorBits === 128 || vectorBits === 256);
    if (setup.variant === "strict") equal(form.dot32, false, "there is no choice");
  }, setup);
}
