/**
 * `/v1/completions`.
 *
 * @module
 */
import * as v from "npm:valibot@1.5.0";
import type { GenerateRequest, TokenLogprobs, Usage } from "../../generation/requests.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import { badRequest } from "../api_error.ts";
import type { AnswerEvent, AnsweringModel, FinishReason } from "../engine/served_model.ts";
import { closedObject } from "../http/closed_object.ts";
import type { ServerEvent } from "../http/events.ts";
import { newId } from "../http/ids.ts";
import { CHOICES_MAX, INPUTS_MAX } from "../options.ts";
import { usageOf } from "./chat_completions.ts";
import {
  ignoredFields,
  maybe,
  routerFields,
  samplingFields,
  samplingRequest,
  stateBody,
  stateFields,
  structureFields,
  structureRequest,
} from "./fields.ts";

/** OpenAI's default. */
const MAX_TOKENS_DEFAULT = 16;
/** OpenAI's limit. */
const LOGPROBS_MAX = 5;
const ids = v.pipe(v.array(v.pipe(v.number(), v.integer(), v.minValue(0))), v.minLength(1));

/** Its body. */
export const completionBody = closedObject({
  model: v.string(),
  prompt: v.union([
    v.string(),
    v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(INPUTS_MAX)),
    ids,
    v.pipe(v.array(ids), v.minLength(1), v.maxLength(INPUTS_MAX)),
  ]),
  max_tokens: maybe(v.pipe(v.number(), v.integer(), v.minValue(0))),
  logprobs: maybe(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(LOGPROBS_MAX))),
  echo: maybe(v.boolean()),
  suffix: maybe(v.string()),
  best_of: maybe(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(CHOICES_MAX))),
  ...samplingFields,
  ...structureFields,
  ...stateFields,
  ...ignoredFields,
  ...routerFields,
});

/** A body that was checked. */
export type CompletionBody = v.InferOutput<typeof completionBody>;

/** One prompt of a body, and what the library is asked for. */
export interface CompletionJob {
  request: GenerateRequest;
  /** What `echo` writes before the answer. */
  echo: string;
}

/** @throws {ApiError} 400 for what is not supported, by name. */
export function completionJobs(body: CompletionBody, tokenizer: Tokenizer): CompletionJob[] {
  if (body.suffix != null && body.suffix !== "") {
    throw badRequest("'suffix' is not supported: the model was not trained to fill in the middle.", "suffix");
  }
  if (body.best_of != null && body.best_of !== (body.n ?? 1)) {
    throw badRequest("'best_of' other than 'n' is not supported.", "best_of");
  }
  if (body.echo && body.logprobs != null) {
    throw badRequest("'echo' together with 'logprobs' is not supported.", "logprobs");
  }
  const { prompt } = body;
  const isOne = typeof prompt === "string" || typeof prompt[0] === "number";
  const prompts = (isOne ? [prompt] : prompt) as (string | number[])[];
  return prompts.map((one) => ({
    request: {
      prompt: one,
      maxTokens: body.max_tokens ?? MAX_TOKENS_DEFAULT,
      logprobs: body.logprobs ?? undefined,
      ...samplingRequest(body),
      ...structureRequest(body),
    },
    echo: !body.echo ? "" : typeof one === "string" ? one : tokenizer.decode(one),
  }));
}

/** The answers of all prompts, each with its choices; told apart by `index`. */
export async function completion(
  body: CompletionBody,
  served: AnsweringModel,
  runs: readonly { events: AsyncIterable<AnswerEvent>; echo: string }[],
): Promise<unknown> {
  const perPrompt = body.n ?? 1;
  const choices: unknown[] = [];
  const usages: Usage[][] = [];
  let state: string | undefined;
  for (const { events, echo } of runs) {
    const texts = new Array<string>(perPrompt).fill(echo);
    const logprobs = Array.from({ length: perPrompt }, () => [] as TokenLogprobs[]);
    const reasons = new Array<FinishReason>(perPrompt).fill("stop");
    const used: Usage[] = [];
    for await (const event of events) {
      if (event.type === "piece") {
        texts[event.choice] += textOf(event);
        logprobs[event.choice].push(...event.logprobs ?? []);
      } else {
        reasons[event.choice] = event.finishReason;
        used.push(event.usage);
        state = event.state;
      }
    }
    usages.push(used);
    for (const [i, text] of texts.entries()) {
      choices.push({
        index: choices.length,
        text,
        logprobs: body.logprobs == null ? null : logprobsOf(logprobs[i], echo.length, served.model.tokenizer),
        finish_reason: reasons[i],
      });
    }
  }
  return { ...head(served.name), choices, usage: sumOf(usages), ...stateBody(state) };
}

