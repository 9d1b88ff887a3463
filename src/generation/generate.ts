/**
 * The token loop.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { GrammarState } from "../grammar/grammar.ts";
import type { HostEvents } from "../platform/events.ts";
import { type Sample, Sampler } from "../sampling/sampler.ts";
import type { KeyedImage } from "../sequence/pictures.ts";
import type { Sequence } from "../sequence/sequence.ts";
import { StopStrings } from "../text/stop_strings.ts";
import { StreamDecoder } from "../text/stream_decoder.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { stopTexts } from "./check_request.ts";
import { LoopGuard } from "./loop_guard.ts";
import type { FinishReason, GenerateChunk, GenerateRequest, TokenLogprobs } from "./requests.ts";
import { type NextToken, TokenFeed } from "./token_feed.ts";

/**
 * First tokens that stay when a context is shifted: attention rests on them whatever they say, and a model that loses them
 * stops making sense (Xiao et al. 2023, arXiv 2309.17453, where four suffice).
 */
export const SINK_TOKENS = 4;

/** A picture of the prompt, and how many picture tokens stand for it. */
export interface PromptImage extends KeyedImage {
  readonly tokens: number;
}

/** What the loop needs besides the request. */
export interface GenerateContext {
  tokenizer: Tokenizer;
  promptIds: number[];
  /** Pictures in the order of their tokens. */
  images: PromptImage[];
  pictureToken?: number;
  /** The token that begins a text. */
  beginId?: number;
  sequence: Sequence;
  /** Ids that end an answer. */
  endIds: ReadonlySet<number>;
  contextSize: number;
  vocabularySize: number;
  events: HostEvents;
  /** What the answer must be. */
  grammar?: GrammarState;
}

/**
 * Feeds the prompt, then samples token by token. Text is emitted as soon as it is certain: whole characters that cannot
 * become part of a stop string.
 *
 * @throws {RemoraError} As `Sequence.forward`; BAD_ARGUMENT for an option out of range. The signal's reason when it fires.
 */
export async function* generate(
  request: GenerateRequest,
  context: GenerateContext,
): AsyncGenerator<GenerateChunk, void, void> {
  const { tokenizer, pictureToken, sequence, contextSize, vocabularySize, events, grammar } = context;
  const { signal, maxTokens = Infinity, contextShift = false, ignoreEnd = false } = request;
  checkMaxTokens(maxTokens);
  const sampler = new Sampler(request, vocabularySize);
  const decoder = new StreamDecoder(tokenizer, {
    skipSpecialTokens: !request.keepSpecialTokens,
    beginsText: false,
  });
  const stops = new StopStrings(stopTexts(request.stop));
  const shift = contextShift ? shiftOf(context) : undefined;
  const { promptIds, images } = shift ? shortened(context, shift) : context;
  const history = [...promptIds];
  const guard = request.loopGuard ? new LoopGuard() : undefined;
  const options = { signal, attention: request.attention };
  using feed = new TokenFeed(sequence, {
    ...options,
    promptLookup: request.promptLookup,
    contextSize,
    pictureToken,
  });
  const known = await sequence.commonPrefix(promptIds, images);
  const cachedTokens = known.tokens;
  const usage = { promptTokens: promptIds.length, cachedTokens, completionTokens: 0 };
  if (maxTokens === 0 && !request.sequence) {
    yield { text: "", tokenIds: [], finishReason: "length", usage };
    return;
  }

  sequence.truncate(known.tokens);
  using _reserved = sequence.reserve(Math.min(contextSize, promptIds.length + maxTokens));
  const ofPrompt = { ...options, ...listenersOf(request), images: images.slice(known.pictures) };
  let result: NextToken = await sequence.forward(promptIds.slice(known.tokens), ofPrompt);
  if (maxTokens === 0) {
    yield { text: "", tokenIds: [], finishReason: "length", usage };
    return;
  }
  while (true) {
    await events.pause();
    signal?.throwIfAborted();
    const { data: logits, attention } = result;
    // Embedding tables are padded beyond the vocabulary; such a token has no text.
    logits.fill(-Infinity, tokenizer.vocabSize);
    const allowed = grammar && allowedBy(grammar, context);
    const sample = sampler.sample(logits, history, promptIds.length, allowed);
    history.push(sample.id);
    usage.completionTokens++;
    const logprobs = request.logprobs === undefined ? undefined : [describe(sample, tokenizer)];
    const isEnd = context.endIds.has(sample.id) && !ignoreEnd;
    if (grammar && !isEnd) grammar.push(sample.id);
    const { text, stopped } = stops.push(isEnd ? decoder.flush() : decoder.push(sample.id));
    const isFull = feed.length >= contextSize;
    const isEnough = usage.completionTokens >= maxTokens || (isFull && !shift);
    const cut: FinishReason | undefined = isEnough ? "length" : guard?.push(sample.id) ? "loop" : undefined;
    const finishReason = stopped || isEnd || grammar?.isOver ? "stop" : cut;
    const chunk: GenerateChunk = {
      text,
      tokenIds: [sample.id],
      ...(logprobs && { logprobs }),
      ...(attention && { attention }),
    };
    if (finishReason) {
      // What was held back as the possible beginning of a stop string is text after all.
      if (!stopped) chunk.text += lastText(stops, isEnd ? "" : decoder.flush());
      yield { ...chunk, ...endOf(finishReason, stops), usage };
      return;
    }
    yield chunk;
    signal?.throwIfAborted();
    if (isFull) await sequence.drop(shift!.sinks, shift!.sinks + shift!.tokens, { signal });
    result = await feed.next(history, maxTokens - usage.completionTokens);
  }
}

