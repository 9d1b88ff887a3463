/**
 * Every block format of GGUF against gguf-py: random blocks, and the weights that its `dequantize` reads from them
 * (tools/gguf_blocks.py wrote both). Rows are read back through an embedding, whose weights are scale · (code − centre) + offset.
 */
import { ok, strictEqual } from "node:assert/strict";
import { BLOCK_FORMATS, type BlockFormat } from "../../kernels/host/types.ts";
import { linearBytes, type LinearForm } from "../../kernels/host/sizes.ts";
import { readBlocks } from "../../src/formats/gguf/blocks.ts";
import { formInMemory, type LinearArrays } from "../../src/formats/stored_linear.ts";
import type { Arena } from "../kernels/arena.ts";
import { rowsOf, strided, withBench } from "../kernels/harness.ts";
import { assertRefused } from "../errors.ts";

const FIXTURE = new URL("fixtures/gguf_blocks.safetensors", import.meta.url);
const ROWS = 3, WEIGHTS = 256;

/** The arrays of the fixture, read by a reader of its own. */
function readFixture(): Map<string, Uint8Array> {
  const bytes = Deno.readFileSync(FIXTURE);
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  delete header.__metadata__;
  return new Map(
    Object.entries<{ data_offsets: [number, number] }>(header).map((
      [name, { data_offsets: [begin, end] }],
    ) => [
      name,
      bytes.slice(8 + length + begin, 8 + length + end),
    ]),
  );
}

const ARRAYS = readFixture();

const FORMATS = (Object.keys(BLOCK_FORMATS) as BlockFormat[]).flatMap((format) =>
  (["f32", "f16"] as const).map((type) => [format, type] as const)
);

function moduleOf(format: BlockFormat, shape: number[]) {
  const weight = { name: "w", dtype: format, shape, file: "f", begin: 0, end: 0 };
  return { weight, module: { name: "m", find: (part: string) => part === "weight" ? weight : undefined } };
}

/** Room for a matrix. */
function reserve(arena: Arena, form: LinearForm): LinearArrays & { bias: number; order: number } {
  const bytes = linearBytes(form),
    [weights, scales, offsets, units] = [
      bytes.weights,
      bytes.scales,
      bytes.offsets,
      bytes.units,
    ].map((count) => count && arena.reserve(count));
  return { bias: 0, order: 0, zeros: 0, weights, scales, offsets, units };
}

/** How far a weight may be from gguf-py's, as a part of the row's largest. */
const BOUNDS = {
  // A few roundings of the largest part: the scale, its product with a code, the minimum.
  f32: 2 ** -21,
  // Of scale and minimum, half of f16's last digit each, where the file has more: of weights up to twice the largest, as minimums have
  // the other sign.
  f16: 3 * 2 ** -11,
};

for (const [format, scaleType] of FORMATS) {
  Deno.test(`blocks of ${format}, scales of ${scaleType}, are worth what gguf-py reads from them`, async () => {
    const expected = rowsOf(new Float32Array(ARRAYS.get(`${format}.weights`)!.buffer), WEIGHTS);
    const { weight, module } = moduleOf(format, [ROWS, WEIGHTS]);
    const { form: stored, zeroPoint, steps } = readBlocks(module, weight, { outputs: ROWS, inputs: WEIGHTS });
    const form = formInMemory(stored, scaleType);
    const isExact = scaleType === "f32" || form.hasUnits || !format.endsWith("_K") && format !== "IQ4_XS";
    await withBench(({ kernels, arena }) => {
      const arrays = reserve(arena, form);
      const rows = { address: arena.place(ARRAYS.get(`${format}.blocks`)!), begin: 0, count: ROWS };
      for (const { pack } of steps(undefined)) pack(kernels, rows, { form, arrays });
      strictEqual(kernels.takeNonFiniteCount(), 0);
      const output = arena.result(ROWS * WEIGHTS);
      kernels.embed({
        ...arrays,
        ids: arena.place(Uint32Array.of(0, 1, 2)),
        weightType: form.type,
        scaleType,
        zero: zeroPoint,
        group: form.group,
        rows: ROWS,
        inputs: WEIGHTS,
        factor: 1,
        output: strided(output.address, WEIGHTS),
      });
      rowsOf(output.read(), WEIGHTS).forEach((row, n) => {
        const largest = Math.max(...expected[n].map(Math.abs));
        row.forEach((value, k) => {
          ok(
            Math.abs(value - expected[n][k]) <= BOUNDS[isExact ? "f32" : "f16"] * largest,
            `${n}, ${k}: ${value}, ${expected[n][k]}`,
          );
        });
      });
    });
  });
}

/** Where a block has its f16 numbers. */
const UNITS: Record<BlockFormat, number[]> = {
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_NL: [0],
  IQ4_XS: [0],
};
/** Both infinities, and NaN of both signs, quiet and not. */
const NON_FINITE = [0x7c00, 0xfc00, 0x7e00, 0xfe01, 0x7c01];

for (const [format, scaleType] of FORMATS) {
  Deno.test(`blocks of ${format}, scales of ${scaleType}: NaN and infinity are noticed`, async () => {
    const { weight, module } = moduleOf(format, [ROWS, WEIGHTS]);
    const { form, byteForm, steps } = readBlocks(module, weight, { outputs: ROWS, inputs: WEIGHTS });
    const blocks = ARRAYS.get(`${format}.blocks`)!, rowBytes = blocks.length / ROWS;
    await withBench(({ kernels, arena }) => {
      for (const stored of [form, ...(byteForm && scaleType === "f16" ? [byteForm] : [])]) {
        const own = formInMemory(stored, scaleType);
        const arrays = reserve(arena, own);
        for (const place of UNITS[format]) {
          for (const bits of NON_FINITE) {
            // Of the last row, whose codes and integers may be 0 too.
            for (const rest of [blocks, new Uint8Array(blocks.length)]) {
              const spoilt = rest.slice();
              spoilt.set([bits & 255, bits >> 8], (ROWS - 1) * rowBytes + place);
              const rows = { address: arena.place(spoilt), begin: 0, count: ROWS };
              for (const { pack } of steps(undefined)) pack(kernels, rows, { form: own, arrays });
              ok(kernels.takeNonFiniteCount() > 0, `${bits.toString(16)} at ${place}, ${stored.type}`);
            }
          }
        }
      }
    });
  });
}

Deno.test("rows that are no whole blocks, and other shapes, are refused by the tensor's name", async () => {
  const refused = (format: BlockFormat, shape: number[], inputs: number, ...texts: string[]) => {
    const { weight, module } = moduleOf(format, shape);
    return assertRefused(
      () => readBlocks(module, weight, { outputs: 8, inputs }),
      "BAD_TENSOR",
      '"w"',
      ...texts,
    );
  };
  await refused("Q4_K", [8, 128], 128, "multiples of 256");
  await refused("Q4_0", [8, 64], 32, "[8, 32]");
});
