/**
 * Vercel's AI SDK against a server here.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { createOpenAICompatible } from "npm:@ai-sdk/openai-compatible@3.0.92";
import { embed, generateText, jsonSchema, Output, streamText, tool } from "npm:ai@7.0.173";
import { NAME, PICTURE, type Serving, serving } from "./serving.ts";

const provider = ({ url }: Serving) =>
  createOpenAICompatible({ name: "remora", baseURL: `${url}/v1`, supportsStructuredOutputs: true });

const SCENE = jsonSchema<{ colour: string; count: number }>({
  type: "object",
  properties: {
    colour: { type: "string", enum: ["red", "green"] },
    count: { type: "integer", minimum: 0, maximum: 9 },
  },
  required: ["colour", "count"],
  additionalProperties: false,
});

Deno.test("ai: text, whole and as a stream, with a picture", async () => {
  await using server = await serving();
  const model = provider(server)(NAME);
  const prompt = "Is there a star?";
  const expected = await server.model.complete({
    messages: [{ role: "user", content: prompt }],
    maxTokens: 8,
    temperature: 0,
  });
  const { text, usage } = await generateText({
    model,
    prompt,
    maxOutputTokens: 8,
    temperature: 0,
    maxRetries: 0,
  });
  equal(text, expected.text);
  equal(usage.outputTokens, expected.usage.completionTokens);
  let streamed = "";
  for await (const piece of streamText({ model, prompt, maxOutputTokens: 8, temperature: 0 }).textStream) {
    streamed += piece;
  }
  equal(streamed, expected.text);
  const seen = await generateText({
    model,
    maxOutputTokens: 40,
    messages: [{
      role: "user",
      content: [{ type: "text", text: "Describe the picture." }, {
        type: "file",
        data: Deno.readFileSync(PICTURE),
        mediaType: "image/png",
      }],
    }],
  });
  ok(seen.text.includes("triangle"));
});

Deno.test("ai: an object by its schema, a tool, and an embedding", async () => {
  await using server = await serving();
  const model = provider(server)(NAME);
  const { output } = await generateText({
    model,
    prompt: "What is there?",
    output: Output.object({ schema: SCENE }),
  });
  ok(["red", "green"].includes(output.colour) && Number.isInteger(output.count));
  const { toolCalls } = await generateText({
    model,
    prompt: "What is there?",
    tools: { describe: tool({ inputSchema: SCENE }) },
    toolChoice: { type: "tool", toolName: "describe" },
    providerOptions: { remora: { parallel_tool_calls: false } },
  });
  deepEqual(toolCalls.map(({ toolName }) => toolName), ["describe"]);
  ok(["red", "green"].includes((toolCalls[0].input as { colour: string }).colour));
  const { embedding } = await embed({ model: provider(server).embeddingModel(NAME), value: "a star" });
  equal(embedding.length, server.model.info.hiddenSize);
});
