/**
 * Files that other people's tools wrote, in tests/formats/fixtures: logits under f32 are those of the tool's own reader. The scripts
 * that wrote them are in tools/format_fixtures; `writer` of each expected.json names tool and version.
 */
import assert from "node:assert/strict";
import { loadModel } from "../../mod.ts";
import { deviation, largestDifference, readGolden } from "../goldens.ts";

const FIXTURES = new URL("fixtures/", import.meta.url);

for (const { name, isDirectory } of Deno.readDirSync(FIXTURES)) {
  if (!isDirectory) continue;
  const folder = decodeURIComponent(new URL(name, FIXTURES).pathname);
  const { writer } = JSON.parse(Deno.readTextFileSync(`${folder}/expected.json`));
  Deno.test(`${name}, written by ${writer}: logits are its own reader's`, async () => {
    const arrays = readGolden(`${folder}/expected.safetensors`);
    const ids = arrays.get("input_ids")!.data as number[];
    const logits = arrays.get("logits")!.data as Float32Array;
    await using model = await loadModel(folder, { threads: 1, precision: "f32" });
    using sequence = model.createSequence();
    const { data } = await sequence.forward(ids, { logits: "all" });
    // Those called by the container alone are f16: an architecture each.
    const isQuantised = model.info.modules.some(({ memoryFormat }) => /^int/.test(memoryFormat));
    assert.equal(isQuantised, !name.startsWith("gguf-"));
    const off = largestDifference(data, logits) / deviation(logits);
    assert.ok(off <= 1e-3, `${off} deviations`);
  });
}
