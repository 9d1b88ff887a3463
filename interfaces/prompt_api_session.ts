/**
 * A session of the Prompt API: a conversation in a sequence of its own.
 *
 * @module
 */
import { Turns } from "../src/core/turns.ts";
import type { Sequence } from "../src/sequence/sequence.ts";
import type { Message } from "../src/text/messages.ts";
import { Context, type SessionParts } from "./prompt_api_context.ts";
import { browserError } from "./prompt_api_errors.ts";
import { streamOf } from "./streams.ts";
import { constraintOf, messagesOf, type PromptInput, type PromptOptions } from "./prompt_api_inputs.ts";

/** Made by `LanguageModel.create`. */
export class Session extends EventTarget {
  /** Told when messages were forgotten to make room. */
  oncontextoverflow: ((event: Event) => unknown) | null = null;
  /** The older name of `oncontextoverflow`. */
  onquotaoverflow: ((event: Event) => unknown) | null = null;
  readonly #parts: SessionParts;
  readonly #sequence: Sequence;
  readonly #turns = new Turns();
  readonly #gone = new AbortController();
  readonly #context: Context;

  /** Made by `LanguageModel.create`. */
  constructor(parts: SessionParts) {
    super();
    this.#parts = parts;
    this.#sequence = parts.model.createSequence();
    this.#context = new Context(parts.model);
    this.addEventListener("contextoverflow", (event) => this.oncontextoverflow?.(event));
    this.addEventListener("quotaoverflow", (event) => this.onquotaoverflow?.(event));
  }

  /** Tokens that the session holds. */
  get contextUsage(): number {
    return this.#context.usage;
  }

  /** Tokens that it may hold. */
  get contextWindow(): number {
    return this.#context.size;
  }

  /** The older name of `contextUsage`. */
  get inputUsage(): number {
    return this.contextUsage;
  }

  /** The older name of `contextWindow`. */
  get inputQuota(): number {
    return this.contextWindow;
  }

  /** Tokens are chosen among so many of the likeliest. */
  get topK(): number {
    return this.#parts.topK;
  }

  /** 0: the likeliest token is chosen. */
  get temperature(): number {
    return this.#parts.temperature;
  }

  /** The whole answer. */
  async prompt(input: PromptInput, options: PromptOptions = {}): Promise<string> {
    let text = "";
    for await (const piece of this.#answer(input, options)) text += piece;
    return text;
  }

  /** The answer as it comes. */
  promptStreaming(input: PromptInput, options: PromptOptions = {}): ReadableStream<string> {
    return streamOf((signal) => this.#answer(input, { ...options, signal }), options.signal);
  }

  /** Reads messages without an answer. */
  async append(input: PromptInput, { signal }: { signal?: AbortSignal } = {}): Promise<undefined> {
    await this.#inTurn(signal, async (signal) => {
      const { messages, prefix } = await messagesOf(input, this.#parts.types);
      if (prefix !== undefined) throw new DOMException("A prefix belongs to a prompt.", "SyntaxError");
      await this.#read(messages, signal);
    });
  }

  /** Reads what a session begins with; called once. */
  async begin(initial: PromptInput, signal?: AbortSignal): Promise<void> {
    await this.#inTurn(signal, async (signal) => {
      const { messages } = await messagesOf(initial, this.#parts.types, true);
      if (messages.length > 0) await this.#read(messages, signal);
    });
  }

  /** How many tokens an input would take. */
  async measureContextUsage(input: PromptInput, options: PromptOptions = {}): Promise<number> {
    options.signal?.throwIfAborted();
    constraintOf(options);
    const { messages, prefix } = await messagesOf(input, this.#parts.types);
    return await this.#context.measure(messages, prefix);
  }

  /** The older name of `measureContextUsage`. */
  async measureInputUsage(input: PromptInput, options: PromptOptions = {}): Promise<number> {
    return await this.measureContextUsage(input, options);
  }

  /** Another session that holds the same; keys and values are copied, nothing is computed. */
  async clone({ signal }: { signal?: AbortSignal } = {}): Promise<Session> {
    return await this.#inTurn(signal, async () => {
      const snapshot = this.#sequence.length > 0 ? await this.#sequence.snapshot() : undefined;
      const copy = new Session(this.#parts);
      try {
        if (snapshot) await copy.#sequence.restore(snapshot);
      } catch (error) {
        copy.destroy();
        throw error;
      }
      copy.#context.keep(this.#context.messages, this.#context.usage);
      return copy;
    });
  }

  /** Ends what runs, and gives the memory back. */
  destroy(reason: unknown = new DOMException("The session was destroyed.", "AbortError")): undefined {
    this.#gone.abort(reason);
    this.#sequence.dispose();
  }

  async *#answer(input: PromptInput, options: PromptOptions): AsyncGenerator<string, void, void> {
    const { model, topK, temperature, types } = this.#parts;
    const sequence = this.#sequence;
    const signal = this.#signal(options.signal);
    using _turn = await this.#turns.enter(signal);
    try {
      const { messages: added, prefix } = await messagesOf(input, types);
      const { kept, count } = await this.#fit(added, prefix);
      const messages = [...kept, ...added];
      const maxTokens = Math.max(1, this.contextWindow - count);
      const chosen = { topK, temperature, maxTokens, signal, ...constraintOf(options) };
      const prepared = await model.prepare({ ...chosen, ...this.#context.requestFor(messages, prefix) });
      const reader = prepared.reader();
      let answer = prefix ?? "";
      for await (const { text, finishReason, usage } of model.run(prepared, { sequence })) {
        const parts = [...reader.push(text), ...finishReason ? reader.end() : []];
        const shown = parts.map((part) => part.type === "text" ? part.text : "").join("");
        answer += shown;
        if (usage) {
          this.#context.keep(
            [...messages, { role: "assistant", content: answer }],
            usage.promptTokens + usage.completionTokens,
          );
        }
        if (shown !== "") yield shown;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw browserError(error);
    }
  }

  async #read(added: Message[], signal: AbortSignal): Promise<void> {
    const { kept, count } = await this.#fit(added);
    const messages = [...kept, ...added];
    await this.#parts.model.complete({ messages, maxTokens: 0, sequence: this.#sequence, signal });
    this.#context.keep(messages, count);
  }

  /** Makes room, and tells when something was forgotten for it. */
  async #fit(added: Message[], prefix?: string): Promise<{ kept: Message[]; count: number }> {
    const { kept, count, isShorter } = await this.#context.fit(added, prefix);
    if (isShorter) {
      for (const name of ["contextoverflow", "quotaoverflow"]) this.dispatchEvent(new Event(name));
    }
    return { kept, count };
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    return AbortSignal.any([this.#gone.signal, ...signal ? [signal] : []]);
  }

  async #inTurn<T>(given: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = this.#signal(given);
    using _turn = await this.#turns.enter(signal);
    try {
      return await work(signal);
    } catch (error) {
      signal.throwIfAborted();
      throw browserError(error);
    }
  }
}
