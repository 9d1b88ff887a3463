/** Guesses from what came before, and answers that do not depend on them. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { type GenerateRequest, loadModel, type Model, type RemoraError } from "../../mod.ts";
import { lookUpContinuation } from "../../src/generation/prompt_lookup.ts";
import { Random } from "../../src/sampling/random.ts";
import { goldenPath, hasShared, sharedPath } from "../shared.ts";

const GOLDEN = goldenPath("gptq-v1-sym-g32");
const SMOLLM2 = hasShared ? sharedPath("models", "SmolLM2-135M-Instruct-GPTQ-Int4") : "";
const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const ignore = !hasShared;

Deno.test("the continuation of the longest earlier match is guessed, of the latest among equals", () => {
  const continuation = (history: number[], count = 3) => lookUpContinuation(history, count)?.tokens;
  assert.deepEqual(continuation([1, 2, 3, 4, 5, 9, 1, 2]), [3, 4, 5]);
  assert.deepEqual(continuation([1, 2, 3, 9, 1, 2, 4, 9, 1, 2], 1), [4], "the latest");
  assert.deepEqual(continuation([7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2], 1), [3], "the longest");
  assert.deepEqual(lookUpContinuation([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7], 1)?.matched, 6);
  assert.deepEqual(lookUpContinuation([1, 2, 3, 1, 2], 1)?.matched, 2);
});

Deno.test("what repeats goes on repeating; what does not is not guessed", () => {
  assert.deepEqual(lookUpContinuation([1, 2, 1, 2, 1], 5)?.tokens, [2, 1, 2, 1, 2]);
  assert.deepEqual(lookUpContinuation([4, 4, 4], 3)?.tokens, [4, 4, 4]);
  for (const history of [[], [1], [1, 1], [1, 2], [1, 2, 3, 2], [1, 2, 3, 1]]) {
    assert.equal(lookUpContinuation(history, 4), undefined, history.join());
  }
});

Deno.test("a guess agrees with a search by hand, on random texts of few words", () => {
  const random = Random.fromSeed(11);
  for (let round = 0; round < 2_000; round++) {
    const length = random.nextUint32() % 30;
    const history = Array.from({ length }, () => random.nextUint32() % 3);
    const text = history.join("");
    let expected: string | undefined;
    for (let matched = Math.min(6, length - 1); matched >= 2 && expected === undefined; matched--) {
      const at = text.lastIndexOf(text.slice(-matched), length - matched - 1);
      if (at >= 0) expected = `${matched}:${text[at + matched]}`;
    }
    const found = lookUpContinuation(history, 1);
    assert.equal(found && `${found.matched}:${found.tokens[0]}`, expected, text);
  }
});

/** Everything an answer consists of, chunk by chunk, and what the sequence holds in the end. */
async function answer(model: Model, request: GenerateRequest) {
  using sequence = model.createSequence();
  let steps = 0;
  const forward = sequence.forward.bind(sequence);
  sequence.forward = (ids, options) => {
    steps++;
    return forward(ids, options);
  };
  const chunks = [];
  for await (const chunk of model.generate({ ...request, sequence })) chunks.push(chunk);
  return { chunks, tokenIds: [...sequence.tokenIds], steps };
}

async function checkSame(model: Model, request: GenerateRequest): Promise<{ saved: number }> {
  const plain = await answer(model, request);
  let saved = 0;
  for (const promptLookup of [1, 3, 10, 64]) {
    const guessed = await answer(model, { ...request, promptLookup });
    assert.deepEqual(guessed.chunks, plain.chunks);
    assert.deepEqual(guessed.tokenIds, plain.tokenIds);
    saved = Math.max(saved, plain.steps - guessed.steps);
  }
  return { saved };
}

const SAMPLINGS: GenerateRequest[] = [
  { temperature: 0 },
  { temperature: 0, repeatPenalty: 1.1, logprobs: 2 },
  { temperature: 0.6, seed: 5 },
  { temperature: 1.2, seed: 9, topP: 0.9, presencePenalty: 0.3, frequencyPenalty: 0.2, logprobs: 0 },
  { temperature: 0.4, seed: 2, topK: 8, minP: 0.05, typicalP: 0.9 },
];

