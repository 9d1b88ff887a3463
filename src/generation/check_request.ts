/**
 * Whether a request can be meant, before anything is computed.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { TEXT_CHARACTERS_MAX } from "../core/limits.ts";
import { nearestName } from "../core/nearest.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Budget, GenerateRequest } from "./requests.ts";

/** Every key of a request. */
const KEYS: Readonly<Record<keyof GenerateRequest, true>> = {
  attention: true,
  choice: true,
  contextShift: true,
  frequencyPenalty: true,
  grammar: true,
  ignoreEnd: true,
  images: true,
  jsonSchema: true,
  keepSpecialTokens: true,
  logitBias: true,
  logprobs: true,
  loopGuard: true,
  maxTokens: true,
  maxTiles: true,
  messages: true,
  minP: true,
  onFewerTiles: true,
  onPictureProgress: true,
  onPromptProgress: true,
  parallelToolCalls: true,
  presencePenalty: true,
  prompt: true,
  promptLookup: true,
  regex: true,
  repeatPenalty: true,
  seed: true,
  sequence: true,
  signal: true,
  stop: true,
  temperature: true,
  toolCallFormat: true,
  toolChoice: true,
  tools: true,
  topK: true,
  topP: true,
  typicalP: true,
  variables: true,
};

/**
 * @throws {RemoraError} BAD_ARGUMENT for a key that is not known and holds a value, naming the nearest one; for what has no meaning
 * without messages.
 */
export function checkRequest(request: GenerateRequest): void {
  for (const [key, value] of Object.entries(request)) {
    if (value === undefined || Object.hasOwn(KEYS, key)) continue;
    const nearest = nearestName(key, Object.keys(KEYS));
    throw new RemoraError("BAD_ARGUMENT", `Cannot generate with ${key}`, {
      expected: nearest === undefined ? "a key of a request" : `${nearest}, the nearest known key`,
      found: "a key that is not known",
    });
  }
  for (const name of ["tools", "toolChoice", "variables"] as const) {
    if (request[name] === undefined || request.messages !== undefined) continue;
    throw new RemoraError("BAD_ARGUMENT", `Cannot generate with ${name}`, {
      expected: "messages, whose chat template takes them",
      found: "a prompt",
    });
  }
}

/**
 * Whether a text may fit, before it is made tokens, which for a long one takes seconds.
 *
 * @param contextSize Tokens that it may take; none given, any number.
 * @throws {RemoraError} CONTEXT_OVERFLOW for one of more characters than so many of the longest token, or than
 * {@linkcode TEXT_CHARACTERS_MAX}.
 */
export function checkLength(text: string, tokenizer: Tokenizer, contextSize = Infinity): void {
  const isLong = text.length > TEXT_CHARACTERS_MAX;
  // The longest token is looked for only where it may matter.
  if (!isLong && (text.length <= contextSize || text.length <= contextSize * tokenizer.tokenBytesMax)) return;
  const most = isLong ? TEXT_CHARACTERS_MAX : contextSize * tokenizer.tokenBytesMax;
  throw new RemoraError("CONTEXT_OVERFLOW", "Cannot make tokens of the text", {
    expected: contextSize < Infinity
      ? `at most ${contextSize} tokens of context, no more than ${most} characters`
      : `at most ${most} characters`,
    found: `${text.length} characters`,
  });
}

/** @throws {RemoraError} BAD_ARGUMENT when it is no number of tokens. */
export function checkMaxTokens(maxTokens: number): void {
  if (maxTokens === Infinity || (Number.isInteger(maxTokens) && maxTokens >= 0)) return;
  throw new RemoraError("BAD_ARGUMENT", "Cannot use maxTokens", {
    expected: "an integer from 0 on",
    found: `${maxTokens}`,
  });
}

/** @throws {RemoraError} BAD_ARGUMENT when one of its counts is none. */
export function checkBudget(budget: Budget): void {
  for (const name of ["tokens", "promptTokens"] as const) {
    if (Number.isSafeInteger(budget[name]) && budget[name] >= 1) continue;
    throw new RemoraError("BAD_ARGUMENT", `Cannot use budget.${name}`, {
      expected: "an integer from 1 on",
      found: `${budget[name]}`,
    });
  }
}

/**
 * The texts that end an answer, one or several.
 *
 * @throws {RemoraError} BAD_ARGUMENT when it is anything else.
 */
export function stopTexts(stop: GenerateRequest["stop"]): readonly string[] {
  if (stop === undefined) return [];
  if (typeof stop === "string") return [stop];
  if (Array.isArray(stop)) return stop;
  throw new RemoraError("BAD_ARGUMENT", "Cannot use stop", {
    expected: "a text, or an array of texts",
    found: typeof stop,
  });
}
