/**
 * Going on when the context is full.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { placesOf, type PromptParts } from "./prompt_pieces.ts";

/**
 * First tokens that stay when a context is shifted: attention rests on them whatever they say, and a model that loses them
 * stops making sense (Xiao et al. 2023, arXiv 2309.17453, where four suffice).
 */
export const SINK_TOKENS = 4;

/** What is forgotten of a full context: the `tokens` tokens that follow the first `sinks`. */
export interface ContextShift {
  sinks: number;
  tokens: number;
}

/** A prompt and the context that it must fit. */
interface ShiftedPrompt extends PromptParts {
  /** The token that begins a text. */
  beginId?: number;
  contextSize: number;
}

/** @throws {RemoraError} CONTEXT_OVERFLOW for a context that holds nothing but the first tokens. */
export function shiftOf({ promptIds, pictureToken, beginId, contextSize }: ShiftedPrompt): ContextShift {
  const other = promptIds.findIndex((id) => id !== pictureToken && id !== beginId);
  const sinks = Math.max(SINK_TOKENS, other < 0 ? promptIds.length : other);
  const tokens = Math.floor((contextSize - sinks) / 2);
  if (tokens > 0) return { sinks, tokens };
  throw new RemoraError("CONTEXT_OVERFLOW", "Cannot shift the context", {
    expected: `more than ${sinks + 1} tokens of context`,
    found: `${contextSize}`,
  });
}

/**
 * The prompt without what the context does not hold. As many tokens are left out as full contexts would have forgotten on the
 * way, so that a growing conversation finds most of its prompt in the sequence.
 */
export function shortened(
  prompt: ShiftedPrompt,
  { sinks, tokens }: ContextShift,
): Pick<PromptParts, "promptIds" | "images"> {
  const { promptIds, images, contextSize } = prompt;
  const surplus = promptIds.length - contextSize;
  if (surplus <= 0) return { promptIds, images };
  let begin = sinks, end = sinks + Math.ceil(surplus / tokens) * tokens;
  const placed = placesOf(prompt);
  // A picture is left out whole.
  for (const { first, last } of placed) {
    if (first! >= end || last! < begin) continue;
    begin = Math.min(begin, first!);
    end = Math.max(end, last! + 1);
  }
  const isKept = (place: number) => place < begin || place >= end;
  return {
    promptIds: promptIds.filter((_, place) => isKept(place)),
    images: placed.filter(({ first }) => first === undefined || isKept(first)).map(({ image }) => image),
  };
}
