/** What a model promises beyond its logits: options, refusals, reuse of a prefix, streams, snapshots, disposal. */
import assert from "node:assert/strict";
import { loadModel, memoryModelSource, type ModelSource, type RemoraError } from "../../mod.ts";
import { assertRefused } from "../errors.ts";
import { goldenPath } from "../shared.ts";

const GOLDEN = goldenPath("gptq-v1-sym-g32");

function code(expected: string) {
  return (error: RemoraError) => error.code === expected && !error.message.includes("\n");
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

Deno.test({
  name: "a model from memory answers like the one from its directory",
  async fn() {
    const files = new Map<string, Uint8Array>();
    for (const { name, isFile } of Deno.readDirSync(GOLDEN)) {
      if (isFile) files.set(name, Deno.readFileSync(`${GOLDEN}/${name}`));
    }
    await using fromMemory = await loadModel(memoryModelSource(files), { threads: 1 });
    await using fromDirectory = await loadModel(GOLDEN, { threads: 2 });
    const request = { prompt: "hello", maxTokens: 12, seed: 7, temperature: 0.9, logprobs: 2 };
    assert.deepEqual(await fromMemory.complete(request), await fromDirectory.complete(request));
  },
});

Deno.test({
  name: "chunks add up to the completion; the seed decides",
  async fn() {
    await using model = await loadModel(GOLDEN, { threads: 1 });
    const request = { prompt: "hello", maxTokens: 20, seed: 3, temperature: 1 };
    const chunks = await collect(model.generate(request));
    const whole = await model.complete(request);
    assert.equal(chunks.map(({ text }) => text).join(""), whole.text);
    assert.deepEqual(chunks.flatMap(({ tokenIds }) => tokenIds), whole.tokenIds);
    assert.equal(chunks.at(-1)!.finishReason, whole.finishReason);
    const other = await model.complete({ ...request, seed: 4 });
    assert.notDeepEqual(other.tokenIds, whole.tokenIds);
  },
});

Deno.test({
  name: "a sequence reuses what it shares with the next prompt, with the same bits",
  async fn() {
    await using model = await loadModel(GOLDEN, { threads: 1 });
    using sequence = model.createSequence();
    const first = await model.complete({ prompt: [5, 6, 7, 8, 9], maxTokens: 4, temperature: 0, sequence });
    const prompt = [5, 6, 7, 8, 9, ...first.tokenIds, 11, 12];
    const again = await model.complete({ prompt, maxTokens: 6, temperature: 0, sequence });
    assert.equal(again.usage.cachedTokens, 5 + first.tokenIds.length - 1);
    const fresh = await model.complete({ prompt, maxTokens: 6, temperature: 0 });
    assert.equal(fresh.usage.cachedTokens, 0);
    assert.deepEqual(again.tokenIds, fresh.tokenIds);
  },
});

Deno.test({
  name: "truncating and a snapshot give the bits of a straight run",
  async fn() {
    await using model = await loadModel(GOLDEN, { threads: 2 });
    const ids = Array.from({ length: 70 }, (_, i) => (i * 37) % 250);
    using straight = model.createSequence();
    const expected = (await straight.forward(ids)).data;
    using detour = model.createSequence();
    await detour.forward([...ids.slice(0, 40), 1, 2, 3]);
    detour.truncate(40);
    const bytes = await detour.snapshot();
    using restored = model.createSequence();
    await restored.restore(bytes);
    assert.equal(restored.length, 40);
    assert.deepEqual((await restored.forward(ids.slice(40))).data, expected);
    assert.deepEqual((await detour.forward(ids.slice(40))).data, expected);
    bytes[bytes.length - 1] ^= 1;
    await assert.rejects(restored.restore(bytes), code("BAD_FILE"));
    assert.equal(restored.length, 70, "a refused snapshot changes nothing");
  },
});

Deno.test({
  name: "stop strings, limits and the end of the context finish an answer",
  async fn() {
    await using model = await loadModel(GOLDEN, { threads: 1, contextSize: 16 });
    const request = { prompt: [5, 6, 7, 8], temperature: 0 };
    const whole = await model.complete({ ...request, maxTokens: 10 });
    assert.equal(whole.finishReason, "length");
    const stop = whole.text.slice(3, 5);
    const stopped = await model.complete({ ...request, maxTokens: 10, stop: [stop] });
    assert.equal(stopped.text, whole.text.slice(0, whole.text.indexOf(stop)));
    assert.equal(stopped.finishReason, "stop");
    const full = await model.complete(request);
    assert.equal(full.finishReason, "length");
    assert.equal(full.usage.promptTokens + full.usage.completionTokens, 17, "the last token needs no place");
    assert.deepEqual((await model.complete({ ...request, maxTokens: 0 })).tokenIds, []);
  },
});

Deno.test({
  name: "wrong requests are refused by name and leave the sequence as it was",
  async fn() {
    await using model = await loadModel(GOLDEN, { threads: 1, contextSize: 16 });
    using sequence = model.createSequence();
    await sequence.forward([1, 2, 3]);
    await assert.rejects(sequence.forward([]), code("BAD_ARGUMENT"));
    await assert.rejects(sequence.forward([1], { images: [new Uint8Array(8)] }), code("UNSUPPORTED"));
    await assert.rejects(sequence.forward([272]), code("BAD_ARGUMENT"));
    await assert.rejects(sequence.forward([-1]), code("BAD_ARGUMENT"));
    await assert.rejects(sequence.forward(Array(14).fill(1)), code("CONTEXT_OVERFLOW"));
    assert.throws(() => sequence.truncate(4), code("BAD_ARGUMENT"));
    assert.equal(sequence.length, 3);
    await assert.rejects(model.complete({ prompt: "" }), code("BAD_ARGUMENT"));
    await assert.rejects(model.complete({ messages: [] }), code("BAD_ARGUMENT"));
    await assert.rejects(model.complete({}), code("BAD_ARGUMENT"));
    await assert.rejects(model.complete({ prompt: "a", messages: [] }), code("BAD_ARGUMENT"));
    await assert.rejects(model.complete({ prompt: "a", regex: "\\bb" }), code("UNSUPPORTED"));
    await assert.rejects(model.complete({ prompt: "a", images: [new Uint8Array(8)] }), code("UNSUPPORTED"));
    await assert.rejects(model.complete({ prompt: "a", temperature: -1 }), code("BAD_ARGUMENT"));
    await assert.rejects(model.complete({ prompt: "a", maxTokens: 1.5 }), code("BAD_ARGUMENT"));
    for (
      const options of [{ threads: 0 }, { contextSize: 0 }, { contextSize: 1e9 }, {
        kvCache: "int4" as "int8",
      }]
    ) {
      await assert.rejects(loadModel(GOLDEN, options), code("BAD_ARGUMENT"), JSON.stringify(options));
    }
  },
});

Deno.test({
  name: "an abort ends loading, a prompt and an answer with the signal's reason",
  async fn() {
    const reason = new Error("enough");
    await assert.rejects(loadModel(GOLDEN, { signal: AbortSignal.abort(reason) }), reason);
    const { signal, tick } = abortAfter(3, reason);
    await assert.rejects(loadModel(GOLDEN, { threads: 2, signal, onProgress: tick }), reason);
    await using model = await loadModel(GOLDEN, { threads: 2 });
    const controller = new AbortController();
    // Without the special tokens (260 and up) the answer cannot end by itself.
    const logitBias = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [260 + i, -Infinity]));
    const seen: string[] = [];
    await assert.rejects(async () => {
      for await (
        const { text } of model.generate({
          prompt: "hello",
          maxTokens: 50,
          seed: 1,
          logitBias,
          signal: controller.signal,
        })
      ) {
        seen.push(text);
        if (seen.length === 3) controller.abort(reason);
      }
    }, reason);
    assert.equal(seen.length, 3);
    const { tokenIds } = await model.complete({ prompt: "hello", maxTokens: 3, temperature: 0 });
    assert.ok(tokenIds.length > 0, "the model goes on after an abort");
  },
});

