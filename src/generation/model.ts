/**
 * A loaded model.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { cannotSee, type ImageInput, type SeenImage } from "../image/input.ts";
import type { AnswerReader } from "../dialects/answer_parts.ts";
import {
  type AnswerRules,
  compileAnswer,
  nameOfRules,
  type Tool,
  type ToolUse,
} from "../dialects/answer_grammar.ts";
import { Dialect } from "../dialects/dialect.ts";
import { PlainReader } from "../dialects/free_text.ts";
import { reasoningState } from "../dialects/reasoning.ts";
import type { Grammar } from "../grammar/grammar.ts";
import { Grammars } from "../grammar/grammars.ts";
import type { HostEvents } from "../platform/events.ts";
import type { SamplingOptions } from "../sampling/sampler.ts";
import type { Engine } from "../sequence/engine.ts";
import { Sequence } from "../sequence/sequence.ts";
import type { ChatTemplate, RenderOptions } from "../text/chat_template.ts";
import type { Message } from "../text/messages.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { checkBudget, checkLength, checkRequest } from "./check_request.ts";
import { generate } from "./generate.ts";
import { withImageParts } from "./image_parts.ts";
import type { ModelInfo } from "./model_info.ts";
import { PooledStates, type Pooling } from "./pooling.ts";
import { placeImages } from "./placed_images.ts";
import type { PromptImage } from "./prompt_pieces.ts";
import type { BegunAnswer, Budget, Completion, GenerateChunk, GenerateRequest } from "./requests.ts";

/** A request that was checked, with its prompt. Made by `Model.prepare`, answered by `Model.run`. */
export interface PreparedRequest {
  /** The request itself. */
  readonly request: GenerateRequest;
  /** Its prompt. */
  readonly promptIds: readonly number[];
  /** Pictures in the order of their tokens. */
  readonly images: readonly SeenImage[];
  /** Takes the answer's text apart: thinking, calls of tools, text. */
  reader(): AnswerReader;
}

/** How a prepared request is answered. */
export interface RunOptions {
  /** See `GenerateRequest.sequence`. */
  sequence?: Sequence;
  /** In place of the request's: another answer to the same prompt. */
  seed?: number;
  /**
   * What this run may compute. One that would compute more ends with `finishReason` "budget" and with what `begun` takes; text that
   * may yet become part of a stop string comes with the rest. Not together with `contextShift`.
   */
  budget?: Budget;
  /**
   * Goes on with an answer that its budget ended. Its tokens come once more, marked `isRepeated`, and the rest is, bit by bit, that of
   * one run. The sequence is the one that it was begun in, or a restored snapshot; with another one all is computed anew.
   */
  begun?: BegunAnswer;
}

/** What belongs to a prepared request and is nobody else's business. */
const prepared = new WeakMap<PreparedRequest, { images: PromptImage[]; grammar?: Grammar }>();

/** What turns text into tokens and back. */
export interface ModelText {
  /** @throws {RemoraError} FILE_NOT_FOUND where the model has none. */
  readonly tokenizer: Tokenizer;
  /** @throws {RemoraError} FILE_NOT_FOUND where the model has none, BAD_TEMPLATE. */
  readonly template: ChatTemplate;
}

/** Ids that end an answer, and the model's own sampling settings. */
export interface GenerationDefaults {
  endIds: ReadonlySet<number>;
  /** The token that begins a text. */
  beginId?: number;
  sampling: SamplingOptions;
  /** Of which states an embedding is made; default: the last token's. */
  pooling?: Pooling;
}

/** What a model is made of. */
export interface ModelParts {
  info: ModelInfo;
  engine: Engine;
  /** The threads that compute, and in how many memories. */
  kernels: {
    threads: number;
    variant: "relaxed" | "strict";
    vectorBits: 128 | 256;
    memories: number;
    close(): Promise<void>;
  };
  text: ModelText;
  defaults: GenerationDefaults;
  events: HostEvents;
}

/**
 * A model in memory, ready to answer. Made by {@linkcode loadModel}; dispose it to end its threads.
 *
 * Any number of sequences may exist; their steps take turns on the model's threads.
 */
export class Model implements AsyncDisposable {
  /** Architecture, sizes, per-module formats and memory. */
  readonly info: ModelInfo;
  /** Absent when disposed: whoever keeps the model then keeps no memories. */
  #loaded?: Pick<ModelParts, "engine" | "kernels">;
  readonly #text: ModelText;
  readonly #defaults: GenerationDefaults;
  readonly #events: HostEvents;
  readonly #grammars = new Grammars(() => this.tokenizer);

