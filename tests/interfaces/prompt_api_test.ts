/**
 * The Prompt API as pages use it, checked against the types of Chrome's.
 */
/// <reference lib="dom" />
import type {} from "npm:@types/dom-chromium-ai@0.0.17";
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { createPromptApi, type Session } from "../../interfaces/prompt_api.ts";
import { loadModel, type Model } from "../../mod.ts";
import { PICTURE, SCENES } from "../server/serving.ts";

const SCENE = {
  type: "object",
  properties: { colour: { enum: ["red", "green"] }, count: { type: "integer", minimum: 0, maximum: 9 } },
  required: ["colour", "count"],
  additionalProperties: false,
};
const QUESTION = "Describe a picture with a red star above a circle.";
const user = (content: string) => ({ role: "user" as const, content });
const loaded = (contextSize?: number) => loadModel(SCENES, { threads: 1, contextSize });

/** A DOMException of that name. */
const named = (name: string) => (error: unknown) => {
  ok(error instanceof DOMException, `${error}`);
  equal(error.name, name);
  return true;
};

Deno.test("it has the shape of Chrome's types", async () => {
  await using model = await loaded();
  // What is assigned is what pages call; the compiler compares. Handlers and clones would have to be the class itself.
  const api: Pick<typeof LanguageModel, "availability" | "params"> = createPromptApi(model);
  equal(await api.availability({ expectedInputs: [{ type: "image" }] }), "available");
  const options: LanguageModelCreateOptions = { initialPrompts: [{ role: "system", content: "Be brief." }] };
  const session: Omit<LanguageModel, keyof EventTarget | `on${string}` | "clone"> = await createPromptApi(
    model,
  )
    .create(options);
  equal(typeof await session.prompt(QUESTION), "string");
  session.destroy();
});

Deno.test("prompts are a conversation: each answer is the library's to all that was said", async () => {
  await using model = await loaded();
  const LanguageModel = createPromptApi(model);
  const session = await LanguageModel.create({ initialPrompts: [{ role: "system", content: "Be brief." }] });
  const usage = session.contextUsage;
  ok(usage > 0);
  const system = { role: "system", content: "Be brief." };
  const first = await session.prompt(QUESTION);
  equal(first, (await model.complete({ messages: [system, user(QUESTION)] })).text);
  ok(session.contextUsage > usage);
  equal(session.inputUsage, session.contextUsage);
  equal(session.contextWindow, model.info.contextSize);
  await session.append("There is a triangle too.");
  const messages = [
    system,
    user(QUESTION),
    { role: "assistant", content: first },
    user("There is a triangle too."),
  ];
  const { text } = await model.complete({ messages: [...messages, user("Where?")] });
  const pieces = await Array.fromAsync(session.promptStreaming("Where?"));
  equal(pieces.join(""), text);
  session.destroy();
});

Deno.test("prompts that come at once are answered one after the other", async () => {
  await using model = await loaded();
  const LanguageModel = createPromptApi(model);
  const [together, apart] = [await LanguageModel.create(), await LanguageModel.create()];
  const questions = ["Is there a star?", "Is there a circle?", "How many?"];
  const answers = await Promise.all(questions.map((question) => together.prompt(question)));
  const expected: string[] = [];
  for (const question of questions) expected.push(await apart.prompt(question));
  deepEqual(answers, expected);
  together.destroy();
  apart.destroy();
});

Deno.test("a clone holds the same, computes nothing again and goes its own way", async () => {
  await using model = await loaded();
  const LanguageModel = createPromptApi(model);
  const session = await LanguageModel.create({ initialPrompts: [user("There is a star. ".repeat(30))] });
  const clone = await session.clone();
  equal(clone.contextUsage, session.contextUsage);
  const answer = await clone.prompt("Is there a star?");
  session.destroy();
  const other = await clone.clone();
  equal(
    await (await LanguageModel.create({ initialPrompts: [user("There is a star. ".repeat(30))] })).prompt(
      "Is there a star?",
    ),
    answer,
  );
  equal(await other.prompt("And a circle?"), await clone.prompt("And a circle?"));
  clone.destroy();
  await rejects(clone.prompt("x"), named("AbortError"));
  await rejects(clone.clone(), named("AbortError"));
  other.destroy();
});

