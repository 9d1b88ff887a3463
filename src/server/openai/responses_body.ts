/**
 * The body of `/v1/responses`.
 *
 * @module
 */
import * as v from "npm:valibot@1.5.0";
import type { GenerateRequest } from "../../generation/requests.ts";
import type { ContentPart, Message } from "../../text/messages.ts";
import { badRequest } from "../api_error.ts";
import { closedObject } from "../http/closed_object.ts";
import { ignoredFields, maybe } from "./fields.ts";
import { parsedArguments } from "./messages.ts";
import { toolRequest } from "./tools.ts";

const textPart = closedObject({
  type: v.picklist(["input_text", "output_text"]),
  text: v.string(),
  annotations: maybe(v.unknown()),
  logprobs: maybe(v.unknown()),
});
const imagePart = closedObject({
  type: v.literal("input_image"),
  image_url: v.string(),
  detail: maybe(v.string()),
});
const refusalPart = closedObject({ type: v.literal("refusal"), refusal: v.string() });

const itemFields = { id: maybe(v.string()), status: maybe(v.string()) };
const messageItem = closedObject({
  type: v.optional(v.literal("message")),
  role: v.picklist(["user", "assistant", "system", "developer"]),
  content: v.union([v.string(), v.array(v.variant("type", [textPart, imagePart, refusalPart]))]),
  phase: maybe(v.string()),
  ...itemFields,
});
const callItem = closedObject({
  type: v.literal("function_call"),
  call_id: v.string(),
  name: v.string(),
  arguments: v.string(),
  ...itemFields,
  parsed_arguments: maybe(v.unknown()),
});
const outputItem = closedObject({
  type: v.literal("function_call_output"),
  call_id: v.string(),
  output: v.union([v.string(), v.array(v.variant("type", [textPart, imagePart]))]),
  ...itemFields,
});
const reasoningItem = closedObject({
  type: v.literal("reasoning"),
  summary: maybe(v.unknown()),
  content: maybe(v.array(closedObject({ type: v.literal("reasoning_text"), text: v.string() }))),
  encrypted_content: maybe(v.string()),
  ...itemFields,
});

