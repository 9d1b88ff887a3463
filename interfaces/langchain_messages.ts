/**
 * LangChain's messages and choices of tools, in the library's words.
 *
 * @module
 */
import { fromBase64 } from "../src/core/bytes_as_text.ts";
import {
  AIMessage,
  type BaseMessage,
  ChatMessage,
  type ContentBlock,
  ToolMessage,
} from "npm:@langchain/core@1.4.0/messages";
import type { ToolChoice } from "../src/dialects/answer_grammar.ts";
import type { ContentPart, Message } from "../src/text/messages.ts";

const ROLES: Readonly<Record<string, string>> = {
  human: "user",
  system: "system",
  developer: "system",
  ai: "assistant",
};

/** @throws {Error} For kinds of messages and parts that a model cannot be told. */
export function messageOf(message: BaseMessage): Message {
  if (ToolMessage.isInstance(message)) {
    return { role: "tool", content: message.text, tool_call_id: message.tool_call_id, ...named(message) };
  }
  if (AIMessage.isInstance(message)) {
    const calls = message.tool_calls ?? [];
    const reasoning = message.additional_kwargs.reasoning_content;
    return {
      role: "assistant",
      content: message.text,
      ...(typeof reasoning === "string" && { reasoning, reasoning_content: reasoning }),
      ...(calls.length > 0 && {
        tool_calls: calls.map(({ id, name, args }) => ({
          id,
          type: "function",
          function: { name, arguments: args },
        })),
      }),
      ...named(message),
    };
  }
  const role = ChatMessage.isInstance(message) ? message.role : ROLES[message.type];
  if (role === undefined) throw new Error(`Cannot use a message of type ${message.type}`);
  const { content } = message;
  return { role, content: typeof content === "string" ? content : content.map(partOf), ...named(message) };
}

function named({ name }: BaseMessage): { name?: string } {
  return name === undefined ? {} : { name };
}

/** Text, and pictures in each of the forms that LangChain has had for them. */
function partOf(part: ContentBlock): ContentPart {
  const { type } = part;
  if (type === "text") return { type, text: String(part.text) };
  if (type === "image_url") return part as ContentPart;
  const { data, url, mimeType = part.mime_type } = part as {
    data?: unknown;
    url?: unknown;
    mimeType?: unknown;
    mime_type?: unknown;
  };
  const isImage = type === "image" || (type === "file" && String(mimeType).startsWith("image/"));
  if (isImage && data instanceof Uint8Array) return { type: "image", image: data };
  if (isImage && typeof data === "string") return { type: "image", image: fromBase64(data) };
  if (isImage && typeof url === "string") return { type: "image_url", image_url: url };
  throw new Error(`Cannot use a content part of type ${type}: expected text or a picture with its data`);
}

/** LangChain says "any" for what OpenAI calls "required", and names a tool by its name alone. */
export function chosenTool(choice: unknown): ToolChoice {
  if (choice === undefined || choice === "auto") return "auto";
  if (choice === "none" || choice === "required") return choice;
  if (choice === "any") return "required";
  if (typeof choice === "string") return { name: choice };
  const name = (choice as { function?: { name?: unknown } } | null)?.function?.name;
  if (typeof name === "string") return { name };
  throw new Error(`Cannot use tool_choice: expected auto, none, any, required or the name of a tool`);
}