/** Who is told how far the prompt is. */
function listenersOf({ onFewerTiles, onPictureProgress, onPromptProgress }: GenerateRequest) {
  return { onFewerTiles, onPictureProgress, onPromptProgress };
}

/** The tokens that a grammar allows, and where the answer may end those that end it. */
function allowedBy(grammar: GrammarState, { endIds, vocabularySize }: GenerateContext): Uint32Array {
  const allowed = new Uint32Array((vocabularySize + 31) >> 5);
  allowed.set(grammar.mask().subarray(0, allowed.length));
  if (grammar.mayEnd) { for (const id of endIds) allowed[id >> 5] |= 1 << (id & 31); }
  return allowed;
}

function checkMaxTokens(maxTokens: number): void {
  if (maxTokens === Infinity || (Number.isInteger(maxTokens) && maxTokens >= 0)) return;
  throw new RemoraError("BAD_ARGUMENT", "Cannot use maxTokens", {
    expected: "an integer from 0 on",
    found: `${maxTokens}`,
  });
}

/** Why an answer ended, and by which stop string. */
function endOf(
  finishReason: FinishReason,
  { found }: StopStrings,
): Pick<GenerateChunk, "finishReason" | "stop"> {
  return { finishReason, ...(found !== undefined && { stop: found }) };
}

function lastText(stops: StopStrings, rest: string): string {
  const { text, stopped } = stops.push(rest);
  return stopped ? text : text + stops.flush();
}

/** What is forgotten of a full context: the `tokens` tokens that follow the first `sinks`. */
interface ContextShift {
  sinks: number;
  tokens: number;
}

/** @throws {RemoraError} CONTEXT_OVERFLOW for a context that holds nothing but the first tokens. */
function shiftOf({ promptIds, pictureToken, beginId, contextSize }: GenerateContext): ContextShift {
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
function shortened(
  { promptIds, images, pictureToken, contextSize }: GenerateContext,
  { sinks, tokens }: ContextShift,
): { promptIds: number[]; images: PromptImage[] } {
  const surplus = promptIds.length - contextSize;
  if (surplus <= 0) return { promptIds, images };
  let begin = sinks, end = sinks + Math.ceil(surplus / tokens) * tokens;
  const places = promptIds.flatMap((id, place) => id === pictureToken ? [place] : []);
  let at = 0;
  const placed = images.map((image) => ({
    image,
    first: places[at],
    last: places[(at += image.tokens) - 1],
  }));
  // A picture is left out whole.
  for (const { first, last } of placed) {
    if (first >= end || last < begin) continue;
    begin = Math.min(begin, first);
    end = Math.max(end, last + 1);
  }
  const isKept = (place: number) => place < begin || place >= end;
  return {
    promptIds: promptIds.filter((_, place) => isKept(place)),
    images: placed.filter(({ first }) => first === undefined || isKept(first)).map(({ image }) => image),
  };
}

function describe({ id, logprob, top }: Sample, tokenizer: Tokenizer): TokenLogprobs {
  return {
    id,
    token: tokenizer.tokenText(id),
    logprob: logprob!,
    top: top!.map((entry) => ({ ...entry, token: tokenizer.tokenText(entry.id) })),
  };
}