Deno.test({
  name: "guessing changes no answer of a tiny model, and saves steps",
  async fn() {
    await using model = await loadModel(GOLDEN, { threads: 1, contextSize: 96 });
    const prompt = [65, 66, 67, 68, 69, 65, 66, 67, 68, 69, 65, 66];
    // Random weights repeat themselves only where they have few words.
    const logitBias = Object.fromEntries([65, 66, 67, 68, 69].map((id) => [id, 100]));
    for (const sampling of SAMPLINGS) {
      let saved = 0;
      for (const maxTokens of [0, 1, 2, 7, 40, undefined]) {
        await checkSame(model, { prompt, maxTokens, ...sampling });
        saved += (await checkSame(model, { prompt, maxTokens, logitBias, ...sampling })).saved;
      }
      // Of a sampled answer, too few guesses may be right for one to be computed.
      assert.ok(saved > 0 || sampling.temperature, `some guess was right: ${JSON.stringify(sampling)}`);
    }
    const request = { prompt, maxTokens: 40, temperature: 0.8, seed: 1, logitBias };
    const { text } = await model.complete(request);
    assert.ok(text.length >= 40);
    for (const stop of [[text.slice(3, 6)], [text.slice(20, 26), "never"], [text.slice(-5)]]) {
      await checkSame(model, { ...request, stop });
    }
  },
});

Deno.test({
  name: "guessing changes no answer of SmolLM2 that repeats its prompt (needs ../shared)",
  ignore,
  async fn() {
    await using model = await loadModel(SMOLLM2, { threads: 2 });
    const content =
      "Repeat this sentence twice: The quick brown fox jumps over the lazy dog near the old mill.";
    let saved = 0;
    for (const sampling of SAMPLINGS.slice(0, 4)) {
      const request = { messages: [{ role: "user" as const, content }], maxTokens: 48, ...sampling };
      const [plain, guessed] = [
        await answer(model, request),
        await answer(model, { ...request, promptLookup: 10 }),
      ];
      assert.deepEqual(guessed.chunks, plain.chunks);
      assert.deepEqual(guessed.tokenIds, plain.tokenIds);
      saved += plain.steps - guessed.steps;
    }
    assert.ok(saved > 0, "some guess was right");
  },
});

Deno.test({
  name: "guessing changes no answer whose context is shifted",
  async fn() {
    await using model = await loadModel(GOLDEN, { threads: 1, contextSize: 24 });
    const prompt = [65, 66, 67, 68, 69, 65, 66, 67, 68, 69, 65, 66];
    const logitBias = Object.fromEntries([65, 66, 67, 68, 69].map((id) => [id, 100]));
    for (const sampling of SAMPLINGS) {
      const request = { prompt, maxTokens: 60, logitBias, contextShift: true, ...sampling };
      assert.ok((await checkSame(model, request)).saved > 0);
    }
  },
});

Deno.test("guessing changes no answer about a picture", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const image = Deno.readFileSync(`${SCENES}/reference/one-tile.png`);
  const content = [{ type: "image" as const, image }, {
    type: "text" as const,
    text: "Describe the picture.",
  }];
  for (const sampling of SAMPLINGS) {
    await checkSame(model, { messages: [{ role: "user", content }], maxTokens: 40, ...sampling });
  }
});

Deno.test({
  name: "who leaves in the middle finds no guesses in the sequence",
  async fn() {
    await using model = await loadModel(GOLDEN, { threads: 1 });
    const prompt = [5, 6, 7, 8, 5, 6, 7, 8, 5, 6];
    const { tokenIds } = await model.complete({ prompt, maxTokens: 30, temperature: 0 });
    for (let leave = 1; leave < 12; leave++) {
      using sequence = model.createSequence();
      const request = { prompt, maxTokens: 30, temperature: 0, sequence, promptLookup: 10 };
      let seen = 0;
      for await (const _ of model.generate(request)) if (++seen === leave) break;
      assert.deepEqual([...sequence.tokenIds], [...prompt, ...tokenIds.slice(0, leave - 1)]);
    }
  },
});

Deno.test({
  name: "a number of guesses out of range is refused",
  async fn() {
    await using model = await loadModel(GOLDEN, { threads: 1 });
    for (const promptLookup of [-1, 1.5, 65, NaN]) {
      const isRefused = ({ code }: RemoraError) => code === "BAD_ARGUMENT";
      await assert.rejects(model.complete({ prompt: [1], maxTokens: 1, promptLookup }), isRefused);
    }
  },
});

Deno.test({
  name: "maps of where each token looked are there with guesses asked for",
  async fn() {
    await using model = await loadModel(GOLDEN, { threads: 1 });
    const request = { prompt: [5, 6, 5, 6, 5, 6], maxTokens: 10, temperature: 0, attention: true };
    const { chunks } = await answer(model, { ...request, promptLookup: 10 });
    assert.equal(chunks.filter(({ attention }) => attention).length, chunks.length);
    assert.deepEqual(chunks, (await answer(model, request)).chunks);
  },
});