/** Its body. Nothing is stored, so what refers to something stored is refused. */
export const responsesBody = closedObject({
  model: v.string(),
  input: v.union([
    v.string(),
    v.pipe(v.array(v.union([messageItem, callItem, outputItem, reasoningItem])), v.minLength(1)),
  ]),
  instructions: maybe(v.string()),
  max_output_tokens: maybe(v.pipe(v.number(), v.integer(), v.minValue(1))),
  temperature: maybe(v.pipe(v.number(), v.minValue(0), v.maxValue(2))),
  top_p: maybe(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  stream: maybe(v.boolean()),
  stream_options: maybe(closedObject({ include_obfuscation: maybe(v.boolean()) })),
  text: maybe(closedObject({
    format: maybe(v.variant("type", [
      closedObject({ type: v.literal("text") }),
      closedObject({ type: v.literal("json_object") }),
      closedObject({
        type: v.literal("json_schema"),
        name: v.pipe(v.string(), v.regex(/^[\w-]{1,64}$/)),
        description: maybe(v.string()),
        schema: v.record(v.string(), v.unknown()),
        strict: maybe(v.boolean()),
      }),
    ])),
    verbosity: maybe(v.string()),
  })),
  tools: maybe(v.array(closedObject({
    type: v.literal("function"),
    name: v.pipe(v.string(), v.regex(/^[\w.-]{1,128}$/)),
    description: maybe(v.string()),
    parameters: maybe(v.record(v.string(), v.unknown())),
    strict: maybe(v.boolean()),
  }))),
  tool_choice: maybe(v.union([
    v.picklist(["auto", "none", "required"]),
    closedObject({ type: v.literal("function"), name: v.string() }),
  ])),
  parallel_tool_calls: maybe(v.boolean()),
  reasoning: maybe(
    closedObject({
      effort: maybe(v.string()),
      summary: maybe(v.string()),
      generate_summary: maybe(v.string()),
    }),
  ),
  include: maybe(v.array(v.string())),
  truncation: maybe(v.picklist(["disabled"])),
  background: maybe(v.literal(false)),
  previous_response_id: maybe(v.string()),
  conversation: maybe(v.unknown()),
  ...ignoredFields,
});

/** A body that was checked. */
export type ResponsesBody = v.InferOutput<typeof responsesBody>;

/** What the library is asked for. */
export function responsesRequest(body: ResponsesBody, toolCallParser: string | undefined): GenerateRequest {
  for (const name of ["previous_response_id", "conversation"] as const) {
    if (body[name] != null) {
      throw badRequest(`'${name}' is not supported: this server stores no responses.`, name);
    }
  }
  const { input, instructions, text, reasoning } = body;
  const items = typeof input === "string" ? [{ role: "user" as const, content: input }] : input;
  const format = text?.format;
  const choice = body.tool_choice;
  return {
    messages: [
      ...(instructions ? [{ role: "system", content: instructions }] : []),
      ...joinCalls(items.flatMap(templateMessage)),
    ],
    maxTokens: body.max_output_tokens ?? undefined,
    temperature: body.temperature ?? undefined,
    topP: body.top_p ?? undefined,
    variables: reasoning?.effort === "none" ? { enable_thinking: false } : undefined,
    toolCallFormat: toolCallParser,
    jsonSchema: format?.type === "json_schema"
      ? format.schema
      : format?.type === "json_object"
      ? { type: "object" }
      : undefined,
    ...toolRequest(
      body.tools?.map(({ name, description, parameters, strict }) => ({
        type: "function",
        function: { name, description, parameters, strict },
      })),
      choice != null && typeof choice === "object"
        ? { type: "function", function: { name: choice.name } }
        : choice,
      body.parallel_tool_calls,
    ),
  };
}

type Item = Exclude<ResponsesBody["input"], string>[number];

function templateMessage(item: Item): Message[] {
  if (!("role" in item)) {
    if (item.type === "function_call_output") {
      const { output } = item;
      const content = typeof output === "string" ? output : output.map(part);
      return [{ role: "tool", tool_call_id: item.call_id, content }];
    }
    if (item.type === "reasoning") {
      const thought = item.content?.map(({ text }) => text).join("") ?? "";
      return thought === ""
        ? []
        : [{ role: "assistant", content: "", reasoning: thought, reasoning_content: thought }];
    }
    const { call_id, name, arguments: text } = item;
    return [{
      role: "assistant",
      content: "",
      tool_calls: [{ id: call_id, type: "function", function: { name, arguments: parsedArguments(text) } }],
    }];
  }
  const role = item.role === "developer" ? "system" : item.role;
  const { content } = item;
  if (typeof content === "string") return [{ role, content }];
  const parts = content.map(part);
  // An assistant's parts are the pieces of one text.
  if (role === "assistant") {
    return [{
      role,
      content: parts.map((one) => one.type === "text" ? one.text : "").join(""),
    }];
  }
  return [{ role, content: parts }];
}

/** Thinking, text and calls of one turn are items of their own here, and one message to a template. */
function joinCalls(messages: readonly Message[]): Message[] {
  const joined: Message[] = [];
  for (const message of messages) {
    const before = joined.at(-1);
    if (message.role !== "assistant" || before?.role !== "assistant") joined.push({ ...message });
    else {
      const calls = [...(before.tool_calls as unknown[] ?? []), ...(message.tool_calls as unknown[] ?? [])];
      Object.assign(before, message, {
        content: `${before.content}${message.content}`,
        ...(calls.length > 0 && { tool_calls: calls }),
      });
    }
  }
  return joined;
}

function part(given: { type: string; text?: string; image_url?: string; refusal?: string }): ContentPart {
  if (given.type === "input_image") return { type: "image_url", image_url: { url: given.image_url! } };
  return { type: "text", text: given.text ?? given.refusal ?? "" };
}
