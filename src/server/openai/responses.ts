/**
 * `/v1/responses`, without anything that would have to be stored.
 *
 * @module
 */
import type { Usage } from "../../generation/requests.ts";
import { apiErrorOf } from "../api_error.ts";
import type { AnswerEvent, AnsweringModel } from "../engine/served_model.ts";
import { type Block, type BlockEvent, Blocks } from "../http/blocks.ts";
import type { ServerEvent } from "../http/events.ts";
import { newId } from "../http/ids.ts";
import type { ResponsesBody } from "./responses_body.ts";

type Finish = AnswerEvent & { type: "finish" };

const PREFIXES = { text: "msg_", reasoning: "rs_", call: "fc_" } as const;
const newBlocks = () => new Blocks((kind) => newId(PREFIXES[kind]));

/** The whole answer. */
export async function response(
  body: ResponsesBody,
  served: AnsweringModel,
  events: AsyncIterable<AnswerEvent>,
): Promise<unknown> {
  const blocks = newBlocks();
  const about = head(body, served.name);
  let finish: Finish | undefined, reasoning = 0;
  for await (const event of events) {
    if (event.type === "finish") finish = event;
    else {
      for (const _ of blocks.push(event.parts));
      reasoning += thinkingTokens(event);
    }
  }
  for (const _ of blocks.end());
  return completed(about, blocks.all, finish!, reasoning);
}

/** The answer as it comes. */
export async function* responseEvents(
  body: ResponsesBody,
  served: AnsweringModel,
  events: AsyncIterable<AnswerEvent>,
): AsyncGenerator<ServerEvent, void, void> {
  const about = head(body, served.name);
  const blocks = newBlocks();
  let sequence = 0, reasoning = 0, hasBegun = false;
  const named = (type: string, fields: Record<string, unknown>): ServerEvent => ({
    event: type,
    data: { type, sequence_number: sequence++, ...fields },
  });
  for await (const event of events) {
    if (!hasBegun) {
      hasBegun = true;
      const begun = { ...about, status: "in_progress", output: [], usage: null };
      yield named("response.created", { response: begun });
      yield named("response.in_progress", { response: begun });
    }
    const changes = event.type === "piece" ? blocks.push(event.parts) : blocks.end();
    for (const change of changes) {
      for (const { type, ...fields } of changeOf(change)) yield named(type, fields);
    }
    if (event.type === "piece") reasoning += thinkingTokens(event);
    else {
      const done = completed(about, blocks.all, event, reasoning);
      yield named(event.finishReason === "length" ? "response.incomplete" : "response.completed", {
        response: done,
      });
    }
  }
}

/** An error after the status is out. */
export function responseErrorEvent(error: unknown): ServerEvent {
  const { message, details: { code = "server_error", param = null } } = apiErrorOf(error);
  return { event: "error", data: { type: "error", sequence_number: 0, code, message, param } };
}

function thinkingTokens({ parts, tokenIds }: AnswerEvent & { type: "piece" }): number {
  return parts.some(({ type }) => type === "reasoning") ? tokenIds.length : 0;
}

function head(body: ResponsesBody, model: string): Record<string, unknown> {
  return {
    id: newId("resp_"),
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    status: "completed",
    background: false,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: null,
    model,
    output: [],
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    service_tier: "default",
    store: false,
    temperature: body.temperature ?? null,
    text: { format: body.text?.format ?? { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_logprobs: 0,
    top_p: body.top_p ?? null,
    truncation: "disabled",
    usage: null,
    user: null,
    metadata: body.metadata ?? {},
  };
}

function completed(
  about: Record<string, unknown>,
  blocks: readonly Block[],
  { finishReason, usage }: Finish,
  reasoning: number,
): Record<string, unknown> {
  const isCut = finishReason === "length";
  return {
    ...about,
    status: isCut ? "incomplete" : "completed",
    incomplete_details: isCut ? { reason: "max_output_tokens" } : null,
    output: blocks.map((block) =>
      itemOf(block, block === blocks.at(-1) && isCut ? "incomplete" : "completed")
    ),
    usage: usageOf(usage, reasoning),
  };
}

function usageOf({ promptTokens, cachedTokens, completionTokens }: Usage, reasoning: number): unknown {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: promptTokens + completionTokens,
  };
}

function partOf({ kind, text }: Block): Record<string, unknown> {
  return kind === "reasoning"
    ? { type: "reasoning_text", text }
    : { type: "output_text", text, annotations: [], logprobs: [] };
}

function itemOf(block: Block, status: string): Record<string, unknown> {
  const { kind, id, name, text } = block;
  if (kind === "call") {
    return { id, type: "function_call", status, call_id: id.replace(/^fc_/, "call_"), name, arguments: text };
  }
  if (kind === "reasoning") return { id, type: "reasoning", summary: [], content: [partOf(block)], status };
  return { id, type: "message", status, role: "assistant", content: [partOf(block)] };
}

/** What one change of a block is to a client. */
function* changeOf(change: BlockEvent): Generator<{ type: string; [field: string]: unknown }, void, void> {
  const { block } = change;
  const { index, id, kind, text, name } = block;
  const at = { item_id: id, output_index: index };
  const inPart = { ...at, content_index: 0 };
  const channel = kind === "text" ? "output_text" : "reasoning_text";
  const logprobs = kind === "text" ? { logprobs: [] } : {};
  if (change.type === "open") {
    const empty = itemOf({ ...block, text: "" }, "in_progress");
    const item = kind === "call" ? empty : { ...empty, content: [] };
    yield { type: "response.output_item.added", output_index: index, item };
    if (kind !== "call") {
      yield { type: "response.content_part.added", ...inPart, part: partOf({ ...block, text: "" }) };
    }
  } else if (change.type === "delta") {
    if (kind === "call") yield { type: "response.function_call_arguments.delta", ...at, delta: change.text };
    else yield { type: `response.${channel}.delta`, ...inPart, delta: change.text, ...logprobs };
  } else {
    if (kind === "call") {
      yield { type: "response.function_call_arguments.done", ...at, name, arguments: text };
    } else {
      yield { type: `response.${channel}.done`, ...inPart, text, ...logprobs };
      yield { type: "response.content_part.done", ...inPart, part: partOf(block) };
    }
    yield { type: "response.output_item.done", output_index: index, item: itemOf(block, "completed") };
  }
}
