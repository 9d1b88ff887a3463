/**
 * Answers in pieces: what a budget cuts goes on elsewhere, and all pieces together are the answer of one run.
 */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import {
  type BegunAnswer,
  type GenerateChunk,
  type GenerateRequest,
  loadModel,
  memoryModelSource,
  type Model,
  RemoraError,
} from "../../mod.ts";
import { goldenPath } from "../shared.ts";
import { PICTURE, SCENES } from "../server/serving.ts";

const PARAMETERS = {
  type: "object",
  properties: { colour: { enum: ["red", "green"] }, count: { type: "integer", minimum: 0, maximum: 9 } },
  required: ["colour", "count"],
  additionalProperties: false,
};
const picture = { type: "image" as const, image: Deno.readFileSync(PICTURE) };
const messages = [{ role: "user", content: "Describe a picture with a red star above a circle." }];
/** The model's own answer is two tokens long. */
const ignoreEnd = true;

/** What differs between requests, and matters to how they go on. */
const REQUESTS: Record<string, GenerateRequest> = {
  greedy: { messages, ignoreEnd, temperature: 0, maxTokens: 30 },
  "drawn with a seed": { messages, ignoreEnd, temperature: 1.3, topP: 0.95, seed: 7, maxTokens: 30 },
  "with penalties and a bias": {
    messages,
    ignoreEnd,
    temperature: 1,
    repeatPenalty: 1.2,
    frequencyPenalty: 0.5,
    logitBias: { 100: 2 },
    seed: 3,
    maxTokens: 30,
  },
  "with probabilities": { messages, ignoreEnd, temperature: 1, seed: 5, logprobs: 3, maxTokens: 20 },
  "by a schema": { messages, jsonSchema: PARAMETERS, temperature: 1, seed: 11 },
  "by a regular expression": { messages, regex: "(red|green|blue){3,9} stars?", temperature: 1, seed: 2 },
  "with a call": {
    messages,
    tools: [{ type: "function", function: { name: "paint", parameters: PARAMETERS } }],
    toolChoice: "required",
    parallelToolCalls: false,
    temperature: 1,
    seed: 4,
  },
  "with stop strings": {
    messages,
    ignoreEnd,
    temperature: 1.5,
    seed: 21,
    stop: ["\0", "zzz"],
    maxTokens: 40,
  },
  "with guesses": { messages, ignoreEnd, temperature: 0, promptLookup: 4, maxTokens: 40 },
  "about pictures": {
    messages: [{
      role: "user",
      content: [picture, { type: "text", text: "What is there?" }, {
        type: "image",
        image: Deno.readFileSync(`${SCENES}/reference/one-tile.png`),
      }, { type: "text", text: "And there?" }],
    }],
    ignoreEnd,
    temperature: 1,
    seed: 1,
    maxTokens: 30,
  },
};

async function oneRun(model: Model, request: GenerateRequest): Promise<GenerateChunk[]> {
  const chunks: GenerateChunk[] = [];
  for await (const chunk of model.generate(request)) chunks.push(chunk);
  return chunks;
}

/** Each piece in a sequence of its own, with what the last one left as a snapshot. */
async function inPieces(model: Model, request: GenerateRequest, tokens: number, promptTokens: number) {
  const chunks: GenerateChunk[] = [];
  let begun: BegunAnswer | undefined, snapshot: Uint8Array | undefined, pieces = 0;
  do {
    using sequence = model.createSequence();
    if (snapshot) await sequence.restore(snapshot);
    const before = sequence.length;
    const prepared = await model.prepare(request);
    const run = model.run(prepared, { sequence, budget: { tokens, promptTokens }, begun });
    begun = undefined;
    let repeatedText = "", fresh = 0;
    for await (const chunk of run) {
      begun = chunk.begun;
      if (chunk.isRepeated) repeatedText += chunk.text;
      else {
        chunks.push(chunk);
        fresh += chunk.tokenIds.length;
      }
    }
    ok(fresh <= tokens);
    // A picture's token may come on top.
    ok(sequence.length - before <= promptTokens + tokens + 1, `${sequence.length - before} tokens computed`);
    const said = chunks.map(({ text }) => text).join("");
    equal(repeatedText, said.slice(0, repeatedText.length));
    snapshot = begun && await sequence.snapshot();
    pieces++;
  } while (begun);
  return { chunks, pieces };
}

const texts = (chunks: GenerateChunk[]) => chunks.map(({ text }) => text).join("");
const ids = (chunks: GenerateChunk[]) => chunks.flatMap(({ tokenIds }) => tokenIds);
const logprobs = (chunks: GenerateChunk[]) => chunks.flatMap(({ logprobs = [] }) => logprobs);