  /** Made by `loadModel`. */
  constructor({ info, text, defaults, events, ...loaded }: ModelParts) {
    this.info = info;
    this.#loaded = loaded;
    this.#text = text;
    this.#defaults = defaults;
    this.#events = events;
  }

  /**
   * Text to ids and back.
   *
   * @throws {RemoraError} FILE_NOT_FOUND when the model has no tokenizer.json.
   */
  get tokenizer(): Tokenizer {
    return this.#text.tokenizer;
  }

  /** How the model's own generation_config.json wants tokens to be chosen, where a request does not say. */
  get samplingDefaults(): Readonly<SamplingOptions> {
    return { ...this.#defaults.sampling };
  }

  /** How many threads compute, with which kernels, how wide, and in how many memories the model lies. */
  get engine(): {
    threads: number;
    kernels: "relaxed" | "strict";
    vectorBits: 128 | 256;
    memories: number;
  } {
    const { threads, variant, vectorBits, memories } = this.#parts.kernels;
    return { threads, kernels: variant, vectorBits, memories };
  }

  /**
   * The conversation in the model's chat template, ready for `tokenizer.encode` without special tokens added: the template
   * writes them itself.
   *
   * @throws {RemoraError} FILE_NOT_FOUND where the model has none, BAD_TEMPLATE, BAD_ARGUMENT when it refuses the messages.
   */
  chatPrompt(messages: Message[], options: RenderOptions = {}): string {
    return this.#text.template.render(withImageParts(messages), options);
  }

  /** A sequence of its own; dispose it to give its memory back. */
  createSequence(): Sequence {
    return new Sequence(this.#engine);
  }

  /**
   * Answers piece by piece.
   *
   * Sampling: an option that the request does not give comes from the model's generation_config.json; a model that does
   * not ask for sampling there is greedy.
   *
   * @throws {RemoraError} While iterating: BAD_ARGUMENT, CONTEXT_OVERFLOW, OUT_OF_MEMORY, BAD_TEMPLATE, UNSUPPORTED for
   * what a schema or grammar asks and is not supported, and for pictures shown to a text model; BAD_IMAGE for pictures that
   * cannot be decoded or have no place in the prompt; FILE_NOT_FOUND for messages where the model has no chat template. The signal's reason when it fires.
   *
   * @example Print an answer as it comes
   * ```ts
   * import { loadModel } from "../../mod.ts";
   * async function ask(path: string, question: string): Promise<void> {
   *   await using model = await loadModel(path);
   *   for await (const chunk of model.generate({ messages: [{ role: "user", content: question }] })) {
   *     console.log(chunk.text);
   *   }
   * }
   * ```
   */
  async *generate(request: GenerateRequest): AsyncGenerator<GenerateChunk, void, void> {
    yield* this.run(await this.prepare(request), { sequence: request.sequence });
  }

  /**
   * Checks a request and makes its prompt, for callers who choose a sequence by what the prompt begins with.
   *
   * @throws {RemoraError} As {@linkcode Model.generate}, for all that is known before anything is computed.
   */
  async prepare(request: GenerateRequest): Promise<PreparedRequest> {
    const { pictures } = this.#engine;
    checkRequest(request);
    const placed = placeImages({
      ...request,
      messages: request.messages && withImageParts(request.messages),
    });
    if (placed.images.length > 0 && !pictures) throw cannotSee();
    const images = await this.#named(placed.images, request.maxTiles);
    const { text, ids } = this.#prompt({ ...request, messages: placed.messages }, images);
    const dialect = request.messages && new Dialect(this.#text.template.source, request.toolCallFormat);
    const tools = toolUse(request, dialect);
    const rules: AnswerRules = {
      constraint: request,
      tools,
      reasoning: dialect?.reasoning &&
        { marks: dialect.reasoning, state: reasoningState(dialect.reasoning, text) },
    };
    const name = nameOfRules(rules);
    const { tokenizer } = this;
    const grammar = name === undefined
      ? undefined
      : this.#grammars.get(name, (store) => compileAnswer(store, rules, tokenizer));
    const keepSpecialTokens = request.keepSpecialTokens ?? tools?.format.keepsSpecialTokens;
    const result: PreparedRequest = {
      request: { ...request, keepSpecialTokens },
      promptIds: ids,
      images,
      reader: () =>
        dialect?.reader(
          text,
          tools?.tools.map((tool) => tool.function),
          tools !== undefined && tools.choice !== "auto",
        ) ?? new PlainReader(),
    };
    prepared.set(result, { images, grammar });
    return result;
  }

  /**
   * Answers a prepared request; as often as it is asked to.
   *
   * @example In pieces of 16 tokens
   * ```ts
   * import { type BegunAnswer, type Model } from "../../mod.ts";
   * async function answer(model: Model, prompt: string): Promise<string> {
   *   using sequence = model.createSequence();
   *   const request = await model.prepare({ prompt, maxTokens: 200 });
   *   const budget = { tokens: 16, promptTokens: 512 };
   *   let text = "", begun: BegunAnswer | undefined;
   *   do {
   *     const chunks = model.run(request, { sequence, budget, begun });
   *     begun = undefined;
   *     for await (const chunk of chunks) {
   *       if (!chunk.isRepeated) text += chunk.text;
   *       begun = chunk.begun;
   *     }
   *   } while (begun);
   *   return text;
   * }
   * ```
   *
   * @throws {RemoraError} As {@linkcode Model.generate}; BAD_ARGUMENT for a request that `prepare` did not make.
   */
  async *run(
    request: PreparedRequest,
    { sequence, seed, budget, begun }: RunOptions = {},
  ): AsyncGenerator<GenerateChunk, void, void> {
    const { pictures, contextSize, decoder } = this.#engine;
    const known = prepared.get(request);
    if (!known) throw new RemoraError("BAD_ARGUMENT", "Cannot generate", { expected: "a prepared request" });
    if (budget) checkBudget(budget);
    if (request.request.contextShift && (budget || begun)) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot use contextShift", {
        expected: "none together with a budget: what a context has forgotten cannot be begun again",
      });
    }
    const used = sequence ?? this.createSequence();
    const drawn = { seed: begun?.seed ?? seed };
    const asked = { ...this.#defaults.sampling, ...given(request.request), ...given(drawn) };
    try {
      yield* generate(asked, {
        tokenizer: this.tokenizer,
        promptIds: [...request.promptIds],
        images: known.images,
        pictureToken: pictures?.model.pictureToken,
        beginId: this.#defaults.beginId,
        sequence: used,
        endIds: this.#defaults.endIds,
        contextSize,
        vocabularySize: decoder.config.vocabularySize,
        events: this.#events,
        grammar: known.grammar?.begin(),
        budget,
        begun,
      });
    } finally {
      if (!sequence) used.dispose();
    }
  }

  /**
   * The embedding of a text: the model's states behind its last norm, of the last token or the mean of all as the checkpoint says,
   * scaled to length 1.
   *
   * @returns f32 [hidden size].
   * @throws {RemoraError} As `Sequence.forward`. The signal's reason when it fires.
   */
  async embed(
    tokenIds: ArrayLike<number>,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<Float32Array<ArrayBuffer>> {
    using sequence = this.createSequence();
    const states = new PooledStates(this.#defaults.pooling ?? "last");
    const trace = (name: string, value: { shape: number[]; data: Float32Array }) => {
      if (name === "norm") states.add(value.data, value.shape[1]);
    };
    await sequence.forward(tokenIds, { logits: "none", signal, trace });
    return states.embedding();
  }

  /**
   * How often signals and sockets are looked at while something is computed, in milliseconds; 100 by default. Each look costs 0.1 to
   * 0.3 ms.
   */
  set eventInterval(milliseconds: number) {
    this.#events.interval = milliseconds;
  }

  /** The whole answer at once; see {@linkcode Model.generate}. */
  async complete(request: GenerateRequest): Promise<Completion> {
    const completion: Completion = {
      text: "",
      tokenIds: [],
      finishReason: "length",
      usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0 },
      ...(request.logprobs !== undefined && { logprobs: [] }),
    };
    for await (const chunk of this.generate(request)) {
      completion.text += chunk.text;
      completion.tokenIds.push(...chunk.tokenIds);
      completion.logprobs?.push(...chunk.logprobs ?? []);
      if (chunk.finishReason) completion.finishReason = chunk.finishReason;
      if (chunk.usage) completion.usage = chunk.usage;
    }
    return completion;
  }

  /**
   * Ends the threads and lets go of the memories; the JavaScript engine frees them when it next looks for garbage, which
   * memories that grow make it do.
   */
  async dispose(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    await loaded?.kernels.close();
  }

  /** The same, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  get #parts(): Pick<ModelParts, "engine" | "kernels"> {
    if (this.#loaded) return this.#loaded;
    throw new RemoraError("BAD_ARGUMENT", "Cannot use the model", { found: "a disposed one" });
  }

  get #engine(): Engine {
    return this.#parts.engine;
  }

  /** The pictures by the names of their contents, with the number of their tokens. */
  async #named(images: readonly ImageInput[], maxTiles?: number): Promise<PromptImage[]> {
    const { pictures } = this.#engine;
    if (!pictures) return [];
    const named = await pictures.named(images, maxTiles);
    const tokens = await pictures.tokensOf(named);
    return named.map((image, i) => ({ ...image, tokens: tokens[i] }));
  }

  /**
   * A prompt without a chat template. Models that look at pictures take a begin token that is there as it is, and add a missing
   * one after the leading pictures (transformers, `build_string_from_input`).
   */
  #encode(prompt: string): number[] {
    const { pictures } = this.#engine;
    if (!pictures) return this.#encodeText(prompt);
    const ids = this.tokenizer.encode(prompt);
    const { beginId } = this.#defaults;
    if (beginId === undefined || ids.includes(beginId)) return ids;
    const leading = ids.findIndex((id) => id !== pictures.model.pictureToken);
    return ids.toSpliced(leading < 0 ? ids.length : leading, 0, beginId);
  }

