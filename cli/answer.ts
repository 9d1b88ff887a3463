/**
 * One answer of a model, with the time it took.
 *
 * @module
 */
import type { Completion, GenerateRequest, Model, PictureAttention, Sequence } from "../mod.ts";
import { describeInteger } from "./figures.ts";

/** Tokens per second; `null` where there were too few tokens to tell. */
export interface Speed {
  promptTokensPerSecond: number | null;
  generationTokensPerSecond: number | null;
}

/** An answer and its speed. */
export interface TimedAnswer extends Completion {
  speed: Speed;
}

/** What the answer consists of when nothing came. */
function noAnswer(): Completion {
  return {
    text: "",
    tokenIds: [],
    finishReason: "length",
    usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0 },
  };
}

/** Who is told of an answer as it comes. */
export interface AnswerListener {
  onText(text: string): Promise<void>;
  /** With `attention` in the request, for every token of the answer. */
  onAttention?(maps: readonly PictureAttention[]): void;
}

/** Generates an answer; each piece of it goes to the listener as it comes. */
export async function answer(
  model: Model,
  request: GenerateRequest,
  listener: AnswerListener,
): Promise<TimedAnswer> {
  const completion = noAnswer();
  const begin = performance.now();
  let first = begin;
  let last = begin;
  for await (const chunk of model.generate(request)) {
    const { text, tokenIds, logprobs, attention, finishReason, usage } = chunk;
    last = performance.now();
    if (first === begin) first = last;
    completion.text += text;
    completion.tokenIds.push(...tokenIds);
    if (logprobs) (completion.logprobs ??= []).push(...logprobs);
    if (finishReason) completion.finishReason = finishReason;
    if (usage) completion.usage = usage;
    if (attention) listener.onAttention?.(attention);
    if (text) await listener.onText(text);
  }
  const { promptTokens, cachedTokens, completionTokens } = completion.usage;
  const speed = {
    promptTokensPerSecond: completionTokens > 0 ? rate(promptTokens - cachedTokens, first - begin) : null,
    generationTokensPerSecond: rate(completionTokens - 1, last - first),
  };
  return { ...completion, speed };
}

/** Why an answer is not whole, in one line; `undefined` where it ended by itself. */
export function describeCut(
  { finishReason, tokenIds }: Completion,
  sequence: Sequence,
  { info: { contextSize } }: Model,
): string | undefined {
  const count = describeInteger(tokenIds.length);
  if (finishReason === "loop") {
    return `the answer was ended after ${count} tokens, as it went round in circles; --max-tokens N lets it go on\n`;
  }
  if (finishReason === "stop") return undefined;
  if (sequence.length < contextSize) {
    return `the answer was cut after ${count} tokens; --max-tokens N allows more\n`;
  }
  const size = describeInteger(contextSize);
  return `the answer was cut, as the context is full: ${size} of ${size} tokens; --context-shift goes on\n`;
}

/** One line of statistics. */
export function describeAnswer({ usage, speed }: TimedAnswer): string {
  const { promptTokens, cachedTokens, completionTokens } = usage;
  const cached = cachedTokens > 0 ? `, ${cachedTokens} of them known` : "";
  const prompt = `${promptTokens} tokens${cached}${perSecond(speed.promptTokensPerSecond)}`;
  return `prompt ${prompt}; answer ${completionTokens} tokens${perSecond(speed.generationTokensPerSecond)}`;
}

function perSecond(speed: number | null): string {
  return speed === null ? "" : ` (${speed.toFixed(1)} tok/s)`;
}

function rate(tokens: number, milliseconds: number): number | null {
  return tokens > 0 && milliseconds > 0 ? 1000 * tokens / milliseconds : null;
}
