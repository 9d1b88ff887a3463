/** What is said of a model's files one by one, against what loading them says. */
import assert from "node:assert/strict";
import { inspectFiles, inspectModel, memoryModelSource } from "../../mod.ts";
import { LLAMA, writeGguf } from "../formats/gguf_writer.ts";
import { goldenPath, hasShared, sharedPath } from "../shared.ts";

const GOLDEN = goldenPath("gptq-v1-sym-g32");

/** The files of a model; a golden's own tensors would be weights to whoever misses the model's. */
function filesOf(folder: string): Map<string, Uint8Array> {
  return new Map(
    [...Deno.readDirSync(folder)].filter(({ name }) => /\.(json|jinja)$|^model\./.test(name))
      .map(({ name }) => [
        name,
        Deno.readFileSync(`${folder}/${name}`),
      ]),
  );
}

/** Lines of what is there, in an order that does not matter. */
async function inspected(files: Map<string, Uint8Array>) {
  const found = await inspectFiles(memoryModelSource(files));
  return new Map(found.map((file) => [file.name, file]));
}

Deno.test("a whole model has what it needs, and no problem", async () => {
  const files = filesOf(GOLDEN);
  const found = await inspected(files);
  for (const name of ["config.json", "model.safetensors", "tokenizer.json"]) {
    assert.deepEqual(found.get(name), { name, bytes: files.get(name)!.length, isNeeded: true });
  }
  for (const { name, bytes, problem } of found.values()) {
    assert.equal(bytes, files.get(name)?.length);
    assert.equal(problem, undefined);
  }
});

Deno.test("a file that is not there or damaged is named alone, and loading agrees", async () => {
  for (const name of ["config.json", "model.safetensors", "tokenizer.json"]) {
    const without = filesOf(GOLDEN);
    without.delete(name);
    assert.deepEqual((await inspected(without)).get(name), { name, isNeeded: true });

    const damaged = filesOf(GOLDEN);
    damaged.set(name, damaged.get(name)!.slice(0, -7));
    const found = [...(await inspected(damaged)).values()].filter(({ problem }) => problem !== undefined);
    assert.deepEqual(found.map(({ name }) => name), [name]);
    if (name === "tokenizer.json") continue; // inspectModel does not read it.
    await assert.rejects(inspectModel(memoryModelSource(damaged)), { message: found[0].problem });
    await assert.rejects(inspectModel(memoryModelSource(without)));
  }
});

Deno.test("every shard that an index names is looked at, whether it is there or not", async () => {
  const files = filesOf(GOLDEN);
  const weights = files.get("model.safetensors")!;
  files.delete("model.safetensors");
  const weight_map = { a: "1.safetensors", b: "2.safetensors", c: "3.safetensors", d: "2.safetensors" };
  files.set("model.safetensors.index.json", new TextEncoder().encode(JSON.stringify({ weight_map })));
  files.set("1.safetensors", weights);
  files.set("3.safetensors", weights.slice(0, 100));
  const found = await inspected(files);
  assert.deepEqual([...found.keys()].filter((name) => name.includes("safetensors")), [
    "model.safetensors.index.json",
    "1.safetensors",
    "2.safetensors",
    "3.safetensors",
  ]);
  assert.equal(found.get("1.safetensors")!.problem, undefined);
  assert.deepEqual(found.get("2.safetensors"), { name: "2.safetensors", isNeeded: true });
  assert.match(found.get("3.safetensors")!.problem!, /3\.safetensors/);

  files.set("model.safetensors.index.json", new TextEncoder().encode('{"weight_map": {"a": "../x"}}'));
  assert.match(
    (await inspected(files)).get("model.safetensors.index.json")!.problem!,
    /inside the model's folder/,
  );
});

Deno.test("a model without a chat template is whole; a template that cannot be read is a problem", async () => {
  const files = filesOf(GOLDEN);
  files.delete("chat_template.jinja");
  files.set("tokenizer_config.json", new TextEncoder().encode("{}"));
  assert.equal((await inspected(files)).get("tokenizer_config.json")!.problem, undefined);
  files.set("chat_template.jinja", new TextEncoder().encode("{% for %}"));
  assert.match((await inspected(files)).get("chat_template.jinja")!.problem!, /chat_template/);
});

const WITH_WORDS = {
  ...LLAMA,
  "tokenizer.ggml.model": "gpt2",
  "tokenizer.ggml.pre": "llama-bpe",
  "tokenizer.ggml.tokens": ["a", "b", "ab"],
  "tokenizer.ggml.merges": ["a b"],
};

function part(no: number, changed: Record<string, unknown> = {}): Uint8Array {
  const tensor = { name: `blk.${no}.x`, shape: [8], values: new Float32Array(8) };
  const metadata = { ...WITH_WORDS, "split.no": no, "split.count": 2, ...changed };
  return writeGguf(metadata as Parameters<typeof writeGguf>[0], [tensor]);
}

Deno.test("files that describe themselves are all that is asked for; each is looked at", async () => {
  const first = "m-00001-of-00002.gguf", second = "m-00002-of-00002.gguf";
  const whole = new Map([[first, part(0)], [second, part(1)]]);
  const found = await inspected(whole);
  assert.deepEqual([...found.keys()], [first, second]);
  for (const [name, { length: bytes }] of whole) {
    assert.deepEqual(found.get(name), { name, bytes, isNeeded: true });
  }

  const cut = new Map([[first, part(0)], [second, part(1).slice(0, -7)]]);
  assert.equal((await inspected(cut)).get(first)!.problem, undefined);
  assert.match((await inspected(cut)).get(second)!.problem!, /truncated/);
  const missing = await inspected(new Map([[first, part(0)]]));
  assert.deepEqual(missing.get(second), { name: second, isNeeded: true });

  const problemOf = async (changed: Record<string, unknown>) =>
    (await inspected(new Map([[first, part(0, changed)], [second, part(1)]]))).get(first)!.problem;
  assert.match((await problemOf({ "tokenizer.ggml.tokens": ["a", "c", "ab"] }))!, /token/);
  assert.match((await problemOf({ "tokenizer.chat_template": "{% for %}" }))!, /chat_template/);
  // Whole, but of a kind that inspecting the model refuses.
  assert.equal(await problemOf({ "general.architecture": "mamba" }), undefined);
});

Deno.test({
  name: "models of other people have no problem (needs ../shared)",
  ignore: !hasShared,
  async fn() {
    const found = await inspectFiles(sharedPath("models", "SmolLM2-135M-Instruct-GPTQ-Int4"));
    assert.deepEqual(found.filter(({ bytes, problem }) => bytes === undefined || problem !== undefined), []);
  },
});