  /** What the tokenizer makes of a text, without a second begin token where the text has one, as chat templates write it. */
  #encodeText(prompt: string): number[] {
    const [first, second, ...others] = this.tokenizer.encode(prompt, { addSpecialTokens: true });
    const isTwice = first === second && this.tokenizer.isSpecial(first) &&
      this.tokenizer.encode(prompt)[0] === first;
    return [
      ...(first === undefined || isTwice ? [] : [first]),
      ...(second === undefined ? [] : [second]),
      ...others,
    ];
  }

  /** The ids with as many picture tokens as each picture takes in place of its one. */
  #expanded(ids: number[], images: readonly PromptImage[]): number[] {
    const { pictures } = this.#engine;
    if (pictures?.model.join !== "sequence") return ids;
    let next = 0;
    return ids.flatMap((id) => {
      const isPicture = id === pictures.model.pictureToken && next < images.length;
      return isPicture ? new Array<number>(images[next++].tokens).fill(id) : [id];
    });
  }

  /** The ids of a prompt, and the text where that is known. */
  #prompt(
    { prompt, messages, tools, toolChoice, variables }: GenerateRequest,
    images: readonly PromptImage[],
  ): { text: string; ids: number[] } {
    if ((prompt === undefined) === (messages === undefined)) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot generate", {
        expected: "one of prompt and messages",
        found: prompt === undefined ? "neither" : "both",
      });
    }
    const shown = toolChoice === "none" ? undefined : tools;
    const text = messages !== undefined && messages.length > 0
      ? this.chatPrompt(messages, { tools: shown, variables })
      : typeof prompt === "string"
      ? prompt
      : "";
    checkLength(text, this.tokenizer, this.#engine.contextSize);
    const ids = messages !== undefined && messages.length > 0
      ? this.tokenizer.encode(text)
      : typeof prompt === "string" && prompt !== ""
      ? this.#encode(prompt)
      : Array.from(typeof prompt === "string" ? [] : prompt ?? []);
    // Ids are taken as they are; text has one picture token for each picture.
    if (ids.length > 0) return { text, ids: isText(prompt, messages) ? this.#expanded(ids, images) : ids };
    throw new RemoraError("BAD_ARGUMENT", "Cannot generate", {
      expected: "a prompt",
      found: "an empty prompt",
    });
  }
}

