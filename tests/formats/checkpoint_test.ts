import { deepStrictEqual, fail, strictEqual } from "node:assert/strict";
import {
  type Checkpoint,
  openCheckpoint,
  type OpenCheckpointOptions,
} from "../../src/formats/containers/checkpoint.ts";
import { directorySource } from "../../src/io/directory.ts";
import { memoryModelSource } from "../../src/io/memory.ts";
import { assertRefused } from "../errors.ts";
import { hasShared, sharedPath } from "../shared.ts";
import { writeSafetensors, type WrittenTensor, zeros } from "./safetensors_writer.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";

const A = zeros("a", "F32", [2], 4);
const B: WrittenTensor = { name: "b", dtype: "U8", shape: [4], data: new Uint8Array([1, 2, 3, 4]) };
const C = zeros("c", "I32", [0], 4);

function open(
  files: Record<string, Uint8Array | object>,
  options?: OpenCheckpointOptions,
): Promise<Checkpoint> {
  const bytes = Object.entries(files).map(([name, content]): [string, Uint8Array] => [
    name,
    content instanceof Uint8Array ? content : new TextEncoder().encode(JSON.stringify(content)),
  ]);
  return openCheckpoint(memoryModelSource(new Map(bytes)), options);
}

Deno.test("openCheckpoint() reads one file", async () => {
  const checkpoint = await open({
    "model.safetensors": writeSafetensors([A, B, C]),
    "other.safetensors": writeSafetensors([A]),
  });
  deepStrictEqual([...checkpoint.tensors.keys()], ["a", "b", "c"]);
  strictEqual(checkpoint.bytes, 12);
  const b = checkpoint.tensors.get("b")!;
  deepStrictEqual([...await checkpoint.readTensor(b)], [1, 2, 3, 4]);
  const target = new Uint8Array(new SharedArrayBuffer(2));
  await checkpoint.readTensorInto(b, 1, target);
  deepStrictEqual([...target], [2, 3]);
  await assertRefused(() => checkpoint.readTensorInto(b, 3, target), "BAD_ARGUMENT", '"b"', "4 bytes");
  strictEqual((await checkpoint.readTensor(checkpoint.tensors.get("c")!)).length, 0);
});

Deno.test("openCheckpoint() takes the only safetensors file under another name", async () => {
  strictEqual((await open({ "gptq_model-4bit-128g.safetensors": writeSafetensors([A]) })).tensors.size, 1);
  const two = { "x.safetensors": writeSafetensors([A]), "y.safetensors": writeSafetensors([B]) };
  await assertRefused(() => open(two), "BAD_FILE", "x.safetensors, y.safetensors");
});

Deno.test("openCheckpoint() says what it found instead of weights", async () => {
  await assertRefused(() => open({}), "FILE_NOT_FOUND", "model.safetensors", "no files");
  await assertRefused(() => open({ "model.bin": {} }), "FILE_NOT_FOUND", "model.bin");
});

Deno.test("openCheckpoint() joins shards and tells of tensors that the index does not list", async () => {
  const notices: string[] = [];
  const checkpoint = await open({
    "model.safetensors.index.json": { weight_map: { a: "1.safetensors", b: "2.safetensors" } },
    "1.safetensors": writeSafetensors([A, C]),
    "2.safetensors": writeSafetensors([B]),
  }, { onNotice: (text) => notices.push(text) });
  deepStrictEqual([...checkpoint.tensors].map(([name, { file }]) => [name, file]), [
    ["a", "1.safetensors"],
    ["b", "2.safetensors"],
  ]);
  deepStrictEqual(notices, ['"c" in 1.safetensors not used: model.safetensors.index.json does not list it']);
  deepStrictEqual([...await checkpoint.readTensor(checkpoint.tensors.get("b")!)], [1, 2, 3, 4]);
});

Deno.test("openCheckpoint() refuses an index that leaves the folder", async () => {
  const shards = [
    "../m.safetensors",
    "a/../../m.safetensors",
    "/etc/hostname",
    "C:\\m.safetensors",
    "c:m.safetensors",
    "a\\b.safetensors",
    "m\0.safetensors",
    "./m.safetensors",
    "",
    "a//b",
    7,
    null,
  ];
  for (const shard of shards) {
    const files = { "model.safetensors.index.json": { weight_map: { a: shard } } };
    await assertRefused(
      () => open(files),
      "BAD_FILE",
      "model.safetensors.index.json",
      "inside the model's folder",
    );
  }
});

