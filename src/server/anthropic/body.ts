/**
 * Bodies of Anthropic's `/v1/messages` and `/v1/messages/count_tokens`.
 *
 * @module
 */
import * as v from "npm:valibot@1.5.0";
import type { ToolChoice } from "../../dialects/answer_grammar.ts";
import type { GenerateRequest } from "../../generation/requests.ts";
import type { ContentPart, Message } from "../../text/messages.ts";
import { badRequest } from "../api_error.ts";
import { closedObject } from "../http/closed_object.ts";
import { maybe } from "../openai/fields.ts";

const cached = { cache_control: maybe(v.unknown()) };
const textBlock = closedObject({
  type: v.literal("text"),
  text: v.string(),
  citations: maybe(v.unknown()),
  ...cached,
});
const imageBlock = closedObject({
  type: v.literal("image"),
  source: v.variant("type", [
    closedObject({ type: v.literal("base64"), media_type: v.string(), data: v.string() }),
    closedObject({ type: v.literal("url"), url: v.string() }),
  ]),
  ...cached,
});
const resultBlock = closedObject({
  type: v.literal("tool_result"),
  tool_use_id: v.string(),
  content: maybe(v.union([v.string(), v.array(v.variant("type", [textBlock, imageBlock]))])),
  is_error: maybe(v.boolean()),
  ...cached,
});
const callBlock = closedObject({
  type: v.literal("tool_use"),
  id: v.string(),
  name: v.string(),
  input: v.record(v.string(), v.unknown()),
  caller: maybe(v.unknown()),
  ...cached,
});
const thinkingBlock = closedObject({
  type: v.literal("thinking"),
  thinking: v.string(),
  signature: maybe(v.string()),
});
const redactedBlock = closedObject({ type: v.literal("redacted_thinking"), data: v.string() });

const userMessage = closedObject({
  role: v.literal("user"),
  content: v.union([v.string(), v.array(v.variant("type", [textBlock, imageBlock, resultBlock]))]),
});
const assistantMessage = closedObject({
  role: v.literal("assistant"),
  content: v.union([
    v.string(),
    v.array(v.variant("type", [textBlock, callBlock, thinkingBlock, redactedBlock])),
  ]),
});

const promptFields = {
  model: v.string(),
  messages: v.pipe(v.array(v.variant("role", [userMessage, assistantMessage])), v.minLength(1)),
  system: maybe(v.union([v.string(), v.array(textBlock)])),
  tools: maybe(v.array(closedObject({
    type: maybe(v.literal("custom")),
    name: v.pipe(v.string(), v.regex(/^[\w.-]{1,128}$/)),
    description: maybe(v.string()),
    input_schema: v.record(v.string(), v.unknown()),
    strict: maybe(v.boolean()),
    ...cached,
  }))),
  tool_choice: maybe(v.variant("type", [
    closedObject({ type: v.picklist(["auto", "any"]), disable_parallel_tool_use: maybe(v.boolean()) }),
    closedObject({ type: v.literal("none") }),
    closedObject({
      type: v.literal("tool"),
      name: v.string(),
      disable_parallel_tool_use: maybe(v.boolean()),
    }),
  ])),
  thinking: maybe(v.variant("type", [
    closedObject({
      type: v.literal("enabled"),
      budget_tokens: v.pipe(v.number(), v.integer(), v.minValue(1)),
      display: maybe(v.string()),
    }),
    closedObject({ type: v.picklist(["disabled", "adaptive"]), display: maybe(v.string()) }),
  ])),
  output_config: maybe(closedObject({
    effort: maybe(v.string()),
    format: maybe(
      closedObject({ type: v.literal("json_schema"), schema: v.record(v.string(), v.unknown()) }),
    ),
  })),
};

/** Of `/v1/messages/count_tokens`. */
export const countBody = closedObject(promptFields);