Deno.test("answers keep to a schema or an expression, and begin with a prefix", async () => {
  await using model = await loaded();
  const session = await createPromptApi(model).create({ temperature: 1, topK: 50 });
  const { colour, count } = JSON.parse(await session.prompt(QUESTION, { responseConstraint: SCENE }));
  ok(["red", "green"].includes(colour) && Number.isInteger(count));
  const expression = /^(red|green) (star|circle)$/;
  const options = { responseConstraint: expression, omitResponseConstraintInput: true };
  ok(expression.test(await session.prompt(QUESTION, options)));
  const prefix = "There is a red";
  const begun = [user(QUESTION), { role: "assistant" as const, content: prefix, prefix: true }];
  const rest = await (await createPromptApi(model).create({ temperature: 0 })).prompt(begun, {
    responseConstraint: / (star|cross)\./,
  });
  ok(/^ (star|cross)\.$/.test(rest));
  const { text } = await model.complete({
    prompt: model.chatPrompt([user(QUESTION)]) + prefix,
    regex: " (star|cross)\\.",
    temperature: 0,
  });
  equal(rest, text);
  await rejects(session.prompt(QUESTION, { omitResponseConstraintInput: true }), TypeError);
  await rejects(session.prompt(QUESTION, { responseConstraint: /a/i }), named("NotSupportedError"));
  await rejects(
    session.prompt(QUESTION, { responseConstraint: { uniqueItems: true } }),
    named("NotSupportedError"),
  );
  await rejects(session.prompt(QUESTION, { responseConstraint: "x" as unknown as object }), TypeError);
  session.destroy();
});

Deno.test("pictures in each of their forms", async () => {
  await using model = await loaded();
  const bytes = Deno.readFileSync(PICTURE);
  const question = { type: "text" as const, value: "Describe the picture." };
  const messages = [{
    role: "user",
    content: [{ type: "image" as const, image: bytes }, { type: "text" as const, text: question.value }],
  }];
  const { text } = await model.complete({ messages, maxTokens: 60 });
  ok(text.includes("triangle"));
  const LanguageModel = createPromptApi(model);
  for (
    const value of [bytes, bytes.buffer, new DataView(bytes.buffer), new Blob([bytes], { type: "image/png" })]
  ) {
    const session = await LanguageModel.create({ expectedInputs: [{ type: "image" }] });
    equal(await session.prompt([{ role: "user", content: [{ type: "image", value }, question] }]), text);
    session.destroy();
  }
  const pixels = new ImageData(new Uint8ClampedArray(64 * 64 * 4).fill(255), 64, 64);
  const session = await LanguageModel.create({ expectedInputs: [{ type: "image" }] });
  ok(
    (await session.prompt([{ role: "user", content: [{ type: "image", value: pixels }, question] }])).length >
      0,
  );
  const ask = (value: unknown, role: "user" | "assistant" = "user", by: Session = session) =>
    by.prompt([{ role, content: [{ type: "image", value }, question] }]);
  await rejects(ask(new Uint8Array([1, 2, 3])), named("EncodingError"));
  await rejects(ask("star"), TypeError);
  await rejects(ask({}), TypeError);
  await rejects(ask(bytes, "assistant"), named("NotSupportedError"));
  await rejects(ask(bytes, "user", await LanguageModel.create()), named("NotSupportedError"));
  await rejects(LanguageModel.create({ expectedInputs: [{ type: "audio" }] }), named("NotSupportedError"));
  equal(await LanguageModel.availability({ expectedInputs: [{ type: "audio" }] }), "unavailable");
  equal(await LanguageModel.availability({ expectedInputs: [{ type: "image" }] }), "available");
  await rejects(LanguageModel.create({ tools: [{}] }), named("NotSupportedError"));
  session.destroy();
});

Deno.test("usage is measured as it will be, and a full context forgets the oldest prompts but never the system's", async () => {
  await using model = await loaded(160);
  const LanguageModel = createPromptApi(model);
  const session = await LanguageModel.create({ initialPrompts: [{ role: "system", content: "Be brief." }] });
  const before = session.contextUsage;
  const measured = await session.measureContextUsage(QUESTION);
  equal(await session.measureInputUsage(QUESTION), measured);
  await session.append(QUESTION);
  equal(session.contextUsage, before + measured);
  const overflows: string[] = [];
  session.oncontextoverflow = ({ type }) => overflows.push(type);
  session.addEventListener("quotaoverflow", ({ type }) => overflows.push(type));
  for (let i = 0; overflows.length === 0 && i < 30; i++) await session.prompt(`Is there a star? ${i}`);
  deepEqual(overflows, ["contextoverflow", "quotaoverflow"]);
  ok(session.contextUsage <= session.contextWindow);
  const room = session.contextWindow - session.contextUsage;
  for (const count of [200, 100_000]) {
    const long = "star ".repeat(count);
    await rejects(session.prompt(long), (error) => {
      named("QuotaExceededError")(error);
      const { requested, quota } = error as QuotaExceededError;
      equal(quota, room);
      ok(requested! > room);
      return true;
    });
  }
  deepEqual([overflows.length, session.contextWindow - session.contextUsage], [2, room]);
  await rejects(
    LanguageModel.create({ initialPrompts: [user("star ".repeat(200))] }),
    named("QuotaExceededError"),
  );
  session.destroy();
});

