/** A model that does not fit is refused before a byte of its weights is read; the default context is one that fits. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { inspectModel, loadModel, type LoadOptions, memoryModelSource, type ModelSource } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { goldenPath } from "../shared.ts";

const MODEL = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));

const inspect = (options: LoadOptions) => inspectModel(MODEL, { threads: 1, ...options });

/** The embedded model with a decoder that promises more tokens than any machine could hold. */
function promising(contextSize: number): ModelSource {
  const files = new Map<string, Uint8Array>();
  for (const { name, isFile } of Deno.readDirSync(MODEL)) {
    if (isFile) files.set(name, Deno.readFileSync(`${MODEL}/${name}`));
  }
  const config = JSON.parse(new TextDecoder().decode(files.get("config.json")));
  config.text_config.max_position_embeddings = contextSize;
  files.set("config.json", new TextEncoder().encode(JSON.stringify(config)));
  return memoryModelSource(files);
}

/** Runs `use` and tells the bytes of all WebAssembly memories that were made meanwhile, at its end. */
async function bytesOfMemories(use: () => Promise<void>): Promise<number> {
  const Memory = WebAssembly.Memory;
  const made: WebAssembly.Memory[] = [];
  WebAssembly.Memory = class extends Memory {
    constructor(descriptor: WebAssembly.MemoryDescriptor) {
      super(descriptor);
      made.push(this);
    }
  };
  try {
    await use();
  } finally {
    WebAssembly.Memory = Memory;
  }
  return made.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
}

const PLANNED: [string, LoadOptions][] = [
  [MODEL, {}],
  [MODEL, { precision: "f32", threads: 2, contextSize: 100 }],
  [MODEL, { threads: 8, contextSize: 64 }],
  [MODEL, { bankBytes: 12 * 2 ** 20, contextSize: 64 }],
  [goldenPath("arch-gemma3-text"), { kvCache: "int8" }],
  [goldenPath("gptq-desc-act"), { threads: 2 }],
  [goldenPath("awq-gemm-asym-g64"), { dense: "f16" }],
];
for (const [path, options] of PLANNED) {
  const name = `memory: the plan is what ${path.split("/").at(-1)} takes with ${JSON.stringify(options)}`;
  Deno.test(name, async () => {
    let planned = 0, memories = 0;
    const taken = await bytesOfMemories(async () => {
      await using model = await loadModel(path, { threads: 1, ...options });
      const { memory, contextSize, vision } = model.info;
      const { weights, keyValue, working, vision: tower, picture, runtime, total } = memory;
      planned = weights + keyValue + working + tower + picture;
      assert.equal(planned + runtime, total);
      memories = model.engine.memories;
      using sequence = model.createSequence();
      sequence.reserve(contextSize);
      if (!vision) return;
      const images = [{ width: 200, height: 200, data: new Uint8Array(200 * 200 * 3) }];
      await sequence.forward([632], { images, logits: "none" });
    });
    // Each memory grows in steps of 1 MiB; tables of blocks and what sequences see are not counted.
    assert.ok(
      taken >= planned - memories * 2 ** 20 && taken <= planned + memories * 2 ** 21,
      `${taken} ${planned}`,
    );
  });
}

Deno.test("memory: a context's keys and values grow with its tokens", async () => {
  const { memory, contextSize } = await inspect({});
  assert.equal(memory.keyValue, memory.keyValuePer1024Tokens * contextSize / 1024);
});

Deno.test("memory: each memory that a model lies in has buffers of its own", async () => {
  const one = await inspect({ contextSize: 64 });
  const several = await inspect({ contextSize: 64, bankBytes: one.memory.working + 7e6 });
  assert.ok(several.memory.working >= 2 * one.memory.working);
});

Deno.test("memory: a model that does not fit is refused with the arithmetic, its weights unread", async () => {
  const files = new Map<string, number>();
  const reads: string[] = [];
  for (const { name, isFile } of Deno.readDirSync(MODEL)) {
    if (isFile) files.set(name, Deno.statSync(`${MODEL}/${name}`).size);
  }
  const { total } = (await inspect({ contextSize: 512 })).memory;
  const source: ModelSource = {
    label: "here",
    list: () => Promise.resolve(files),
    read(name, begin, end) {
      reads.push(`${name} ${end - begin}`);
      return Promise.resolve(Deno.readFileSync(`${MODEL}/${name}`).subarray(begin, end));
    },
  };
  const options = { threads: 1, contextSize: 512 };
  const { message } = await assertRefused(
    () => loadModel(source, { ...options, memoryBytes: total - 1 }),
    "OUT_OF_MEMORY",
    'Cannot load "here"',
    "memoryBytes",
    "at 512 tokens",
    "vision tower",
  );
  assert.match(message, /expected at most [\d.]+ MB .* found [\d.]+ MB needed: weights 3\.3 MB/);
  const weights = reads.filter((read) => read.startsWith("model"));
  assert.ok(weights.every((read) => Number(read.split(" ")[1]) < 1e6), `headers only: ${weights}`);
  await using model = await loadModel(source, { ...options, memoryBytes: total });
  assert.equal(model.info.memory.fits, true);
});

Deno.test("memory: the default context fits, and takes half of what is left at most", async () => {
  const source = promising(1 << 20);
  const unknown = await inspectModel(source, { threads: 1, kvCache: "f32" as const, memoryBytes: Infinity });
  assert.equal(unknown.contextSize, 1 << 17);
  const least =
    (await inspectModel(source, { threads: 1, kvCache: "f32" as const, contextSize: 512 })).memory.total;
  for (const memoryBytes of [least, least + 3e6, least + 5e7, least + 3e8]) {
    const { contextSize, memory } = await inspectModel(source, {
      threads: 1,
      kvCache: "f32" as const,
      memoryBytes,
    });
    assert.ok(memory.fits && contextSize < 1 << 17, `${memoryBytes}`);
    const left = memoryBytes - (memory.total - memory.keyValue);
    assert.ok(memory.keyValue <= left / 2 || contextSize === 512);
    const longer = {
      threads: 1,
      kvCache: "f32" as const,
      memoryBytes: Infinity,
      contextSize: contextSize + 32,
    };
    const { keyValue } = (await inspectModel(source, longer)).memory;
    assert.ok(keyValue > left / 2, "and no more would");
  }
  const small = await inspectModel(source, { threads: 1, kvCache: "f32" as const, memoryBytes: 1 });
  assert.equal(small.contextSize, 512, "a model with less is of no use");
  assert.equal(small.memory.fits, false);
});

Deno.test("memory: the default context fits beside a layer in one memory", async () => {
  const source = promising(1 << 20);
  const options = { threads: 1, memoryBytes: Infinity, bankBytes: 24 * 2 ** 20 };
  const { contextSize } = await inspectModel(source, options);
  assert.ok(contextSize < 1 << 17 && contextSize > 512);
  await assertRefused(
    () => inspectModel(source, { ...options, contextSize: contextSize * 2 }),
    "OUT_OF_MEMORY",
    "layers.",
  );
});