/** Of `/v1/messages`. */
export const messagesBody = closedObject({
  ...promptFields,
  max_tokens: v.pipe(v.number(), v.integer(), v.minValue(1)),
  temperature: maybe(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  top_p: maybe(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  top_k: maybe(v.pipe(v.number(), v.integer(), v.minValue(0))),
  stop_sequences: maybe(v.array(v.pipe(v.string(), v.minLength(1)))),
  stream: maybe(v.boolean()),
  metadata: maybe(closedObject({ user_id: maybe(v.string()) })),
  service_tier: maybe(v.string()),
});

/** A body that was checked. */
export type CountBody = v.InferOutput<typeof countBody>;
/** A body that was checked. */
export type MessagesBody = v.InferOutput<typeof messagesBody>;

/** What the prompt is made of. */
export function promptRequest(body: CountBody, toolCallParser: string | undefined): GenerateRequest {
  const { system, tools, thinking, output_config: output } = body;
  const instructions = typeof system === "string" ? system : system?.map(({ text }) => text).join("\n\n");
  const choice = choiceOf(body.tool_choice);
  return {
    messages: [
      ...(instructions ? [{ role: "system", content: instructions }] : []),
      ...body.messages.flatMap(templateMessages),
    ],
    variables: thinking ? { enable_thinking: thinking.type !== "disabled" } : undefined,
    toolCallFormat: toolCallParser,
    jsonSchema: output?.format?.schema,
    ...(tools && tools.length > 0
      ? {
        tools: tools.map(({ name, description, input_schema, strict }) => ({
          type: "function",
          function: {
            name,
            ...(description != null && { description }),
            parameters: input_schema,
            ...(strict != null && { strict }),
          },
        })),
        toolChoice: choice.toolChoice,
        parallelToolCalls: choice.isParallel,
      }
      : refuseChoice(choice.toolChoice)),
  };
}

/**
 * What the library is asked for.
 *
 * @throws {ApiError} 400 for an answer that is begun.
 */
export function messagesRequest(body: MessagesBody, toolCallParser: string | undefined): GenerateRequest {
  // Anthropic's models went on with such a message; a template would close it and begin another.
  if (body.messages.at(-1)?.role === "assistant") {
    throw badRequest(
      "messages: the last one must be the user's; going on with an answer is not supported.",
      "messages",
    );
  }
  return {
    ...promptRequest(body, toolCallParser),
    maxTokens: body.max_tokens,
    temperature: body.temperature ?? undefined,
    topP: body.top_p ?? undefined,
    topK: body.top_k ?? undefined,
    stop: body.stop_sequences ?? undefined,
  };
}

function choiceOf(choice: CountBody["tool_choice"]): { toolChoice: ToolChoice; isParallel: boolean } {
  if (!choice) return { toolChoice: "auto", isParallel: true };
  if (choice.type === "none") return { toolChoice: "none", isParallel: true };
  const isParallel = !choice.disable_parallel_tool_use;
  if (choice.type === "tool") return { toolChoice: { name: choice.name }, isParallel };
  return { toolChoice: choice.type === "any" ? "required" : "auto", isParallel };
}

function refuseChoice(choice: ToolChoice): Partial<GenerateRequest> {
  if (choice === "auto" || choice === "none") return {};
  throw badRequest("tool_choice: needs tools.", "tool_choice");
}

type Body = CountBody["messages"][number];

/** Results of tools are messages of their own. */
function templateMessages(message: Body): Message[] {
  const { role, content } = message;
  if (typeof content === "string") return [{ role, content }];
  if (message.role === "assistant") return [assistantTurn(message)];
  const results: Message[] = [];
  const parts: ContentPart[] = [];
  for (const block of message.content as Exclude<Extract<Body, { role: "user" }>["content"], string>) {
    if (block.type === "tool_result") {
      const inside = typeof block.content === "string" ? block.content : (block.content ?? []).map(part);
      results.push({ role: "tool", tool_call_id: block.tool_use_id, content: inside });
    } else parts.push(part(block));
  }
  return [...results, ...(parts.length > 0 ? [{ role, content: parts }] : [])];
}

function assistantTurn({ content }: Extract<Body, { role: "assistant" }>): Message {
  const blocks = content as Exclude<typeof content, string>;
  const text = blocks.flatMap((block) => block.type === "text" ? [block.text] : []).join("");
  const thought = blocks.flatMap((block) => block.type === "thinking" ? [block.thinking] : []).join("");
  const calls = blocks.flatMap((block) =>
    block.type === "tool_use"
      ? [{ id: block.id, type: "function", function: { name: block.name, arguments: block.input } }]
      : []
  );
  return {
    role: "assistant",
    content: text,
    ...(thought !== "" && { reasoning: thought, reasoning_content: thought }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function part(block: v.InferOutput<typeof textBlock> | v.InferOutput<typeof imageBlock>): ContentPart {
  if (block.type === "text") return { type: "text", text: block.text };
  const { source } = block;
  const url = source.type === "url" ? source.url : `data:${source.media_type};base64,${source.data}`;
  return { type: "image_url", image_url: { url } };
}
