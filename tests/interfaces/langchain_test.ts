/**
 * The chat model through LangChain.js itself: what it gives is what the library gives.
 */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import {
  AIMessage,
  AIMessageChunk,
  ChatMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
} from "npm:@langchain/core@1.4.0/messages";
import { StringOutputParser } from "npm:@langchain/core@1.4.0/output_parsers";
import { ChatPromptTemplate } from "npm:@langchain/core@1.4.0/prompts";
import { tool } from "npm:@langchain/core@1.4.0/tools";
import { ChatRemora } from "../../interfaces/langchain.ts";
import { messageOf } from "../../interfaces/langchain_messages.ts";
import { loadModel } from "../../mod.ts";
import { PICTURE, SCENES } from "../server/serving.ts";

const SCENE = {
  title: "scene",
  type: "object",
  properties: { colour: { enum: ["red", "green"] }, count: { type: "integer", minimum: 0, maximum: 9 } },
  required: ["colour", "count"],
  additionalProperties: false,
};
const question = "Describe a picture with a red star above a circle.";
const messages = [{ role: "user", content: question }];
const drawn = { temperature: 1.2, seed: 17 };
/** The model's own answer is two tokens long. */
const long = { ignoreEnd: true, maxTokens: 12 };

function isScene(value: unknown): void {
  const { colour, count } = value as { colour: string; count: number };
  ok(["red", "green"].includes(colour) && Number.isInteger(count));
}

Deno.test("invoke, stream and batch give the library's text, with usage", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const chat = new ChatRemora({ model: Promise.resolve(model), ...drawn, ...long });
  const expected = await model.complete({ messages, ...drawn, ...long });
  const answer = await chat.invoke(question);
  equal(answer.text, expected.text);
  equal(answer.usage_metadata!.input_tokens, expected.usage.promptTokens);
  equal(answer.usage_metadata!.output_tokens, 12);
  equal(answer.response_metadata.finish_reason, "length");
  const chunks = await Array.fromAsync(await chat.stream(question));
  ok(chunks.length > 5);
  equal(chunks.map(({ text }) => text).join(""), expected.text);
  equal(chunks.reduce((whole, chunk) => whole.concat(chunk)).usage_metadata!.output_tokens, 12);
  const both = await chat.batch([question, [new SystemMessage("Be brief."), new HumanMessage(question)]]);
  equal(both[0].text, expected.text);
  const chain = ChatPromptTemplate.fromMessages([["human", "{question}"]]).pipe(chat).pipe(
    new StringOutputParser(),
  );
  equal(await chain.invoke({ question }), expected.text);
});

Deno.test("settings of a call come before those of the model; stop texts end an answer", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const chat = new ChatRemora({ model, ...drawn, ...long });
  const { text } = await model.complete({ messages, ...drawn, ...long, seed: 5 });
  equal((await chat.invoke(question, { seed: 5 })).text, text);
  equal((await chat.withConfig({ seed: 5 }).invoke(question)).text, text);
  const middle = text.slice(8, 12);
  equal((await chat.invoke(question, { seed: 5, stop: [middle] })).text, text.slice(0, text.indexOf(middle)));
  const { logprobs } = await model.complete({ messages, logprobs: 2, maxTokens: 3, temperature: 0 });
  const answer = await new ChatRemora({ model, logprobs: 2, maxTokens: 3, temperature: 0 }).invoke(question);
  deepEqual(answer.response_metadata.logprobs, logprobs);
  await rejects(chat.invoke(question, { topP: 2 }), /topP/);
});

Deno.test("pictures, in each form that LangChain has had for them", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const image = Deno.readFileSync(PICTURE);
  const data = image.toBase64();
  const text = { type: "text" as const, text: "Describe the picture." };
  const { text: expected } = await model.complete({
    messages: [{ role: "user", content: [{ type: "image", image }, text] }],
    maxTokens: 40,
  });
  ok(expected.includes("triangle"));
  const chat = new ChatRemora({ model, maxTokens: 40 });
  const forms = [
    { type: "image", mimeType: "image/png", data },
    { type: "image", mimeType: "image/png", data: image },
    { type: "image", source_type: "base64", mime_type: "image/png", data },
    { type: "image_url", image_url: { url: `data:image/png;base64,${data}` } },
    { type: "image", url: `data:image/png;base64,${data}` },
  ];
  for (const form of forms) {
    equal((await chat.invoke([new HumanMessage({ content: [form, text] })])).text, expected);
  }
  await rejects(chat.invoke([new HumanMessage({ content: [{ type: "audio", data }] })]), /type audio/);
  await rejects(
    chat.invoke([new HumanMessage({ content: [{ type: "image", url: "https://x/y.png" }, text] })]),
    /data: URL/,
  );
});

