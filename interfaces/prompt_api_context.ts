/**
 * What a session of the Prompt API remembers, and what it forgets when the context is full.
 *
 * @module
 */
import { RemoraError } from "../src/core/errors.ts";
import type { Model } from "../src/generation/model.ts";
import { placeImages } from "../src/generation/placed_images.ts";
import type { GenerateRequest } from "../src/generation/requests.ts";
import type { Message } from "../src/text/messages.ts";
import { browserError, quotaExceeded } from "./prompt_api_errors.ts";

/** What all clones of a session share. */
export interface SessionParts {
  /** What answers. */
  model: Model;
  /** Tokens are chosen among so many of the likeliest. */
  topK: number;
  /** 0: the likeliest token is chosen. */
  temperature: number;
  /** Kinds of inputs. */
  types: ReadonlySet<string>;
}

/** The messages of a session, and their tokens. */
export class Context {
  readonly #model: Model;
  /** What was said so far. */
  messages: readonly Message[] = [];
  /** Tokens of it. */
  usage = 0;

  constructor(model: Model) {
    this.#model = model;
  }

  /** Tokens that there may be. */
  get size(): number {
    return this.#model.info.contextSize;
  }

  /** Replaces what was said. */
  keep(messages: readonly Message[], usage: number): void {
    this.messages = messages;
    this.usage = usage;
  }

  /** How many tokens more messages would take. */
  async measure(added: readonly Message[], prefix?: string): Promise<number> {
    const all = await this.#count([...this.messages, ...added], prefix);
    return all - await this.#count(this.messages);
  }

  /**
   * Which earlier messages there is room for: the oldest prompts and their answers are forgotten, the system's message never.
   *
   * @throws {QuotaExceeded} When all of them do not make room enough.
   */
  async fit(
    added: readonly Message[],
    prefix?: string,
  ): Promise<{ kept: Message[]; count: number; isShorter: boolean }> {
    const system = this.messages.filter(({ role }) => role === "system");
    let rest = this.messages.slice(system.length);
    while (true) {
      const kept = [...system, ...rest];
      const count = await this.#count([...kept, ...added], prefix);
      // One token is left for an answer.
      if (count < this.size) return { kept, count, isShorter: kept.length < this.messages.length };
      if (rest.length === 0) {
        throw quotaExceeded(await this.measure(added, prefix), Math.max(0, this.size - this.usage));
      }
      const answer = rest.findIndex(({ role }) => role === "assistant");
      rest = answer < 0 ? [] : rest.slice(answer + 1);
    }
  }

  /** The request for an answer; one that has begun follows what the template makes of the messages before it. */
  requestFor(messages: Message[], prefix?: string): Pick<GenerateRequest, "messages" | "prompt" | "images"> {
    if (prefix === undefined) return { messages };
    return { prompt: this.#model.chatPrompt(messages) + prefix, images: placeImages({ messages }).images };
  }

  /** Tokens of a conversation, with those of its pictures and of the template. */
  async #count(messages: readonly Message[], prefix = ""): Promise<number> {
    if (messages.length === 0) return 0;
    const { tokenizer } = this.#model;
    try {
      const { promptIds } = await this.#model.prepare({ messages: [...messages] });
      return promptIds.length + tokenizer.encode(prefix).length;
    } catch (error) {
      if (!(error instanceof RemoraError) || error.code !== "CONTEXT_OVERFLOW") throw browserError(error);
      // So long that it is not even made tokens, each of which has at most so many bytes.
      const characters = this.#model.chatPrompt([...messages]).length;
      return Math.max(this.size + 1, Math.ceil(characters / tokenizer.tokenBytesMax));
    }
  }
}
