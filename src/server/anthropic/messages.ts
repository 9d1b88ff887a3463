/**
 * Anthropic's `/v1/messages`.
 *
 * @module
 */
import type { Usage } from "../../generation/requests.ts";
import { apiErrorOf } from "../api_error.ts";
import type { AnswerEvent, AnsweringModel } from "../engine/served_model.ts";
import { type Block, type BlockEvent, Blocks } from "../http/blocks.ts";
import type { ServerEvent } from "../http/events.ts";
import { newId } from "../http/ids.ts";

type Finish = AnswerEvent & { type: "finish" };

const newBlocks = () => new Blocks(() => newId("toolu_"));

/** The whole answer. */
export async function anthropicMessage(
  served: AnsweringModel,
  events: AsyncIterable<AnswerEvent>,
): Promise<unknown> {
  const blocks = newBlocks();
  let finish: Finish | undefined;
  for await (const event of events) {
    if (event.type === "finish") finish = event;
    else for (const _ of blocks.push(event.parts));
  }
  for (const _ of blocks.end());
  return {
    ...head(served.name),
    content: blocks.all.map((block) => contentOf(block, block.text)),
    ...endOf(finish!),
    usage: usageOf(finish!.usage),
  };
}

/** The answer as it comes. */
export async function* anthropicEvents(
  served: AnsweringModel,
  events: AsyncIterable<AnswerEvent>,
): AsyncGenerator<ServerEvent, void, void> {
  const blocks = newBlocks();
  let hasBegun = false;
  for await (const event of events) {
    if (!hasBegun) {
      hasBegun = true;
      // How many of them were known is told at the end.
      const promptTokens = event.type === "piece" ? event.promptTokens : event.usage.promptTokens;
      const usage = usageOf({ promptTokens, cachedTokens: 0, completionTokens: 0 });
      const message = { ...head(served.name), content: [], stop_reason: null, stop_sequence: null, usage };
      yield named({ type: "message_start", message });
      yield named({ type: "ping" });
    }
    if (event.type === "piece") {
      for (const change of blocks.push(event.parts)) yield named(changeOf(change));
      continue;
    }
    for (const change of blocks.end()) yield named(changeOf(change));
    yield named({ type: "message_delta", delta: endOf(event), usage: usageOf(event.usage) });
    yield named({ type: "message_stop" });
  }
}

/** An error after the status is out. */
export function anthropicErrorEvent(error: unknown): ServerEvent {
  return { event: "error", data: apiErrorOf(error).anthropicBody };
}

function named(data: { type: string; [field: string]: unknown }): ServerEvent {
  return { event: data.type, data };
}

function head(model: string): Record<string, unknown> {
  return { id: newId("msg_"), type: "message", role: "assistant", model };
}

function contentOf(block: Block, text: string): Record<string, unknown> {
  if (block.kind === "text") return { type: "text", text };
  // A signature would prove that the thinking is ours; there is nothing to prove.
  if (block.kind === "reasoning") return { type: "thinking", thinking: text, signature: "" };
  return { type: "tool_use", id: block.id, name: block.name, input: text === "" ? {} : inputOf(text) };
}

/** Arguments that max_tokens cut are no JSON. */
function inputOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

function changeOf(change: BlockEvent): { type: string; [field: string]: unknown } {
  const { index, kind } = change.block;
  if (change.type === "open") {
    return { type: "content_block_start", index, content_block: contentOf(change.block, "") };
  }
  if (change.type === "close") return { type: "content_block_stop", index };
  const delta = kind === "text"
    ? { type: "text_delta", text: change.text }
    : kind === "reasoning"
    ? { type: "thinking_delta", thinking: change.text }
    : { type: "input_json_delta", partial_json: change.text };
  return { type: "content_block_delta", index, delta };
}

function endOf({ finishReason, stop }: Finish): { stop_reason: string; stop_sequence: string | null } {
  const reasons = {
    stop: stop === undefined ? "end_turn" : "stop_sequence",
    length: "max_tokens",
    tool_calls: "tool_use",
  };
  return { stop_reason: reasons[finishReason], stop_sequence: stop ?? null };
}

function usageOf({ promptTokens, cachedTokens, completionTokens }: Usage): Record<string, number> {
  return {
    input_tokens: promptTokens - cachedTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
  };
}
