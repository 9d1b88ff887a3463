/**
 * `/v1/chat/completions`.
 *
 * @module
 */
import * as v from "npm:valibot@1.5.0";
import type { GenerateRequest, TokenLogprobs, Usage } from "../../generation/requests.ts";
import type { PictureAttention } from "../../sequence/attention_map.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import { badRequest } from "../api_error.ts";
import type { AnswerEvent, AnsweringModel, FinishReason } from "../engine/served_model.ts";
import { closedObject } from "../http/closed_object.ts";
import type { ServerEvent } from "../http/events.ts";
import { newId } from "../http/ids.ts";
import {
  chatRouterFields,
  ignoredFields,
  maybe,
  samplingFields,
  samplingRequest,
  stateBody,
  stateFields,
  structureFields,
  structureRequest,
} from "./fields.ts";
import { message, templateMessage } from "./messages.ts";
import { tool, toolChoice, toolRequest } from "./tools.ts";

/** Most that may be asked for of the likeliest tokens; OpenAI's limit. */
const TOP_LOGPROBS_MAX = 20;
const tokens = maybe(v.pipe(v.number(), v.integer(), v.minValue(1)));

/** Its body. */
export const chatBody = closedObject({
  model: v.string(),
  messages: v.pipe(v.array(message), v.minLength(1)),
  max_tokens: tokens,
  max_completion_tokens: tokens,
  logprobs: maybe(v.boolean()),
  top_logprobs: maybe(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(TOP_LOGPROBS_MAX))),
  response_format: maybe(v.variant("type", [
    closedObject({ type: v.literal("text") }),
    closedObject({ type: v.literal("json_object") }),
    closedObject({
      type: v.literal("json_schema"),
      json_schema: closedObject({
        name: v.pipe(v.string(), v.regex(/^[\w-]{1,64}$/)),
        description: maybe(v.string()),
        schema: maybe(v.record(v.string(), v.unknown())),
        strict: maybe(v.boolean()),
      }),
    }),
  ])),
  tools: maybe(v.array(tool)),
  tool_choice: maybe(toolChoice),
  parallel_tool_calls: maybe(v.boolean()),
  reasoning_effort: maybe(v.picklist(["none", "minimal", "low", "medium", "high", "xhigh"])),
  modalities: maybe(v.tuple([v.literal("text")])),
  prediction: maybe(v.unknown()),
  verbosity: maybe(v.string()),
  chat_template_kwargs: maybe(v.record(v.string(), v.unknown())),
  attention: maybe(v.boolean()),
  ...samplingFields,
  ...structureFields,
  ...stateFields,
  ...ignoredFields,
  ...chatRouterFields,
});

/** A body that was checked. */
export type ChatBody = v.InferOutput<typeof chatBody>;

/** What the library is asked for. */
export function chatRequest(body: ChatBody, toolCallParser: string | undefined): GenerateRequest {
  const { max_tokens, max_completion_tokens, logprobs, top_logprobs, reasoning_effort } = body;
  if (top_logprobs && !logprobs) {
    throw badRequest(
      "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
      "top_logprobs",
    );
  }
  // What templates of thinking models read.
  const thinking = reasoning_effort === "none" ? { enable_thinking: false } : {};
  const variables = { ...thinking, ...body.chat_template_kwargs };
  return {
    messages: body.messages.map(templateMessage),
    maxTokens: max_completion_tokens ?? max_tokens ?? undefined,
    logprobs: logprobs ? top_logprobs ?? 0 : undefined,
    attention: body.attention ?? undefined,
    variables: Object.keys(variables).length > 0 ? variables : undefined,
    toolCallFormat: toolCallParser,
    ...samplingRequest(body),
    ...structureRequest(body),
    ...formatRequest(body.response_format),
    ...toolRequest(body.tools, body.tool_choice, body.parallel_tool_calls),
  };
}

function formatRequest(format: ChatBody["response_format"]): Partial<GenerateRequest> {
  if (format?.type === "json_object") return { jsonSchema: { type: "object" } };
  if (format?.type !== "json_schema") return {};
  return { jsonSchema: format.json_schema.schema ?? true };
}

/** The whole answer. */
export async function chatCompletion(
  body: ChatBody,
  served: AnsweringModel,
  events: AsyncIterable<AnswerEvent>,
): Promise<unknown> {
  const choices = Array.from({ length: body.n ?? 1 }, () => new ChoiceMessage());
  const usages: Usage[] = [];
  let state: string | undefined;
  for await (const event of events) {
    if (event.type === "piece") choices[event.choice].add(event);
    else {
      choices[event.choice].finishReason = event.finishReason;
      usages.push(event.usage);
      state = event.state;
    }
  }
  return {
    ...head("chat.completion", served.name),
    choices: choices.map((choice, index) => choice.body(index, body, served.model.tokenizer)),
    usage: usageOf(usages),
    ...stateBody(state),
  };
}

