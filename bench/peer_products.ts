/**
 * Products of remora's that bench/peers.ts compares with ONNX Runtime's, in a process of their own, whose flags say how wide vectors
 * are: `peer_products.ts THREADS REPETITIONS` prints `{ products: [{ rows, activationBytes, gmacs }] }`.
 *
 * @module
 */
import { summarise } from "../cli/speed.ts";
import { multiplications, type Product, ProductBench } from "./kernels/products.ts";

/** Products in one graph of ONNX Runtime, each with weights of its own: 64 MiB, more than most last caches. */
export const LAYERS = 8;
const SIZE = 4096;
const COLD_BYTES = LAYERS * SIZE * SIZE / 2;

/** Numbers of rows, and bytes of an activation, that are compared. */
export const SHAPES = ([1, 256] as const).flatMap((rows) =>
  ([1, 2] as const).map((activationBytes) => ({ rows, activationBytes }))
);

/** G multiplications a second of one shape. */
export interface TimedProduct {
  rows: number;
  activationBytes: number;
  gmacs: number;
}

if (import.meta.main) {
  const [threads, repetitions] = Deno.args.map(Number);
  const products: TimedProduct[] = [];
  for (const shape of SHAPES) {
    const product: Product = { bits: 4, ...shape, inputs: SIZE, outputs: SIZE };
    await using bench = await ProductBench.start(threads, product, shape.rows === 1 ? COLD_BYTES : 0);
    const { median } = summarise(bench.time(repetitions));
    products.push({ ...shape, gmacs: multiplications(product) / median / 1e9 });
  }
  console.log(JSON.stringify({ products }));
}
