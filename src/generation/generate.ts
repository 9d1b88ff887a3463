/**
 * The token loop.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { GrammarState } from "../grammar/grammar.ts";
import type { HostEvents } from "../platform/events.ts";
import { type Sample, Sampler } from "../sampling/sampler.ts";
import type { Sequence } from "../sequence/sequence.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { AnswerWriter } from "./answer_writer.ts";
import { checkMaxTokens } from "./check_request.ts";
import { type ContextShift, shiftOf, shortened } from "./context_shift.ts";
import { pieceOf, type PromptParts } from "./prompt_pieces.ts";
import type {
  BegunAnswer,
  Budget,
  FinishReason,
  GenerateChunk,
  GenerateRequest,
  TokenLogprobs,
} from "./requests.ts";
import { type NextToken, TokenFeed } from "./token_feed.ts";

/** What the loop needs besides the request. */
export interface GenerateContext extends PromptParts {
  tokenizer: Tokenizer;
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
  /** What may be computed; default: all. */
  budget?: Budget;
  /** The answer so far. */
  begun?: BegunAnswer;
}

/**
 * Feeds the prompt, then samples token by token. Text is emitted as soon as it is certain: whole characters that cannot
 * become part of a stop string.
 *
 * @throws {RemoraError} As `Sequence.forward`; BAD_ARGUMENT for an option out of range, and for a begun answer that is none to
 * this request. The signal's reason when it fires.
 */
export async function* generate(
  request: GenerateRequest,
  context: GenerateContext,
): AsyncGenerator<GenerateChunk, void, void> {
  const { maxTokens = Infinity } = request;
  checkMaxTokens(maxTokens);
  using answer = new Answer(request, context);
  yield* answer.repeat();
  const known = await answer.known();
  if (maxTokens === 0 && !request.sequence) return yield answer.nothing("length");
  using _reserved = answer.reserve(known);
  const first = await answer.read(known);
  if (!first) return yield answer.nothing("budget");
  if (maxTokens === 0) return yield answer.nothing("length");
  yield* answer.write(first);
}

/** What a sequence has of a prompt. */
type KnownPrefix = Awaited<ReturnType<Sequence["commonPrefix"]>>;

/** One answer, or a part of one. */
class Answer implements Disposable {
  readonly #request: GenerateRequest;
  readonly #context: GenerateContext;
  readonly #sampler: Sampler;
  readonly #writer: AnswerWriter;
  readonly #shift?: ContextShift;
  /** The prompt as it is used. */
  readonly #prompt: Pick<PromptParts, "promptIds" | "images">;
  /** Prompt and answer. */
  readonly #history: number[];
  readonly #feed: TokenFeed;
  readonly #usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
  readonly #logprobs: TokenLogprobs[] = [];

  constructor(request: GenerateRequest, context: GenerateContext) {
    const { sequence, contextSize, pictureToken, begun, vocabularySize } = context;
    const { signal, attention, promptLookup, contextShift = false } = request;
    this.#request = request;
    this.#context = context;
    this.#sampler = new Sampler(request, vocabularySize);
    this.#writer = new AnswerWriter(request, context);
    this.#shift = contextShift ? shiftOf(context) : undefined;
    this.#prompt = this.#shift ? shortened(context, this.#shift) : context;
    this.#history = [...this.#prompt.promptIds, ...begun?.tokenIds ?? []];
    this.#usage.promptTokens = this.#prompt.promptIds.length;
    this.#feed = new TokenFeed(sequence, { signal, attention, promptLookup, contextSize, pictureToken });
  }

