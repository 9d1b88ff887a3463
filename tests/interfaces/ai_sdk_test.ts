/**
 * The provider through Vercel's AI SDK itself: what it gives is what the library gives.
 */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import {
  embed,
  generateText,
  jsonSchema,
  NoSuchModelError,
  Output,
  stepCountIs,
  streamText,
  tool,
} from "npm:ai@7.0.173";
import { createRemora, remora } from "../../interfaces/ai_sdk.ts";
import { requestOf } from "../../interfaces/ai_sdk_request.ts";
import { loadModel } from "../../mod.ts";
import { PICTURE, SCENES } from "../server/serving.ts";

const SCENE = jsonSchema<{ colour: string; count: number }>({
  type: "object",
  properties: {
    colour: { type: "string", enum: ["red", "green"] },
    count: { type: "integer", minimum: 0, maximum: 9 },
  },
  required: ["colour", "count"],
  additionalProperties: false,
});
const prompt = "Describe a picture with a red star above a circle.";
const messages = [{ role: "user", content: prompt }];
const drawn = { temperature: 1.2, seed: 17, maxRetries: 0 };
/** The model's own answer is two tokens long. */
const long = { providerOptions: { remora: { ignoreEnd: true } } };

Deno.test("text, whole and as a stream, is the library's, with its usage and reason", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const provider = createRemora({ scenes: Promise.resolve(model) });
  const expected = await model.complete({
    messages,
    ignoreEnd: true,
    temperature: 1.2,
    seed: 17,
    maxTokens: 12,
  });
  const asked = { model: provider("scenes"), prompt, maxOutputTokens: 12, ...drawn, ...long };
  const whole = await generateText(asked);
  equal(whole.text, expected.text);
  equal(whole.finishReason, "length");
  equal(whole.usage.inputTokens, expected.usage.promptTokens);
  equal(whole.usage.outputTokens, 12);
  deepEqual(whole.warnings ?? [], []);
  const stream = streamText(asked);
  equal((await Array.fromAsync(stream.textStream)).join(""), expected.text);
  equal(await stream.finishReason, "length");
  equal((await stream.usage).outputTokens, 12);
  const middle = expected.text.slice(10, 14);
  const stopped = await generateText({ ...asked, stopSequences: [middle] });
  equal(stopped.text, expected.text.slice(0, expected.text.indexOf(middle)));
  equal(stopped.finishReason, "stop");
});

Deno.test("pictures, as bytes and as base64", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const bytes = Deno.readFileSync(PICTURE);
  const pdf = new TextEncoder().encode("%PDF-1.7");
  const question = "Describe the picture.";
  const content = [{ type: "image" as const, image: bytes }, { type: "text" as const, text: question }];
  const { text: expected } = await model.complete({ messages: [{ role: "user", content }], maxTokens: 40 });
  ok(expected.includes("triangle"));
  for (const data of [bytes, bytes.toBase64()]) {
    const { text } = await generateText({
      model: remora(model),
      maxOutputTokens: 40,
      messages: [{
        role: "user",
        content: [{ type: "file", mediaType: "image/png", data }, { type: "text", text: question }],
      }],
    });
    equal(text, expected);
  }
  await rejects(
    generateText({
      model: remora(model),
      maxRetries: 0,
      messages: [{ role: "user", content: [{ type: "file", mediaType: "application/pdf", data: pdf }] }],
    }),
    /files of type application\/pdf/,
  );
});

Deno.test("objects keep to their schema, whole and as a stream", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const asked = { model: remora(model), prompt, output: Output.object({ schema: SCENE }), ...drawn };
  const { output } = await generateText(asked);
  ok(["red", "green"].includes(output.colour) && Number.isInteger(output.count));
  deepEqual(await streamText(asked).output, output);
});

Deno.test("tools are called and their results go back", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const seen: unknown[] = [];
  const describe = tool({
    inputSchema: SCENE,
    execute: (input) => {
      seen.push(input);
      return { isRight: true };
    },
  });
  const asked = {
    model: remora(model),
    prompt,
    tools: { describe },
    toolChoice: { type: "tool" as const, toolName: "describe" as const },
    providerOptions: { remora: { parallelToolCalls: false } },
    stopWhen: stepCountIs(2),
    ...drawn,
  };
  const { steps } = await generateText(asked);
  equal(steps.length, 2);
  deepEqual(steps[0].toolCalls.map(({ toolName }) => toolName), ["describe"]);
  equal(steps[0].finishReason, "tool-calls");
  ok(["red", "green"].includes((seen[0] as { colour: string }).colour));
  const parts = await Array.fromAsync(streamText({ ...asked, stopWhen: stepCountIs(1) }).fullStream);
  const input = parts.flatMap((part) => part.type === "tool-input-delta" ? [part.delta] : []).join("");
  deepEqual(JSON.parse(input), steps[0].toolCalls[0].input);
  deepEqual(parts.flatMap((part) => part.type === "tool-call" ? [part.input] : []), [JSON.parse(input)]);
  const none = await generateText({ ...asked, toolChoice: "none", maxOutputTokens: 3 });
  deepEqual(none.toolCalls, []);
});