Deno.test("tools are called, whole and as a stream, and their results go back", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const describe = tool((input) => JSON.stringify(input), {
    name: "describe",
    description: "A scene",
    schema: SCENE,
  });
  const chat = new ChatRemora({ model, ...drawn, parallelToolCalls: false }).bindTools([describe], {
    tool_choice: "describe",
  });
  const answer = await chat.invoke(question);
  deepEqual(answer.tool_calls!.map(({ name }) => name), ["describe"]);
  isScene(answer.tool_calls![0].args);
  equal(answer.response_metadata.finish_reason, "tool_calls");
  const chunks = await Array.fromAsync(await chat.stream(question));
  deepEqual(
    chunks.reduce((whole, chunk) => whole.concat(chunk)).tool_calls![0].args,
    answer.tool_calls![0].args,
  );
  const result = await describe.invoke(answer.tool_calls![0]);
  ok(ToolMessage.isInstance(result));
  const after = await new ChatRemora({ model, maxTokens: 5 }).invoke([
    new HumanMessage(question),
    answer,
    result,
  ]);
  ok(AIMessageChunk.isInstance(after));
});

Deno.test("structured output by a schema and by a call", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const chat = new ChatRemora({ model, ...drawn });
  for (const method of ["jsonSchema", "functionCalling"] as const) {
    isScene(await chat.withStructuredOutput(SCENE, { method }).invoke(question));
    const { raw, parsed } = await chat.withStructuredOutput(SCENE, { method, includeRaw: true }).invoke(
      question,
    );
    ok(AIMessage.isInstance(raw));
    isScene(parsed);
  }
  await rejects(
    async () => await chat.withStructuredOutput(SCENE, { method: "jsonMode" }).invoke(question),
    /jsonMode/,
  );
});

Deno.test("callbacks are told of every token and of the end; a signal ends the answer", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const told = { start: 0, tokens: "", tokenUsage: undefined as unknown };
  const callbacks = [{
    handleChatModelStart: () => void told.start++,
    handleLLMNewToken: (token: string) => void (told.tokens += token),
    // deno-lint-ignore no-explicit-any -- LLMResult of the library
    handleLLMEnd: (result: any) => void (told.tokenUsage = result.llmOutput.tokenUsage.completionTokens),
  }];
  const chat = new ChatRemora({ model, ...drawn, ...long });
  const text = (await Array.fromAsync(await chat.stream(question, { callbacks }))).map((chunk) => chunk.text)
    .join("");
  deepEqual(told, { start: 1, tokens: text, tokenUsage: 12 });
  const controller = new AbortController();
  let pieces = 0;
  await rejects(async () => {
    for await (const _ of await chat.stream(question, { signal: controller.signal, maxTokens: 2000 })) {
      if (++pieces === 3) controller.abort();
    }
  });
  ok(pieces < 20);
  await rejects(chat.invoke(question, { signal: AbortSignal.abort() }));
});

Deno.test("messages of every kind become those of the template", () => {
  deepEqual(messageOf(new ChatMessage("x", "critic")), { role: "critic", content: "x" });
  deepEqual(
    messageOf(
      new AIMessage({
        content: "Let me look.",
        additional_kwargs: { reasoning_content: "Hm." },
        tool_calls: [{ id: "1", name: "look", args: { at: 1 } }],
      }),
    ),
    {
      role: "assistant",
      content: "Let me look.",
      reasoning: "Hm.",
      reasoning_content: "Hm.",
      tool_calls: [{ id: "1", type: "function", function: { name: "look", arguments: { at: 1 } } }],
    },
  );
  deepEqual(messageOf(new ToolMessage({ content: "[1]", tool_call_id: "1" })), {
    role: "tool",
    content: "[1]",
    tool_call_id: "1",
  });
});
