/**
 * Answers as Vercel's AI SDK has them.
 *
 * @module
 */
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "npm:@ai-sdk/provider@4.0.38";
import type { TokenLogprobs } from "../src/generation/requests.ts";
import type { AnswerEvent } from "../src/server/engine/served_model.ts";
import type { Block, BlockEvent } from "../src/server/http/blocks.ts";

type Finish = AnswerEvent & { type: "finish" };

/** What happens to a block of an answer, as parts of a stream. */
export function* partsOf(change: BlockEvent): Generator<LanguageModelV4StreamPart, void, void> {
  const { block: { kind, id, name = "" } } = change;
  if (change.type === "open") {
    yield kind === "call" ? { type: "tool-input-start", id, toolName: name } : { type: `${kind}-start`, id };
  } else if (change.type === "delta") {
    const { text: delta } = change;
    yield kind === "call" ? { type: "tool-input-delta", id, delta } : { type: `${kind}-delta`, id, delta };
  } else if (kind !== "call") yield { type: `${kind}-end`, id };
  else {
    yield { type: "tool-input-end", id };
    yield contentOf(change.block) as LanguageModelV4Content & { type: "tool-call" };
  }
}

/** A whole block. */
export function contentOf({ kind, id, name = "", text }: Block): LanguageModelV4Content {
  return kind === "call"
    ? { type: "tool-call", toolCallId: id, toolName: name, input: text }
    : { type: kind, text };
}

/** Why an answer ended. */
export function finishReasonOf({ finishReason }: Finish): LanguageModelV4FinishReason {
  return { unified: finishReason === "tool_calls" ? "tool-calls" : finishReason, raw: finishReason };
}

/** Tokens that were read, known and generated; which of them were thinking is not counted. */
export function usageOf(
  { usage: { promptTokens, cachedTokens, completionTokens } }: Finish,
): LanguageModelV4Usage {
  return {
    inputTokens: {
      total: promptTokens,
      noCache: promptTokens - cachedTokens,
      cacheRead: cachedTokens,
      cacheWrite: undefined,
    },
    outputTokens: { total: completionTokens, text: undefined, reasoning: undefined },
  };
}

/** Probabilities, for which the interface has no place of its own. */
export function metadataOf(
  logprobs: TokenLogprobs[],
): Pick<LanguageModelV4GenerateResult, "providerMetadata"> {
  const plain = logprobs.map(({ id, token, logprob, top }) => ({ id, token, logprob, top }));
  return plain.length > 0 ? { providerMetadata: { remora: { logprobs: plain } } } : {};
}