Deno.test("openCheckpoint() refuses an index and shards that disagree", async () => {
  const index = { weight_map: { a: "1.safetensors", b: "2.safetensors" } };
  const name = "model.safetensors.index.json";
  const one = writeSafetensors([A]);
  await assertRefused(() => open({ [name]: index, "1.safetensors": one }), "FILE_NOT_FOUND", "2.safetensors");
  const lacking = { [name]: index, "1.safetensors": one, "2.safetensors": writeSafetensors([C]) };
  await assertRefused(() => open(lacking), "MISSING_TENSOR", "2.safetensors", '"b"');
  const elsewhere = {
    [name]: { weight_map: { a: "2.safetensors", b: "2.safetensors", c: "1.safetensors" } },
    "1.safetensors": writeSafetensors([A, C]),
    "2.safetensors": writeSafetensors([B]),
  };
  await assertRefused(() => open(elsewhere), "MISSING_TENSOR", "2.safetensors", '"a"', "1.safetensors");
});

Deno.test("openCheckpoint() takes a tensor from the shard that the index names, where several hold it", async () => {
  const other = { ...B, data: new Uint8Array([9, 9, 9, 9]) };
  for (const stray of ["1.safetensors", "2.safetensors"]) {
    const home = stray === "1.safetensors" ? "2.safetensors" : "1.safetensors";
    const checkpoint = await open({
      "model.safetensors.index.json": { weight_map: { a: stray, b: home } },
      [stray]: writeSafetensors([A, other]),
      [home]: writeSafetensors([B]),
    }, { onNotice: (text) => fail(text) });
    deepStrictEqual([...await checkpoint.readTensor(checkpoint.tensors.get("b")!)], [...B.data]);
  }
});

Deno.test("openCheckpoint() takes complete shards, and a single file where they are not", async () => {
  const notices: string[] = [];
  const options = { onNotice: (text: string) => notices.push(text) };
  const index = { weight_map: { a: "1.safetensors" } };
  const both = { "model.safetensors": writeSafetensors([B]), "model.safetensors.index.json": index };
  const whole = await open({ ...both, "1.safetensors": writeSafetensors([A]) }, options);
  deepStrictEqual([...whole.tensors.keys()], ["a"]);
  deepStrictEqual([...(await open(both, options)).tensors.keys()], ["b"]);
  deepStrictEqual(notices.map((text) => /^\S+/.exec(text)![0]), [
    "model.safetensors",
    "model.safetensors.index.json",
  ]);
});

Deno.test("openCheckpoint() passes over adapters, and takes the name that a config says", async () => {
  const files = {
    "adapter_model.safetensors": writeSafetensors([B]),
    "other.safetensors": writeSafetensors([A]),
  };
  deepStrictEqual([...(await open(files)).tensors.keys()], ["a"]);
  const several = { "x.safetensors": writeSafetensors([A]), "y.safetensors": writeSafetensors([B]) };
  await assertRefused(() => open(several), "BAD_FILE", "x.safetensors, y.safetensors");
  deepStrictEqual([...(await open(several, { baseName: "y" })).tensors.keys()], ["b"]);
});

Deno.test("openCheckpoint() refuses an index that is none", async () => {
  for (const index of [{}, { weight_map: [] }, { weight_map: {} }, [], { weight_map: null }]) {
    const files = { "model.safetensors.index.json": index };
    await assertRefused(() => open(files), "BAD_FILE", "model.safetensors.index.json");
  }
});

Deno.test({
  name: "openCheckpoint() reads every golden checkpoint (needs ../shared)",
  ignore: !hasShared,
  fn: async () => {
    let opened = 0;
    for (const { name } of Deno.readDirSync(sharedPath("goldens"))) {
      if (!/^(gptq|arch|mllama|awq|ct|marlin|bf16|f16)-/.test(name) || name === "mllama-inputs") continue;
      const source = directorySource(denoPlatform.files, sharedPath("goldens", name));
      const checkpoint = await openCheckpoint(source, { onNotice: (text) => fail(text) });
      const files = new Set([...checkpoint.tensors.values()].map(({ file }) => file));
      strictEqual(files.has("expected.safetensors"), false, name);
      for (const entry of checkpoint.tensors.values()) {
        strictEqual((await checkpoint.readTensor(entry)).length, entry.end - entry.begin);
      }
      source.close?.();
      opened++;
    }
    strictEqual(opened > 30, true, `${opened}`);
  },
});
