/** Models made on the fly have the sizes of the real ones, and any range of their bytes is the same however it is read. */
import assert from "node:assert/strict";
import { inspectModel, loadModel } from "../../mod.ts";
import { SYNTHETIC_SHAPES, syntheticModelSource } from "../../src/formats/synthetic.ts";

/** Parameters of the models whose shapes these are, as the hub counts their published checkpoints. */
const PARAMETERS = {
  "135m": 134_515_008,
  "1b": 1_235_814_400,
  "3b": 3_212_749_824,
  "8b": 8_030_261_248,
};

const WEIGHTS = "model.safetensors";

for (const name of SYNTHETIC_SHAPES) {
  Deno.test(`shape ${name} has as many parameters as the model it is named after`, async () => {
    const info = await inspectModel(syntheticModelSource(name));
    assert.equal(info.parameterCount, PARAMETERS[name]);
    assert.ok(info.modules.some(({ format, bits }) => format === "gptq" && bits === 4));
  });
}

Deno.test("a range read at once equals the same range read in pieces, by read and by readInto", async () => {
  const source = syntheticModelSource("135m");
  const size = (await source.list()).get(WEIGHTS)!;
  // Around the header's end, inside the table, across many small tensors, and up to the last byte.
  for (const begin of [0, 40_000, 50_000_001, size - 1_500_007]) {
    const end = Math.min(begin + 1_500_007, size);
    const whole = await source.read(WEIGHTS, begin, end);
    const pieces = new Uint8Array(end - begin);
    for (let at = 0, step = 1; at < pieces.length; step = step * 3 + 1) {
      const piece = pieces.subarray(at, at + step);
      await source.readInto!(WEIGHTS, begin + at, piece);
      at += piece.length;
    }
    assert.deepEqual(pieces, whole);
  }
});

Deno.test("the same shape gives the same bytes; outside the file there are none", async () => {
  const [one, other] = [syntheticModelSource("135m"), syntheticModelSource("135m")];
  const size = (await one.list()).get(WEIGHTS)!;
  assert.deepEqual(
    await one.read(WEIGHTS, size - 99_999, size),
    await other.read(WEIGHTS, size - 99_999, size),
  );
  assert.throws(() => one.read(WEIGHTS, size - 1, size + 1));
  assert.throws(() => one.read("other", 0, 1));
});

Deno.test("activations of a synthetic model neither vanish nor explode", async () => {
  await using model = await loadModel(syntheticModelSource("135m"), { threads: 1, contextSize: 64 });
  using sequence = model.createSequence();
  const deviations: number[] = [];
  const trace = (name: string, { data }: { data: Float32Array }) => {
    if (name.startsWith("layers.")) deviations.push(Math.hypot(...data.subarray(0, 576)) / 24);
  };
  const { data } = await sequence.forward([1, 2, 3], { trace });
  assert.equal(deviations.length, 30);
  // Norms are 1, so each of 60 sums adds at most about one deviation.
  for (const deviation of deviations) assert.ok(deviation > 0.1 && deviation < 60, `${deviation}`);
  assert.ok(data.every(Number.isFinite) && new Set(data).size > 1_000);
});