Deno.test("what runs ends by its signal, by a reader that leaves and by destroy, and leaves no trace", async () => {
  await using model = await loaded();
  const LanguageModel = createPromptApi(model);
  const session = await LanguageModel.create({ temperature: 1.5, topK: 100 });
  const usage = session.contextUsage;
  const long = { responseConstraint: /[a-z ]{2000}/ };
  const controller = new AbortController();
  let pieces = 0;
  await rejects(async () => {
    for await (const _ of session.promptStreaming(QUESTION, { ...long, signal: controller.signal })) {
      if (++pieces === 3) controller.abort();
    }
  }, named("AbortError"));
  const queued = new AbortController();
  const reader = session.promptStreaming(QUESTION, long).getReader();
  await reader.read();
  const waiting = session.prompt("x", { signal: queued.signal });
  queued.abort();
  await rejects(waiting, named("AbortError"));
  await reader.cancel();
  equal(session.contextUsage, usage);
  const running = session.prompt(QUESTION, long);
  setTimeout(() => session.destroy(), 20);
  await rejects(running, named("AbortError"));
  const creation = new AbortController();
  const bound = await LanguageModel.create({ signal: creation.signal });
  creation.abort();
  await rejects(bound.prompt("x"), named("AbortError"));
  await rejects(LanguageModel.create({ signal: AbortSignal.abort() }), named("AbortError"));
});

Deno.test("messages that cannot be meant are refused as browsers do", async () => {
  await using model = await loaded();
  const LanguageModel = createPromptApi(model);
  const session = await LanguageModel.create();
  const system = { role: "system" as const, content: "x" };
  const prefix = { role: "assistant" as const, content: "x", prefix: true };
  await rejects(session.prompt([]), named("SyntaxError"));
  await rejects(session.prompt([system]), named("NotSupportedError"));
  await rejects(session.prompt([prefix, user("x")]), named("SyntaxError"));
  await rejects(session.prompt([{ ...user("x"), prefix: true }]), named("SyntaxError"));
  await rejects(session.append([prefix]), named("SyntaxError"));
  await rejects(session.prompt([{ role: "user", content: [{ type: "text", value: 1 }] }]), TypeError);
  await rejects(LanguageModel.create({ initialPrompts: [user("x"), system] }), TypeError);
  await rejects(LanguageModel.create({ temperature: -1 }), RangeError);
  await rejects(LanguageModel.create({ topK: 0 }), RangeError);
  await rejects(LanguageModel.create({ samplingMode: "balanced", topK: 1 }), TypeError);
  session.destroy();
});

Deno.test("ways to choose tokens have defaults and limits", async () => {
  await using model = await loaded();
  const LanguageModel = createPromptApi(model);
  const params = await LanguageModel.params();
  deepEqual(params, {
    defaultTopK: params.maxTopK,
    maxTopK: model.info.vocabularySize,
    defaultTemperature: 0,
    maxTemperature: 2,
  });
  const high = await LanguageModel.create({ temperature: Infinity, topK: Infinity });
  deepEqual([high.temperature, high.topK], [2, params.maxTopK]);
  for (const samplingMode of ["most-predictable", "predictable", "balanced", "creative", "most-creative"]) {
    (await LanguageModel.create({ samplingMode })).destroy();
  }
  high.destroy();
});

Deno.test("a model is loaded once, by the first session, whose monitor is told from 0 to 1", async () => {
  let loads = 0, model: Model | undefined;
  const LanguageModel = createPromptApi(async (onProgress) => {
    loads++;
    const onPart = ({ loadedBytes, totalBytes }: { loadedBytes: number; totalBytes: number }) =>
      onProgress(loadedBytes / totalBytes);
    return model = await loadModel(SCENES, { threads: 1, onProgress: onPart });
  });
  equal(await LanguageModel.availability(), "downloadable");
  const shares: number[] = [];
  const monitor = (target: EventTarget) =>
    target.addEventListener("downloadprogress", (event) => shares.push((event as ProgressEvent).loaded));
  const both = [LanguageModel.create({ monitor }), LanguageModel.create()];
  equal(await LanguageModel.availability(), "downloading");
  for (const session of await Promise.all(both)) session.destroy();
  equal(loads, 1);
  equal(await LanguageModel.availability(), "available");
  deepEqual([shares[0], shares.at(-1)], [0, 1]);
  ok(shares.length > 2);
  deepEqual(shares, shares.toSorted((a, b) => a - b));
  const later: number[] = [];
  (await LanguageModel.create({
    monitor: (target) => target.ondownloadprogress = ({ loaded }: ProgressEvent) => later.push(loaded),
  })).destroy();
  deepEqual(later, [0, 1]);
  await model!.dispose();
  const broken = createPromptApi(() => Promise.reject(new Error("no network")));
  await rejects(broken.create(), named("NetworkError"));
  equal(await broken.availability(), "downloadable");
});
