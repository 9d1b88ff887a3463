/**
 * Products of a linear layer of random weights, as the model code calls them: activations turned into integers, then
 * multiplied.
 *
 * @module
 */
import { Kernels } from "../kernels/host/kernels.ts";
import { KIND_INT4, KIND_INT7, KIND_INT8 } from "../kernels/shared/layout.ts";
import { ProductBuffers } from "../src/ops/product_buffers.ts";
import { type ActivationBytes, project } from "../src/ops/project.ts";
import type { Linear } from "../src/weights/linear.ts";

/** A product to time. */
export interface Product {
  bits: 4 | 7 | 8;
  activationBytes: ActivationBytes;
  rows: number;
  inputs: number;
  outputs: number;
}

/** Inputs that share a scale. */
const GROUP = 128;

/** Bits that a code takes in memory. */
function storedBits(bits: Product["bits"]): number {
  return bits === 4 ? 4 : 8;
}

/** Bytes of weights and scales that one product reads. */
export function weightBytes({ bits, inputs, outputs }: Product): number {
  return outputs * (inputs * storedBits(bits) / 8 + inputs / GROUP * 4);
}

/** Multiplications of one product. */
export function multiplications({ rows, inputs, outputs }: Product): number {
  return rows * inputs * outputs;
}

/** A product with as many copies of its weights as fill `coldBytes`, used in turn: none is in the cache when its turn comes. */
export class ProductBench implements AsyncDisposable {
  readonly #kernels: Kernels;
  readonly #product: Product;
  readonly #buffers: ProductBuffers;
  readonly #linears: Linear[];
  readonly #input: number;
  readonly #output: number;

  private constructor(kernels: Kernels, product: Product, coldBytes: number) {
    const { heap } = kernels;
    const { rows, inputs, outputs } = product;
    this.#kernels = kernels;
    this.#product = product;
    this.#buffers = new ProductBuffers(kernels, rows, inputs);
    const copies = Math.max(1, Math.ceil(coldBytes / weightBytes(product)));
    this.#linears = Array.from({ length: copies }, () => makeLinear(kernels, product));
    this.#input = heap.allocate(rows * inputs * 4);
    heap.floatsAt(this.#input, rows * inputs).forEach((_, i, values) => values[i] = Math.sin(i));
    this.#output = heap.allocate(rows * outputs * 4);
  }

  static async start(threads: number, product: Product, coldBytes = 0): Promise<ProductBench> {
    const kernels = await Kernels.start(threads);
    kernels.chooseDotForm();
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
    const { rows, outputs, activationBytes } = this.#product;
    const begin = performance.now();
    let count = 0, elapsed = 0;
    while (elapsed < seconds || count % this.#linears.length !== 0) {
      const linear = this.#linears[count++ % this.#linears.length];
      const target = { linear, output: this.#output, outputStride: outputs * 4 };
      project(this.#buffers, "int8", this.#input, rows, [target], activationBytes);
      elapsed = (performance.now() - begin) / 1000;
    }
    return elapsed / count;
  }
}

function makeLinear({ heap }: Kernels, { bits, inputs, outputs }: Product): Linear {
  const weights = heap.allocate(outputs * inputs * storedBits(bits) / 8);
  const words = heap.wordsAt(weights, outputs * inputs * storedBits(bits) / 32);
  const mask = bits === 7 ? 0x7f7f7f7f : -1;
  for (let i = 0, word = 1; i < words.length; i++) {
    word = Math.imul(word, 1_664_525) + 1_013_904_223;
    words[i] = word & mask;
  }
  const scales = heap.allocate(outputs * inputs / GROUP * 4);
  heap.floatsAt(scales, outputs * inputs / GROUP).fill(0.01);
  return {
    name: "random",
    kind: { 4: KIND_INT4, 7: KIND_INT7, 8: KIND_INT8 }[bits],
    outputs,
    inputs,
    packedInputs: inputs,
    matrix: { weights, scales, zeros: 0, zero: 2 ** (bits - 1), group: GROUP },
    bias: 0,
    order: 0,
  };
}