/** The answers as they come, one prompt after the other. */
export async function* completionChunks(
  body: CompletionBody,
  served: AnsweringModel,
  runs: Iterable<{ events: AsyncIterable<AnswerEvent>; echo: string }>,
): AsyncGenerator<ServerEvent, void, void> {
  const about = head(served.name);
  const withUsage = body.stream_options?.include_usage ?? false;
  const usages: Usage[][] = [];
  let first = 0;
  for (const { events, echo } of runs) {
    const offsets = new Map<number, number>();
    const used: Usage[] = [];
    for await (const event of events) {
      const index = first + event.choice;
      const chunk = (
        text: string,
        logprobs: unknown,
        finish: string | null,
        state?: string,
      ): ServerEvent => ({
        data: {
          ...about,
          choices: [{ index, text, logprobs, finish_reason: finish }],
          ...(withUsage && { usage: null }),
          ...stateBody(state),
        },
      });
      if (event.type === "finish") {
        used.push(event.usage);
        yield chunk("", null, event.finishReason, event.state);
        continue;
      }
      const text = (offsets.has(index) ? "" : echo) + textOf(event);
      const offset = offsets.get(index) ?? 0;
      offsets.set(index, offset + text.length);
      const logprobs = event.logprobs && body.logprobs != null
        ? logprobsOf(event.logprobs, offset, served.model.tokenizer)
        : null;
      if (!event.isRepeated && (text !== "" || logprobs)) yield chunk(text, logprobs, null);
    }
    usages.push(used);
    first += body.n ?? 1;
  }
  if (withUsage) yield { data: { ...about, choices: [], usage: sumOf(usages) } };
  yield { data: "[DONE]" };
}

function head(model: string): Record<string, unknown> {
  return { id: newId("cmpl-"), object: "text_completion", created: Math.floor(Date.now() / 1000), model };
}

function textOf({ parts }: AnswerEvent & { type: "piece" }): string {
  return parts.map((part) => "text" in part ? part.text : "").join("");
}

function sumOf(usages: readonly Usage[][]): unknown {
  const all = usages.map((used) => usageOf(used) as Record<string, number>);
  const sum = (key: string) => all.reduce((total, one) => total + one[key], 0);
  return {
    prompt_tokens: sum("prompt_tokens"),
    completion_tokens: sum("completion_tokens"),
    total_tokens: sum("total_tokens"),
  };
}

/** The older shape, in lists. */
function logprobsOf(tokens: readonly TokenLogprobs[], offset: number, tokenizer: Tokenizer): unknown {
  let at = offset;
  const nameOf = ({ id, token }: { id: number; token: string }) => {
    // A part of a character, told from other parts: named by its bytes, as OpenAI does.
    if (!token.includes("\ufffd")) return token;
    const bytes = Array.from(tokenizer.tokenBytes(id), (byte) => `\\x${byte.toString(16).padStart(2, "0")}`);
    return `bytes:${bytes.join("")}`;
  };
  return {
    tokens: tokens.map(nameOf),
    token_logprobs: tokens.map(({ logprob }) => Math.max(logprob, -9999)),
    top_logprobs: tokens.map(({ top }) =>
      Object.fromEntries(top.map((one) => [nameOf(one), Math.max(one.logprob, -9999)]))
    ),
    text_offset: tokens.map(({ token }) => {
      at += token.length;
      return at - token.length;
    }),
  };
}