  /** What was said of a begun answer before, once more. */
  *repeat(): Generator<GenerateChunk, void, void> {
    const { begun, vocabularySize } = this.#context;
    if (!begun) return;
    const { tokenIds, logprobs = [] } = begun;
    const refuse = (found: string) =>
      new RemoraError("BAD_ARGUMENT", "Cannot go on with the answer", {
        expected: "the tokens of an answer to this request that is not over",
        found,
      });
    const wanted = this.#request.logprobs === undefined ? 0 : tokenIds.length;
    if (logprobs.length !== wanted) throw refuse(`${logprobs.length} probabilities for ${wanted} tokens`);
    for (const [i, id] of tokenIds.entries()) {
      const isId = Number.isInteger(id) && id >= 0 && id < vocabularySize;
      const written = isId ? this.#writer.push(id) : undefined;
      if (!written) throw refuse(`token ${id}`);
      this.#usage.completionTokens++;
      if (written.end || this.#usage.completionTokens >= this.#most) throw refuse("one that is");
      yield {
        text: written.text,
        tokenIds: [id],
        ...(wanted > 0 && { logprobs: [logprobs[i]] }),
        isRepeated: true,
      };
    }
    this.#logprobs.push(...logprobs);
    this.#sampler.skip(tokenIds.length);
  }

  /** What the sequence has of prompt and begun answer. */
  async known(): Promise<KnownPrefix> {
    const known = await this.#context.sequence.commonPrefix(this.#history, this.#prompt.images);
    this.#usage.cachedTokens = Math.min(known.tokens, this.#usage.promptTokens);
    return known;
  }

  /** Leaves what is known in the sequence, and takes memory for the rest. */
  reserve({ tokens }: KnownPrefix): Disposable {
    const { sequence, contextSize, budget } = this.#context;
    sequence.truncate(tokens);
    const wanted = Math.min(
      this.#usage.promptTokens + this.#most,
      this.#history.length + (budget?.tokens ?? Infinity),
    );
    return sequence.reserve(Math.min(contextSize, wanted));
  }

  /** Reads the prompt, or what the budget allows of it: then there are no logits. */
  async read(known: KnownPrefix): Promise<NextToken | undefined> {
    const { sequence, budget, pictureToken } = this.#context;
    const { signal, attention, onFewerTiles, onPictureProgress, onPromptProgress } = this.#request;
    const prompt = { promptIds: this.#history, images: this.#prompt.images, pictureToken };
    const { ids, images, isLast } = pieceOf(prompt, known, budget?.promptTokens ?? Infinity);
    const options = { signal, images, onFewerTiles, onPictureProgress, onPromptProgress };
    if (isLast) return await sequence.forward(ids, { ...options, attention });
    await sequence.forward(ids, { ...options, logits: "none" });
    return undefined;
  }

  /** Chooses token by token. */
  async *write(first: NextToken): AsyncGenerator<GenerateChunk, void, void> {
    const { sequence, events, budget } = this.#context;
    const { signal } = this.#request;
    const history = this.#history, shift = this.#shift;
    let left = budget?.tokens ?? Infinity;
    for (let result = first;;) {
      await events.pause();
      signal?.throwIfAborted();
      const { chunk, end } = this.#choose(result);
      left--;
      if (end) return yield { ...chunk, text: chunk.text + this.#writer.end(), ...this.#endOf(end) };
      if (left === 0) return yield { ...chunk, ...this.#endOf("budget") };
      yield chunk;
      signal?.throwIfAborted();
      if (this.#isFull) await sequence.drop(shift!.sinks, shift!.sinks + shift!.tokens, { signal });
      result = await this.#feed.next(history, this.#most - this.#usage.completionTokens);
    }
  }

  /** The last chunk of an answer that got no token. */
  nothing(finishReason: FinishReason): GenerateChunk {
    return { text: "", tokenIds: [], ...this.#endOf(finishReason) };
  }

  [Symbol.dispose](): void {
    this.#feed[Symbol.dispose]();
  }

  get #most(): number {
    return this.#request.maxTokens ?? Infinity;
  }

  get #isFull(): boolean {
    return this.#feed.length >= this.#context.contextSize;
  }

  #choose({ data: logits, attention }: NextToken): { chunk: GenerateChunk; end?: FinishReason } {
    const { tokenizer, grammar } = this.#context;
    // Embedding tables are padded beyond the vocabulary; such a token has no text.
    logits.fill(-Infinity, tokenizer.vocabSize);
    const allowed = grammar && allowedBy(grammar, this.#context);
    const sample = this.#sampler.sample(logits, this.#history, this.#usage.promptTokens, allowed);
    this.#history.push(sample.id);
    this.#usage.completionTokens++;
    const logprobs = this.#request.logprobs === undefined ? undefined : [describe(sample, tokenizer)];
    if (logprobs && this.#context.budget) this.#logprobs.push(...logprobs);
    const { text, end } = this.#writer.push(sample.id)!;
    const isEnough = this.#usage.completionTokens >= this.#most || (this.#isFull && !this.#shift);
    return {
      chunk: { text, tokenIds: [sample.id], ...(logprobs && { logprobs }), ...(attention && { attention }) },
      end: end === "stop" ? end : isEnough ? "length" : end,
    };
  }

  #endOf(finishReason: FinishReason): Pick<GenerateChunk, "finishReason" | "stop" | "usage" | "begun"> {
    const { stop } = this.#writer;
    return {
      finishReason,
      ...(stop !== undefined && { stop }),
      usage: this.#usage,
      ...(finishReason === "budget" && { begun: this.#begun }),
    };
  }

  get #begun(): BegunAnswer {
    return {
      seed: this.#sampler.seed,
      tokenIds: this.#history.slice(this.#usage.promptTokens),
      ...(this.#request.logprobs !== undefined && { logprobs: this.#logprobs }),
    };
  }
}

/** The tokens that a grammar allows, and where the answer may end those that end it. */
function allowedBy(grammar: GrammarState, { endIds, vocabularySize }: GenerateContext): Uint32Array {
  const allowed = new Uint32Array((vocabularySize + 31) >> 5);
  allowed.set(grammar.mask().subarray(0, allowed.length));
  if (grammar.mayEnd) { for (const id of endIds) allowed[id >> 5] |= 1 << (id & 31); }
  return allowed;
}

function describe({ id, logprob, top }: Sample, tokenizer: Tokenizer): TokenLogprobs {
  return {
    id,
    token: tokenizer.tokenText(id),
    logprob: logprob!,
    top: top!.map((entry) => ({ ...entry, token: tokenizer.tokenText(entry.id) })),
  };
}
