/**
 * Truth: the softmax of reference/normalisation.ts. With heads of size 1, queries of 1 and a scale of 1, scores are the keys, so the
 * weights are their softmax, and exp itself can be seen.
 */
import { AssertionError, equal, ok, throws } from "node:assert/strict";
import { keyValueBlockBytes } from "../../kernels/host/sizes.ts";
import { KV_BLOCK_TOKENS } from "../../kernels/shared/layout.ts";
import { softmaxRow } from "../reference/normalisation.ts";
import { assertWithin, type Bench, joined, kernelTest, rowsOf, ulpsFrom } from "./harness.ts";

/** Weights [heads][keys] of queries of one column: of head h, to keys[h % keys.length]. */
function weightsOf({ arena, kernels }: Bench, queries: Float32Array, keys: Float32Array[]): Float32Array[] {
  const count = keys[0].length, blocks = Math.ceil(count / KV_BLOCK_TOKENS);
  const shape = { kvHeads: keys.length, headSize: 1, keyValueType: "f32" } as const;
  const bytes = keyValueBlockBytes(shape);
  const addresses = Array.from({ length: blocks }, () => arena.place(new Uint8Array(bytes)));
  // Of each head, the keys of a block and then its values.
  addresses.forEach((address, block) =>
    keys.forEach((own, head) => {
      const some = own.subarray(block * KV_BLOCK_TOKENS, (block + 1) * KV_BLOCK_TOKENS);
      kernels.memory.floatsAt(address + head * 2 * KV_BLOCK_TOKENS * 4, some.length).set(some);
    })
  );
  const counts = addresses.map((_, block) => Math.min(KV_BLOCK_TOKENS, count - block * KV_BLOCK_TOKENS));
  const heads = queries.length, width = blocks * KV_BLOCK_TOKENS;
  const weights = arena.result(heads * width);
  kernels.attentionWeights({
    query: arena.place(queries),
    table: arena.place(Uint32Array.from(addresses)),
    counts: arena.place(Int32Array.from(counts)),
    blocks,
    heads,
    ...shape,
    scale: 1,
    weights: weights.address,
  });
  return rowsOf(weights.read(), width).map((row) => {
    const rest = row.subarray(count);
    ok(rest.every((weight) => weight === 0) || row.every(Number.isNaN), "weights from the count on are 0");
    return row.slice(0, count);
  });
}

/** The softmax of each row. */
function softmax(bench: Bench, rows: Float32Array[]): Float32Array[] {
  return weightsOf(bench, new Float32Array(rows.length).fill(1), rows);
}

for (const width of [1, 2, 5, 64, 1000]) {
  kernelTest(`attentionWeights() of ${width} scores are within their bound`, (bench) => {
    const rows = rowsOf(bench.random.activations(4 * width).map((x) => 10 * x), width);
    const weights = Float32Array.from(softmax(bench, rows).flatMap((row) => [...row]));
    assertWithin(weights, joined(rows.map(softmaxRow)), "softmax");
  });
}

kernelTest("exp, seen through attentionWeights(), is within 2 ulp", (bench) => {
  // Below e^−17 a neighbour 0 makes the sum exactly 1, and the result is exp itself.
  const count = 20000, low = -87.3, high = -17;
  const x = Float32Array.from({ length: count }, (_, i) => low + (high - low) * i / count);
  const weights = weightsOf(bench, x, [Float32Array.of(1, 0)]);
  let worst = 0;
  x.forEach((value, i) => worst = Math.max(worst, ulpsFrom(weights[i][0], Math.exp(value))));
  // NaN would make the worst NaN, which is not ≤ 2 either.
  ok(worst <= 2, `${worst} ulp`);
});

kernelTest("attentionWeights() with −∞, of equals, of NaN", (bench) => {
  const [masked, equals, nan] = softmax(bench, [
    Float32Array.of(1, -Infinity, 1, -200),
    Float32Array.of(3, 3, 3, 3),
    Float32Array.of(0, NaN, 0, 0),
  ]);
  equal([...masked].join(), "0.5,0,0.5,0");
  equal([...equals].join(), "0.25,0.25,0.25,0.25");
  ok(nan.every(Number.isNaN));
});

kernelTest("attentionWeights(): the bound has teeth: a hundred-thousandth of one score", (bench) => {
  const row = bench.random.activations(64);
  const [weights] = softmax(bench, [row.map((x, i) => i === 9 ? x + 2e-5 : x)]);
  throws(() => assertWithin(weights, softmaxRow(row), "wrong"), AssertionError);
});
