/**
 * The token loop.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { yieldToEvents } from "../core/yield.ts";
import { type ImageInput, imageKey } from "../image/input.ts";
import { StopStrings } from "../text/stop_strings.ts";
import { StreamDecoder } from "../text/stream_decoder.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { FinishReason, GenerateChunk, GenerateRequest, TokenLogprobs } from "./requests.ts";
import { type Sample, Sampler } from "./sampler.ts";
import type { Sequence } from "./sequence.ts";
import { type NextToken, TokenFeed } from "./token_feed.ts";

/** What the loop needs beside the request. */
export interface GenerateContext {
  tokenizer: Tokenizer;
  promptIds: number[];
  /** Pictures, one for each of the prompt's picture tokens. */
  images: ImageInput[];
  imageToken?: number;
  sequence: Sequence;
  /** Ids that end an answer. */
  endIds: ReadonlySet<number>;
  contextSize: number;
  vocabularySize: number;
}

/**
 * Feeds the prompt, then samples token by token. Text is emitted as soon as it is certain: whole characters that cannot
 * become part of a stop string.
 *
 * @throws {RemoraError} As `Sequence.forward`; BAD_ARGUMENT for an option out of range. The signal's reason when it fires.
 */
export async function* generate(
  request: GenerateRequest,
  { tokenizer, promptIds, images, imageToken, sequence, endIds, contextSize, vocabularySize }:
    GenerateContext,
): AsyncGenerator<GenerateChunk, void, void> {
  const { signal, maxTokens = Infinity } = request;
  if (maxTokens !== Infinity && (!Number.isInteger(maxTokens) || maxTokens < 0)) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot use maxTokens", {
      expected: "an integer from 0 on",
      found: `${maxTokens}`,
    });
  }
  const sampler = new Sampler(request, vocabularySize);
  const decoder = new StreamDecoder(tokenizer, { skipSpecialTokens: true, beginsText: false });
  const stops = new StopStrings(request.stop ?? []);
  const history = [...promptIds];
  const options = { signal, attention: request.attention };
  using feed = new TokenFeed(sequence, {
    ...options,
    promptLookup: request.promptLookup,
    contextSize,
    imageToken,
  });
  const known = await knownPrefix(sequence, promptIds, images, imageToken);
  const cachedTokens = known.tokens;
  const usage = { promptTokens: promptIds.length, cachedTokens, completionTokens: 0 };
  if (maxTokens === 0) {
    yield { text: "", tokenIds: [], finishReason: "length", usage };
    return;
  }

  sequence.truncate(known.tokens);
  let result: NextToken = await sequence.forward(promptIds.slice(known.tokens), {
    ...options,
    images: images.slice(known.pictures),
    onPictureProgress: request.onPictureProgress,
  });
  while (true) {
    await yieldToEvents();
    signal?.throwIfAborted();
    const { data: logits, attention } = result;
    // Embedding tables are padded beyond the vocabulary; such a token has no text.
    logits.fill(-Infinity, tokenizer.vocabSize);
    const sample = sampler.sample(logits, history, promptIds.length);
    history.push(sample.id);
    usage.completionTokens++;
    const logprobs = request.logprobs === undefined ? undefined : [describe(sample, tokenizer)];
    const isEnd = endIds.has(sample.id);
    const { text, stopped } = stops.push(isEnd ? decoder.flush() : decoder.push(sample.id));
    const isFull = usage.completionTokens >= maxTokens || feed.length >= contextSize;
    const finishReason: FinishReason | undefined = stopped || isEnd ? "stop" : isFull ? "length" : undefined;
    const chunk: GenerateChunk = {
      text,
      tokenIds: [sample.id],
      ...(logprobs && { logprobs }),
      ...(attention && { attention }),
    };
    if (finishReason) {
      // What was held back as the possible beginning of a stop string is text after all.
      if (!stopped) chunk.text += lastText(stops, isEnd ? "" : decoder.flush());
      yield { ...chunk, finishReason, usage };
      return;
    }
    yield chunk;
    signal?.throwIfAborted();
    result = await feed.next(history, maxTokens - usage.completionTokens);
  }
}

function lastText(stops: StopStrings, rest: string): string {
  const { text, stopped } = stops.push(rest);
  return stopped ? text : text + stops.flush();
}

/**
 * What the sequence has in common with the prompt, tokens and pictures; the last token is always computed, for its logits.
 */
async function knownPrefix(
  sequence: Sequence,
  promptIds: readonly number[],
  images: readonly ImageInput[],
  imageToken: number | undefined,
): Promise<{ tokens: number; pictures: number }> {
  const known = sequence.tokenIds;
  const most = Math.min(known.length, promptIds.length - 1);
  let tokens = 0, pictures = 0;
  for (; tokens < most && known[tokens] === promptIds[tokens]; tokens++) {
    if (known[tokens] !== imageToken) continue;
    if (pictures >= images.length) break;
    if (await imageKey(images[pictures]) !== sequence.pictureKeys[pictures]) break;
    pictures++;
  }
  return { tokens, pictures };
}

function describe({ id, logprob, top }: Sample, tokenizer: Tokenizer): TokenLogprobs {
  return {
    id,
    token: tokenizer.tokenText(id),
    logprob: logprob!,
    top: top!.map((entry) => ({ ...entry, token: tokenizer.tokenText(entry.id) })),
  };
}