/** A signal that fires at the n-th tick. */
function abortAfter(ticks: number, reason: Error): { signal: AbortSignal; tick: () => void } {
  const controller = new AbortController();
  let left = ticks;
  const tick = () => {
    if (--left === 0) controller.abort(reason);
  };
  return { signal: controller.signal, tick };
}

Deno.test("a source that fails because it was stopped ends loading with the signal's reason", async () => {
  for (const reason of [new Error("enough"), "enough"]) {
    for (const reads of [1, 3, 8]) {
      const controller = new AbortController();
      let count = 0;
      const source: ModelSource = {
        list: () =>
          Promise.resolve(
            new Map(
              [...Deno.readDirSync(GOLDEN)].map((
                { name },
              ) => [name, Deno.statSync(`${GOLDEN}/${name}`).size]),
            ),
          ),
        read(name, begin, end) {
          if (++count === reads) controller.abort(reason);
          if (controller.signal.aborted) return Promise.reject(new DOMException("stopped", "AbortError"));
          return Promise.resolve(Deno.readFileSync(`${GOLDEN}/${name}`).subarray(begin, end));
        },
      };
      const { signal } = controller;
      const error = await loadModel(source, { threads: 2, signal }).then(() => undefined, (error) => error);
      assert.equal(error, reason, `stopped at read ${reads}`);
    }
  }
});

Deno.test("disposing a model ends what still runs, as disposed", async () => {
  for (const threads of [1, 2]) {
    const model = await loadModel(GOLDEN, { threads });
    const sequence = model.createSequence();
    await sequence.forward([1, 2, 3]);
    const answer = model.complete({ prompt: "once upon", maxTokens: 200, temperature: 0, stop: [] });
    setTimeout(() => model.dispose(), 5);
    await assertRefused(() => answer, "BAD_ARGUMENT", "disposed");
    await assertRefused(() => sequence.forward([1]), "BAD_ARGUMENT", "disposed");
    await assertRefused(() => model.complete({ prompt: "x" }), "BAD_ARGUMENT", "disposed");
  }
});
