/**
 * What the Prompt API takes: messages, pictures, constraints and ways to choose tokens, in the library's words.
 *
 * @module
 */
import type { GenerateRequest } from "../src/generation/requests.ts";
import type { SamplingOptions } from "../src/sampling/sampler.ts";
import type { ContentPart, Message } from "../src/text/messages.ts";
import { domError } from "./prompt_api_errors.ts";
import { pictureOf } from "./prompt_api_pictures.ts";

/** A part of a message; `value` is a text, or a picture in any form that the browser can draw, or the bytes of its file. */
export interface PromptContent {
  /** What the value is. */
  type: "text" | "image" | "audio";
  /** The text or picture. */
  value: unknown;
}

/** One message. */
export interface PromptMessage {
  /** `system` in initial prompts alone, and first. */
  role: "system" | "user" | "assistant";
  /** A text, or parts. */
  content: string | PromptContent[];
  /** Of a last message of the assistant: the answer begins with it. */
  prefix?: boolean;
}

/** A text is a message of the user. */
export type PromptInput = string | PromptMessage[];

/** What a session is expected to do, and how it chooses tokens. */
export interface CreateCoreOptions {
  /** Kinds of inputs besides text; languages are not looked at. */
  expectedInputs?: { type: string; languages?: string[] }[];
  /** Only texts are given. */
  expectedOutputs?: { type: string; languages?: string[] }[];
  /** Not supported. */
  tools?: unknown[];
  /** From greedy to inventive; not together with the two below. */
  samplingMode?: string;
  /** Choose among so many of the likeliest tokens. */
  topK?: number;
  /** From 0 to 2. */
  temperature?: number;
}

/** How one prompt is answered. */
export interface PromptOptions {
  /** A JSON schema or a regular expression that the answer keeps to. */
  responseConstraint?: object;
  /** The model is never told of a constraint, so this changes nothing; refused without one. */
  omitResponseConstraintInput?: boolean;
  /** Ends the answer. */
  signal?: AbortSignal;
}

/** Of `params()`, as Chrome has it. */
export const TEMPERATURE_MAX = 2;
/** By how much a mode multiplies the model's own temperature. */
const MODES: Readonly<Record<string, number>> = {
  "most-predictable": 0,
  predictable: 0.5,
  balanced: 1,
  creative: 1.25,
  "most-creative": 1.5,
};

/**
 * The messages of an input, and how the answer begins.
 *
 * @throws What browsers throw: SyntaxError, NotSupportedError, TypeError.
 */
export async function messagesOf(
  input: PromptInput,
  types: ReadonlySet<string>,
  isInitial = false,
): Promise<{ messages: Message[]; prefix?: string }> {
  const given: PromptMessage[] = typeof input === "string" ? [{ role: "user", content: input }] : [...input];
  if (given.length === 0 && !isInitial) throw domError("SyntaxError", "Expected one message at least.");
  const messages: Message[] = [];
  for (const [i, { role, content, prefix }] of given.entries()) {
    if (role === "system" && !isInitial) {
      throw domError("NotSupportedError", "System messages belong to the initial prompts.");
    }
    if (role === "system" && i > 0) throw new TypeError("The system message must be the first one.");
    if (!["system", "user", "assistant"].includes(role)) throw new TypeError(`Unknown role ${role}.`);
    if (prefix && (role !== "assistant" || i < given.length - 1 || isInitial)) {
      throw domError("SyntaxError", "Only a last message of the assistant may be a prefix.");
    }
    messages.push({ role, content: await contentOf(role, content, types) });
  }
  if (!given.at(-1)?.prefix) return { messages };
  const { content } = messages.pop()!;
  return { messages, prefix: content as string };
}

async function contentOf(
  role: string,
  content: PromptMessage["content"],
  types: ReadonlySet<string>,
): Promise<string | ContentPart[]> {
  if (typeof content === "string") return content;
  const parts: ContentPart[] = [];
  for (const { type, value } of content) {
    if (type === "text") {
      if (typeof value !== "string") throw new TypeError("The value of a text must be a string.");
      parts.push({ type, text: value });
      continue;
    }
    if (role === "assistant" || type !== "image" || !types.has(type)) {
      throw domError("NotSupportedError", `Cannot take ${type} here: name it in expectedInputs.`);
    }
    parts.push({ type, image: await pictureOf(value) });
  }
  const isText = parts.every((part) => part.type === "text");
  return isText ? parts.map((part) => part.type === "text" ? part.text : "").join("\n") : parts;
}

/** @throws {TypeError} For what is no constraint; NotSupportedError for flags that change what an expression matches. */
export function constraintOf(options: PromptOptions): Pick<GenerateRequest, "jsonSchema" | "regex"> {
  const { responseConstraint: constraint, omitResponseConstraintInput = false } = options;
  if (constraint === undefined) {
    if (omitResponseConstraintInput) {
      throw new TypeError("There is no responseConstraint whose input to omit.");
    }
    return {};
  }
  if (typeof constraint !== "object" || constraint === null) {
    throw new TypeError("Expected a JSON schema or a RegExp.");
  }
  if (!(constraint instanceof RegExp)) return { jsonSchema: constraint };
  if (/[ims]/.test(constraint.flags)) {
    throw domError("NotSupportedError", `The flags ${constraint.flags} of an expression are not supported.`);
  }
  return { regex: constraint.source };
}

/** @throws {TypeError} For a mode together with numbers; {RangeError} for numbers below their range. */
export function samplingOf(
  { samplingMode: mode, topK, temperature }: CreateCoreOptions,
  { temperature: own = 1, topK: ownTopK }: SamplingOptions,
  topKMax: number,
): { topK: number; temperature: number } {
  if (mode !== undefined) {
    if (topK !== undefined || temperature !== undefined) {
      throw new TypeError("samplingMode and topK or temperature exclude each other.");
    }
    if (!Object.hasOwn(MODES, mode)) throw new TypeError(`Unknown samplingMode ${mode}.`);
  }
  if (topK !== undefined && !(topK >= 1)) throw new RangeError("topK must be 1 or more.");
  if (temperature !== undefined && !(temperature >= 0)) {
    throw new RangeError("temperature must be 0 or more.");
  }
  return {
    topK: Math.min(Math.floor(topK ?? (ownTopK || topKMax)), topKMax),
    temperature: Math.min(temperature ?? own * MODES[mode ?? "balanced"], TEMPERATURE_MAX),
  };
}