function isText(prompt: GenerateRequest["prompt"], messages: Message[] | undefined): boolean {
  return messages !== undefined || typeof prompt === "string";
}

/** How tools are to be called, where the request says whether they are. */
function toolUse(request: GenerateRequest, dialect: Dialect | undefined): ToolUse | undefined {
  const { tools = [], toolChoice, parallelToolCalls = true } = request;
  if (!dialect || toolChoice === undefined || toolChoice === "none") return undefined;
  const named = typeof toolChoice === "object" ? toolChoice.name : undefined;
  const known = (tools as Tool[]).map((tool) => tool?.function?.name);
  const found = known.find((name) => typeof name !== "string" || !TOOL_NAME.test(name));
  if (tools.length === 0 || known.includes(found!) || (named !== undefined && !known.includes(named))) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot call tools", {
      expected: named === undefined ? `tools with names of ${TOOL_NAME.source}` : `a tool named ${named}`,
      found: known.join(", ") || "no tools",
    });
  }
  return { tools: tools as Tool[], choice: toolChoice, isParallel: parallelToolCalls, format: dialect.tools };
}

/** Names that every family can write; OpenAI's API has the same rule. */
const TOOL_NAME = /^[\w.-]{1,128}$/;

/** The options that are there; `undefined` must not hide a default. */
function given(request: GenerateRequest): GenerateRequest {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
}
