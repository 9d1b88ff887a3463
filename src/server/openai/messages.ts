/**
 * Messages of a conversation, as OpenAI's clients send them.
 *
 * @module
 */
import * as v from "npm:valibot@1.5.0";
import type { ContentPart, Message } from "../../text/messages.ts";
import { closedObject } from "../http/closed_object.ts";
import { maybe } from "./fields.ts";

const textPart = closedObject({
  type: v.literal("text"),
  text: v.string(),
  cache_control: maybe(v.unknown()),
});
const imagePart = closedObject({
  type: v.literal("image_url"),
  image_url: v.union([
    v.string(),
    closedObject({ url: v.string(), detail: maybe(v.picklist(["auto", "low", "high", "original"])) }),
  ]),
});
const refusalPart = closedObject({ type: v.literal("refusal"), refusal: v.string() });
const text = v.union([v.string(), v.pipe(v.array(textPart), v.minLength(1))]);

/** A call as an assistant's message has it. */
const toolCall = closedObject({
  id: v.string(),
  type: v.optional(v.literal("function")),
  index: maybe(v.number()),
  function: closedObject({ name: v.string(), arguments: v.string() }),
});

/** One message. Fields of answers that clients send back are taken and not looked at. */
export const message = v.variant("role", [
  closedObject({ role: v.picklist(["system", "developer"]), content: text, name: maybe(v.string()) }),
  closedObject({
    role: v.literal("user"),
    content: v.union([v.string(), v.pipe(v.array(v.variant("type", [textPart, imagePart])), v.minLength(1))]),
    name: maybe(v.string()),
  }),
  closedObject({
    role: v.literal("assistant"),
    content: maybe(v.union([v.string(), v.array(v.variant("type", [textPart, refusalPart]))])),
    name: maybe(v.string()),
    tool_calls: maybe(v.array(toolCall)),
    reasoning: maybe(v.string()),
    reasoning_content: maybe(v.string()),
    refusal: maybe(v.string()),
    annotations: maybe(v.unknown()),
    audio: maybe(v.null()),
    function_call: maybe(v.null()),
    parsed: maybe(v.unknown()),
  }),
  closedObject({
    role: v.literal("tool"),
    content: text,
    tool_call_id: v.string(),
    name: maybe(v.string()),
  }),
]);

/** A message that was checked. */
export type ChatMessage = v.InferOutput<typeof message>;

/** As chat templates know them: thinking under both names, arguments of calls as objects. */
export function templateMessage(given: ChatMessage): Message {
  if (given.role === "assistant") {
    const { content, tool_calls: calls, reasoning, reasoning_content, name } = given;
    const thought = reasoning ?? reasoning_content ?? undefined;
    const parts = Array.isArray(content)
      ? content.map((part) => part.type === "text" ? part.text : part.refusal).join("")
      : content;
    return {
      role: "assistant",
      content: (parts ?? (calls ? "" : given.refusal ?? "")) as string,
      ...(name != null && { name }),
      ...(thought !== undefined && { reasoning: thought, reasoning_content: thought }),
      ...(calls && calls.length > 0 && {
        tool_calls: calls.map(({ id, function: { name, arguments: text } }) => ({
          id,
          type: "function",
          function: { name, arguments: parsedArguments(text) },
        })),
      }),
    };
  }
  const { role, content, name } = given;
  return {
    role: role === "developer" ? "system" : role,
    content: typeof content === "string" ? content : content.map(contentPart),
    ...(name != null && { name }),
    ...(given.role === "tool" && { tool_call_id: given.tool_call_id }),
  };
}

function contentPart(part: v.InferOutput<typeof textPart> | v.InferOutput<typeof imagePart>): ContentPart {
  return part.type === "text" ? { type: "text", text: part.text } : part as ContentPart;
}

/** A call's arguments: templates write them as JSON themselves; what is none stays text. */
export function parsedArguments(text: string): unknown {
  try {
    return JSON.parse(text || "{}");
  } catch {
    return text;
  }
}