Deno.test("pieces of every size make the answer of one run", async (test) => {
  await using model = await loadModel(SCENES, { threads: 1 });
  for (const [name, request] of Object.entries(REQUESTS)) {
    await test.step(name, async () => {
      const free = await oneRun(model, request);
      // A text in the middle of the answer, so that a piece ends within it.
      const stop = request.stop && [texts(free).slice(15, 21), "zzz"];
      Object.assign(request, stop && { stop });
      const whole = stop ? await oneRun(model, request) : free;
      equal(whole.at(-1)!.finishReason === "stop", !!stop || request.maxTokens === undefined);
      ok(ids(whole).length > 3, `${ids(whole).length} tokens`);
      for (const [tokens, promptTokens] of [[1, 1000], [3, 5], [7, 2], [1000, 1]]) {
        const { chunks, pieces } = await inPieces(model, request, tokens, promptTokens);
        ok(pieces > 1);
        deepEqual(ids(chunks), ids(whole));
        equal(texts(chunks), texts(whole));
        deepEqual(logprobs(chunks), logprobs(whole));
        const [last, expected] = [chunks.at(-1)!, whole.at(-1)!];
        equal(last.finishReason, expected.finishReason);
        equal(last.stop, expected.stop);
        equal(last.usage!.completionTokens, expected.usage!.completionTokens);
        equal(last.usage!.promptTokens, expected.usage!.promptTokens);
      }
    });
  }
});

Deno.test("pieces are exact where positions depend on the length, and windows slide", async (test) => {
  for (const name of ["arch-phi3-longrope", "arch-gemma3-text", "arch-mistral", "arch-llama"]) {
    await test.step(name, async () => {
      // Some have no tokenizer of their own; any of so few words will do.
      const files = new Map(
        ["arch-llama", name].flatMap((folder) =>
          Array.from(Deno.readDirSync(goldenPath(folder)), (entry) => entry.name)
            .filter((file) => folder === name || file === "tokenizer.json")
            .map((file) => [file, Deno.readFileSync(`${goldenPath(folder)}/${file}`)] as const)
        ),
      );
      const source = memoryModelSource(files);
      await using model = await loadModel(source, { threads: 1 });
      const prompt = Array.from({ length: 110 }, (_, i) => 3 + i * 7 % 50);
      const request = { prompt, temperature: 1, seed: 1, maxTokens: 30, ignoreEnd: true };
      const whole = await oneRun(model, request);
      for (const [tokens, promptTokens] of [[4, 9], [1000, 33]]) {
        deepEqual(ids((await inPieces(model, request, tokens, promptTokens)).chunks), ids(whole));
      }
    });
  }
});

Deno.test("without the sequence that it was begun in, an answer goes on all the same", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const request = REQUESTS["drawn with a seed"];
  const whole = await oneRun(model, request);
  const prepared = await model.prepare(request);
  let begun: BegunAnswer | undefined;
  for await (const chunk of model.run(prepared, { budget: { tokens: 9, promptTokens: 1000 } })) {
    begun = chunk.begun;
  }
  const rest: GenerateChunk[] = [];
  for await (const chunk of model.run(prepared, { begun })) rest.push(chunk);
  deepEqual(ids(rest), ids(whole));
  equal(rest.filter(({ isRepeated }) => isRepeated).length, 9);
});

Deno.test("a seed that nobody gave goes along", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const prepared = await model.prepare({ messages, ignoreEnd, temperature: 2, maxTokens: 20 });
  const run = async (begun?: BegunAnswer, tokens = 1000) => {
    const chunks: GenerateChunk[] = [];
    for await (const chunk of model.run(prepared, { begun, budget: { tokens, promptTokens: 1000 } })) {
      chunks.push(chunk);
    }
    return chunks;
  };
  const begun = (await run(undefined, 5)).at(-1)!.begun;
  deepEqual(ids(await run(begun)), ids(await run(begun)));
});

Deno.test("what cannot be begun or counted is refused by name", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const prepared = await model.prepare({ messages, regex: "(red|green) star", temperature: 0, maxTokens: 9 });
  const star = [...model.tokenizer.encode("red star")];
  const budget = { tokens: 1, promptTokens: 1 };
  const refused: [options: Parameters<Model["run"]>[1], named: RegExp][] = [
    [{ budget: { ...budget, tokens: 0 } }, /budget\.tokens: expected an integer from 1 on, found 0/],
    [{ budget: { ...budget, promptTokens: 1.5 } }, /budget\.promptTokens/],
    [{ begun: { seed: 1, tokenIds: [...model.tokenizer.encode("blue")] } }, /found token \d+/],
    [{ begun: { seed: 1, tokenIds: [-1] } }, /found token -1/],
    [{ begun: { seed: 1, tokenIds: [1.5] } }, /found token 1\.5/],
    [{ begun: { seed: 1, tokenIds: star } }, /not over, found one that is/],
    [{ begun: { seed: 0.5, tokenIds: [] } }, /seed/],
  ];
  for (const [options, named] of refused) {
    await rejects(Array.fromAsync(model.run(prepared, options)), (error) => {
      ok(error instanceof RemoraError && error.code === "BAD_ARGUMENT");
      ok(named.test(error.message), error.message);
      return true;
    });
  }
  const shifting = await model.prepare({ messages, contextShift: true });
  await rejects(model.run(shifting, { budget }).next(), /contextShift/);
  const counted = await model.prepare({ messages, logprobs: 1 });
  await rejects(
    model.run(counted, { begun: { seed: 1, tokenIds: star.slice(0, 1) } }).next(),
    /probabilities/,
  );
});