/** The answer as it comes. */
export async function* chatChunks(
  body: ChatBody,
  served: AnsweringModel,
  events: AsyncIterable<AnswerEvent>,
): AsyncGenerator<ServerEvent, void, void> {
  const about = head("chat.completion.chunk", served.name);
  const withUsage = body.stream_options?.include_usage ?? false;
  const chunk = (choices: unknown[], usage: unknown = null, state?: string): ServerEvent => ({
    data: { ...about, choices, ...(withUsage && { usage }), ...stateBody(state) },
  });
  const usages: Usage[] = [];
  const deltas = Array.from({ length: body.n ?? 1 }, () => new ChoiceDeltas());
  for await (const event of events) {
    const { choice: index } = event;
    if (event.type === "finish") {
      usages.push(event.usage);
      const { finishReason, state } = event;
      yield chunk([{ index, delta: {}, logprobs: null, finish_reason: finishReason }], null, state);
      continue;
    }
    const found = deltas[index].of(event);
    if (event.isRepeated) continue;
    const logprobs = body.logprobs && event.logprobs
      ? { content: event.logprobs.map((one) => logprobOf(one, served.model.tokenizer)), refusal: null }
      : null;
    // The first chunk says the role alone: what is told of a token stands beside its text.
    const saysRole = (delta: Record<string, unknown>) => "role" in delta;
    if (found.every(saysRole) && (logprobs || event.attention)) found.push({ content: "" });
    const teller = found.find((delta) => !saysRole(delta));
    const attention = event.attention ? { attention: event.attention.map(attentionBody) } : {};
    for (const delta of found) {
      const told = delta === teller ? { logprobs, finish_reason: null, ...attention } : UNTOLD;
      yield chunk([{ index, delta, ...told }]);
    }
  }
  if (withUsage) yield chunk([], usageOf(usages));
  yield { data: "[DONE]" };
}

const UNTOLD = { logprobs: null, finish_reason: null };

/** Where a token looked in its pictures. */
function attentionBody({ weights, ...shape }: PictureAttention): unknown {
  return { ...shape, weights: Array.from(weights, (weight) => Number(weight.toPrecision(4))) };
}

function head(object: string, model: string): Record<string, unknown> {
  return {
    id: newId("chatcmpl-"),
    object,
    created: Math.floor(Date.now() / 1000),
    model,
    system_fingerprint: null,
  };
}

/** The tokens of all answers to one prompt. */
export function usageOf(usages: readonly Usage[]): Record<string, unknown> {
  const [first = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 }] = usages;
  const completion = usages.reduce((sum, { completionTokens }) => sum + completionTokens, 0);
  return {
    prompt_tokens: first.promptTokens,
    completion_tokens: completion,
    total_tokens: first.promptTokens + completion,
    prompt_tokens_details: { cached_tokens: first.cachedTokens },
  };
}

/** A token with its probability, as OpenAI has it. Its bytes need not be whole characters: those of several tokens make one. */
function logprobOf({ top, ...token }: TokenLogprobs, tokenizer: Tokenizer): Record<string, unknown> {
  const one = ({ id, token, logprob }: TokenLogprobs["top"][number]) => ({
    token,
    // JSON has no infinity; OpenAI writes −9999 for what cannot be.
    logprob: Math.max(logprob, -9999),
    bytes: [...tokenizer.tokenBytes(id)],
  });
  return { ...one(token), top_logprobs: top.map(one) };
}

interface Call {
  id: string;
  name: string;
  arguments: string;
}

/** Collects one answer. */
class ChoiceMessage {
  finishReason: FinishReason = "stop";
  #text = "";
  #reasoning = "";
  readonly #calls: Call[] = [];
  readonly #logprobs: TokenLogprobs[] = [];

  add({ parts, logprobs = [] }: AnswerEvent & { type: "piece" }): void {
    this.#logprobs.push(...logprobs);
    for (const part of parts) {
      if (part.type === "text") this.#text += part.text;
      else if (part.type === "reasoning") this.#reasoning += part.text;
      else if (part.type === "call") this.#calls.push({ id: newId("call_"), name: part.name, arguments: "" });
      else this.#calls.at(-1)!.arguments += part.text;
    }
  }

  body(index: number, { logprobs, tool_choice: toolChoice }: ChatBody, tokenizer: Tokenizer): unknown {
    const content = this.#logprobs.map((one) => logprobOf(one, tokenizer));
    const mustCall = toolChoice === "required" || typeof toolChoice === "object" && toolChoice !== null;
    const calls = this.#calls.map(({ id, name, arguments: text }) => ({
      id,
      type: "function",
      function: { name, arguments: text === "" ? "{}" : text },
    }));
    return {
      index,
      message: {
        role: "assistant",
        content: this.#text === "" && (calls.length > 0 || mustCall) ? null : this.#text,
        refusal: null,
        annotations: [],
        ...(this.#reasoning !== "" && { reasoning: this.#reasoning, reasoning_content: this.#reasoning }),
        ...(calls.length > 0 && { tool_calls: calls }),
      },
      logprobs: logprobs ? { content, refusal: null } : null,
      finish_reason: this.finishReason,
    };
  }
}

/** Makes deltas of one answer. */
class ChoiceDeltas {
  #hasBegun = false;
  #calls = 0;

  of({ parts }: AnswerEvent & { type: "piece" }): Record<string, unknown>[] {
    const begin = this.#hasBegun ? [] : [{ role: "assistant", content: "", refusal: null }];
    this.#hasBegun = true;
    return [...begin, ...parts.map((part) => this.#delta(part))];
  }

  #delta(part: (AnswerEvent & { type: "piece" })["parts"][number]): Record<string, unknown> {
    switch (part.type) {
      case "text":
        return { content: part.text };
      case "reasoning":
        return { reasoning: part.text, reasoning_content: part.text };
      case "call": {
        const call = { id: newId("call_"), type: "function", function: { name: part.name, arguments: "" } };
        return { tool_calls: [{ index: this.#calls++, ...call }] };
      }
      case "arguments":
        return { tool_calls: [{ index: this.#calls - 1, function: { arguments: part.text } }] };
    }
  }
}