Deno.test("probabilities come as metadata", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const { logprobs } = await model.complete({ messages, logprobs: 2, maxTokens: 3, temperature: 0 });
  const { providerMetadata } = await generateText({
    model: remora(model),
    prompt,
    maxOutputTokens: 3,
    temperature: 0,
    providerOptions: { remora: { logprobs: 2 } },
  });
  deepEqual(providerMetadata!.remora.logprobs, logprobs);
});

Deno.test("a signal ends an answer, and a stream that nobody reads on", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const asked = { model: remora(model), prompt, maxOutputTokens: 2000, ...drawn, ...long };
  const controller = new AbortController();
  const aborted = streamText({ ...asked, abortSignal: controller.signal, onError: () => {} });
  let pieces = 0;
  for await (const part of aborted.fullStream) {
    if (part.type === "text-delta" && ++pieces === 3) controller.abort();
  }
  ok(pieces < 20);
  await rejects(generateText({ ...asked, abortSignal: AbortSignal.abort() }), { name: "AbortError" });
  const { stream } = await remora(model).doStream({
    prompt: [{ role: "user", content: [{ type: "text", text: prompt }] }],
  });
  await stream.cancel();
});

Deno.test("what is not supported is told in warnings or refused by name, never left out", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const { warnings } = await remora(model).doGenerate({
    prompt: [{ role: "user", content: [{ type: "text", text: prompt }] }],
    maxOutputTokens: 1,
    reasoning: "high",
    includeRawChunks: true,
    headers: { "x-own": "1", "user-agent": "ai" },
    tools: [{ type: "provider", id: "other.search", name: "search", args: {} }],
    providerOptions: { remora: { beams: 4 } },
  });
  deepEqual(
    warnings.map((warning) => warning.type === "unsupported" && warning.feature).sort(),
    ["headers.x-own", "includeRawChunks", "providerOptions.remora.beams", "reasoning", "tool other.search"],
  );
  await rejects(
    generateText({ model: remora(model), prompt, presencePenalty: 3, maxRetries: 0 }),
    /presencePenalty/,
  );
  await rejects(
    generateText({
      model: remora(model),
      prompt,
      maxRetries: 0,
      providerOptions: { remora: { regex: "(?=x)" } },
    }),
    /expression/,
  );
});

Deno.test("thinking and results of tools reach the template, thinking comes as a part of its own", () => {
  const { request } = requestOf({
    prompt: [{ role: "system", content: "Be brief." }, {
      role: "assistant",
      content: [{ type: "reasoning", text: "Hm." }, { type: "text", text: "Let me look." }, {
        type: "tool-call",
        toolCallId: "1",
        toolName: "look",
        input: { at: "star" },
      }],
    }, {
      role: "tool",
      content: [{
        type: "tool-result",
        toolCallId: "1",
        toolName: "look",
        output: { type: "json", value: [1] },
      }],
    }],
    reasoning: "none",
  });
  deepEqual(request.messages, [{ role: "system", content: "Be brief." }, {
    role: "assistant",
    content: "Let me look.",
    reasoning: "Hm.",
    reasoning_content: "Hm.",
    tool_calls: [{ id: "1", type: "function", function: { name: "look", arguments: { at: "star" } } }],
  }, { role: "tool", content: "[1]", tool_call_id: "1", name: "look" }]);
  deepEqual(request.variables, { enable_thinking: false });
});

Deno.test("models and kinds that are not there are refused with the SDK's own error", async () => {
  const provider = createRemora({});
  for (
    const make of [
      () => provider("other"),
      () => provider.embeddingModel("x"),
      () => provider.imageModel("x"),
    ]
  ) {
    throws(make, (error) => NoSuchModelError.isInstance(error));
  }
  await rejects(
    async () => await embed({ model: provider.embeddingModel("x"), value: "a" }),
    (error) => NoSuchModelError.isInstance(error),
  );
});
