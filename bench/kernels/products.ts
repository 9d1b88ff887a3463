/**
 * Products of random weights, as a linear layer does them: activations turned into integers, then multiplied.
 *
 * @module
 */
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import { Kernels } from "../../kernels/host/kernels.ts";
import { activationBytes, linearBytes } from "../../kernels/host/sizes.ts";
import { type ActivationForm, activationForm, type WeightType } from "../../kernels/host/types.ts";

/** A product to time. */
export interface Product {
  bits: 4 | 7 | 8;
  activationBytes: 1 | 2;
  rows: number;
  inputs: number;
  outputs: number;
}

/** The bits of the f16 nearest to a hundredth. */
const HUNDREDTH = 0x211f;
/** Inputs that share a scale. */
const GROUP = 128;
const WEIGHT_TYPES = { 4: "int4", 7: "int7", 8: "int8" } as const satisfies Record<number, WeightType>;

function bytesOf({ bits, inputs, outputs }: Product): { weights: number; scales: number } {
  const type = WEIGHT_TYPES[bits];
  const form = { type, outputs, packedInputs: inputs, group: GROUP };
  return linearBytes({ ...form, hasZeros: false, hasBias: false, hasOrder: false, scaleType: "f16" });
}

/** Bytes of weights and scales that one product reads. */
export function weightBytes(product: Product): number {
  const { weights, scales } = bytesOf(product);
  return weights + scales;
}

/** Multiplications of one product. */
export function multiplications({ rows, inputs, outputs }: Product): number {
  return rows * inputs * outputs;
}

/** Addresses of one copy of the weights. */
interface Matrix {
  weights: number;
  scales: number;
}

/** A product with as many copies of its weights as fill `coldBytes`, used in turn: none is in the cache when its turn comes. */
export class ProductBench implements AsyncDisposable {
  readonly #kernels: Kernels;
  readonly #product: Product;
  readonly #matrices: Matrix[];
  readonly #input: number;
  readonly #activations: {
    form: ActivationForm;
    codes: number;
    sums: number;
    activationScales: number;
    factors: number;
  };
  readonly #output: number;

  private constructor(kernels: Kernels, product: Product, coldBytes: number) {
    const { memory } = kernels;
    const { bits, rows, inputs, outputs } = product;
    this.#kernels = kernels;
    this.#product = product;
    const copies = Math.max(1, Math.ceil(coldBytes / weightBytes(product)));
    this.#matrices = Array.from({ length: copies }, () => makeMatrix(kernels, product));
    this.#input = memory.allocate(rows * inputs * 4);
    memory.floatsAt(this.#input, rows * inputs).forEach((_, i, values) => values[i] = Math.sin(i));
    const form = activationForm(WEIGHT_TYPES[bits], product.activationBytes);
    const bytes = activationBytes(form, rows, inputs, GROUP);
    this.#activations = {
      form,
      codes: memory.allocate(bytes.codes),
      sums: memory.allocate(bytes.sums),
      activationScales: memory.allocate(bytes.activationScales),
      factors: memory.allocate(bytes.factors),
    };
    this.#output = memory.allocate(rows * outputs * 4);
  }

  static async start(threads: number, product: Product, coldBytes = 0): Promise<ProductBench> {
    const { startWorker } = denoPlatform;
    const [kernels] = await Kernels.start({ threads, variant: "auto", startWorker });
    Kernels.chooseForm([kernels]);
    return new ProductBench(kernels, product, coldBytes);
  }

  /** Seconds of one product: each value is the mean of a round through all copies, or of a tenth of a second. */
  time(repetitions: number): number[] {
    this.#round(0.3);
    return Array.from({ length: repetitions }, () => this.#round(0.1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kernels.close();
  }

  #round(seconds: number): number {
    const begin = performance.now();
    let count = 0, elapsed = 0;
    while (elapsed < seconds || count % this.#matrices.length !== 0) {
      this.#multiply(this.#matrices[count++ % this.#matrices.length]);
      elapsed = (performance.now() - begin) / 1000;
    }
    return elapsed / count;
  }

  #multiply({ weights, scales }: Matrix): void {
    const { bits, rows, inputs, outputs } = this.#product;
    const weightType = WEIGHT_TYPES[bits];
    const activations = this.#activations;
    const shape = { rows, inputs, group: GROUP };
    const input = { address: this.#input, stride: inputs * 4 };
    this.#kernels.quantize({ input, ...shape, ...activations, scales: activations.activationScales });
    this.#kernels.matmulCodes({
      ...activations,
      weightType,
      ...shape,
      ...this.#kernels.form,
      products: [{
        weights,
        scales,
        zeros: 0,
        zero: 2 ** (bits - 1),
        offsets: 0,
        units: 0,
        bias: 0,
        outputs,
        accumulate: false,
        output: { address: this.#output, stride: outputs * 4 },
      }],
    });
  }
}

function makeMatrix({ memory }: Kernels, product: Product): Matrix {
  const bytes = bytesOf(product);
  const weights = memory.allocate(bytes.weights), scales = memory.allocate(bytes.scales);
  const words = memory.wordsAt(weights, bytes.weights / 4);
  const mask = product.bits === 7 ? 0x7f7f7f7f : -1;
  for (let i = 0, word = 1; i < words.length; i++) {
    word = Math.imul(word, 1_664_525) + 1_013_904_223;
    words[i] = word & mask;
  }
  memory.halvesAt(scales, bytes.scales / 2).fill(HUNDREDTH);
  return { weights, scales };
}
