/**
 * From messages to the prompt a model was trained on.
 *
 * @module
 */

import { Environment, parse, tokenize } from "@huggingface/jinja";
import { RemoraError } from "../core/errors.ts";
import { BoundedInterpreter, boundedRange, TemplateLimitError } from "./bounded_interpreter.ts";
import type { ContentPart, Message } from "./messages.ts";
import { strftime } from "./strftime.ts";

/** Characters of a template; the longest published ones have about 30,000. */
const SOURCE_CHARACTERS_MAX = 1 << 17;
/** White space in a row: the lexer's patterns take time by the square of it. Real templates indent by tens. */
const WHITE_SPACE_RUN_MAX = 512;
/** A text that appears in the prompt when a template writes what it is given. */
const PROBE = "content form probe";

/** What goes into a prompt besides the messages. */
export interface RenderOptions {
  /** End with the header of the assistant's turn; default true. */
  addGenerationPrompt?: boolean;
  /** Descriptions of tools, in the form the template expects (usually OpenAI's). */
  tools?: unknown[];
  /** Variables of the template by name, such as `enable_thinking`. */
  variables?: Record<string, unknown>;
  /** What `strftime_now` writes; default the present. */
  now?: Date;
}

/** A message as the template sees it. */
type TemplateMessage = Omit<Message, "content"> & { content: string | ContentPart[] | null };

/**
 * A checkpoint's chat template, run as transformers runs it, with limits: see {@linkcode BoundedInterpreter}.
 *
 * Contents are adapted to what the template can read, which is found out by rendering a probe: text parts are
 * joined by line breaks (as vLLM and llama.cpp do) for a template that wants strings, and a string becomes a
 * text part for one that wants parts.
 */
export class ChatTemplate {
  readonly #program: ReturnType<typeof parse>;
  readonly #specials: Record<string, string>;
  readonly #label: string;
  #readsStrings?: boolean;
  #readsParts?: boolean;

  /**
   * @param source Jinja source.
   * @param specials Special tokens by name, e.g. `bos_token`.
   * @param label File the template came from, for messages.
   * @throws {RemoraError} `BAD_TEMPLATE` when it does not parse.
   */
  constructor(source: string, specials: Record<string, string>, label: string) {
    this.#specials = { ...specials };
    this.#label = label;
    if (source.length > SOURCE_CHARACTERS_MAX) {
      throw this.#bad("parse", `at most ${SOURCE_CHARACTERS_MAX} characters`, `${source.length}`);
    }
    if (longestWhiteSpace(source) > WHITE_SPACE_RUN_MAX) {
      throw this.#bad("parse", `at most ${WHITE_SPACE_RUN_MAX} white-space characters in a row`, "more");
    }
    try {
      this.#program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
    } catch (cause) {
      throw this.#bad("parse", "a Jinja template", messageOf(cause), cause);
    }
  }

  /**
   * Writes the prompt. Special tokens in it come from the template and from the messages alike; pictures appear
   * as the template's image token.
   *
   * @throws {RemoraError} `BAD_TEMPLATE` when the template fails, does not end or grows too large;
   * `BAD_ARGUMENT` when the template refuses the messages, or they hold what it cannot write.
   */
  render(messages: Message[], options: RenderOptions = {}): string {
    return this.#run(messages.map((message, i) => this.#adapt(message, i)), options);
  }

  #run(messages: TemplateMessage[], { addGenerationPrompt = true, tools, now }: RenderOptions): string {
    const environment = new Environment();
    const variables: Record<string, unknown> = {
      ...this.#specials,
      messages,
      tools: tools ?? null,
      documents: null,
      add_generation_prompt: addGenerationPrompt,
      true: true,
      True: true,
      false: false,
      False: false,
      none: null,
      None: null,
      range: boundedRange,
      strftime_now: (format: string) => strftime(now ?? new Date(), format),
      raise_exception: (message: unknown) => {
        throw new RemoraError("BAD_ARGUMENT", "The chat_template refuses these messages, in", {
          file: this.#label,
          found: String(message),
        });
      },
    };
    for (const [name, value] of Object.entries(variables)) {
      if (name !== "namespace") environment.set(name, value);
    }
    try {
      const size = countCharacters(messages) + countCharacters(tools);
      return String(new BoundedInterpreter(environment, size).run(this.#program).value);
    } catch (cause) {
      if (cause instanceof RemoraError) throw cause;
      if (cause instanceof TemplateLimitError) throw this.#bad("render", cause.message, "more", cause);
      throw this.#bad("render", "a template that fits the messages", messageOf(cause), cause);
    }
  }

  /** Checks a message and gives its content the form that the template reads. */
  #adapt(message: Message, index: number): TemplateMessage {
    const refuse = (expected: string, found: unknown) =>
      new RemoraError("BAD_ARGUMENT", `Cannot render message ${index}`, { expected, found: String(found) });
    if (typeof message?.role !== "string") throw refuse("a role", message?.role);
    const { content } = message;
    if (typeof content === "string") {
      if (this.#canReadStrings() || !this.#canReadParts()) return message;
      return { ...message, content: [{ type: "text", text: content }] };
    }
    // An assistant's turn that only calls tools has no content in OpenAI's shape.
    if (content === undefined || content === null) {
      if (message.tool_calls === undefined) throw refuse("content", content);
      return { ...message, content: null };
    }
    if (!Array.isArray(content)) throw refuse("content that is a string or a list of parts", typeof content);
    const parts = content.map((part) => {
      if (part?.type === "text" && typeof part.text === "string") return part;
      // Only the kind: templates do not read the picture itself.
      if (part?.type === "image") return { type: "image" as const };
      throw refuse("parts of type text or image", part?.type);
    });
    if (this.#canReadParts()) return { ...message, content: parts };
    const texts = parts.map((part) => {
      if (part.type === "image") throw refuse("text only, as the chat_template has no pictures", "an image");
      return part.text;
    });
    return { ...message, content: texts.join("\n") };
  }

  #canReadStrings(): boolean {
    return this.#readsStrings ??= this.#probe(PROBE);
  }

  #canReadParts(): boolean {
    return this.#readsParts ??= this.#probe([{ type: "text", text: PROBE }]);
  }

  /** Whether the template writes the text of such a content, and not the list as JSON. */
  #probe(content: string | ContentPart[]): boolean {
    try {
      const prompt = this.#run([{ role: "user", content }], { addGenerationPrompt: false });
      return prompt.includes(PROBE) && !prompt.includes(`"${PROBE}"`);
    } catch (error) {
      // One that does not end would cost as much again: give up at once.
      if (error instanceof RemoraError && error.cause instanceof TemplateLimitError) throw error;
      return false;
    }
  }

  #bad(verb: string, expected: string, found: string, cause?: unknown): RemoraError {
    return new RemoraError("BAD_TEMPLATE", `Cannot ${verb} chat_template of`, {
      file: this.#label,
      expected,
      found,
      cause,
    });
  }
}

function longestWhiteSpace(text: string): number {
  return text.match(/\s+/g)?.reduce((longest, run) => Math.max(longest, run.length), 0) ?? 0;
}

/** Characters of all strings in a value. */
function countCharacters(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 1;
  return Object.entries(value).reduce((sum, [key, inner]) => sum + key.length + countCharacters(inner), 1);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
