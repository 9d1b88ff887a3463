/**
 * From messages to the prompt a model was trained on.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";
import { chooseForms, type TemplateMessage } from "./jinja/content_forms.ts";
import { countCharacters, fromJavaScript, NotPlainData } from "./jinja/from_javascript.ts";
import { TemplateLimitError } from "./jinja/meter.ts";
import { Template } from "./jinja/template.ts";
import { MissingFeature, PythonError, RaisedByTemplate } from "./jinja/values.ts";
import { templateFields } from "./message_fields.ts";
import type { Message } from "./messages.ts";
import { strftime } from "./strftime.ts";

/** Characters of a template; the longest published ones have about 30,000. */
const SOURCE_CHARACTERS_MAX = 1 << 17;
/** White space in a row. Real templates indent by tens. */
const WHITE_SPACE_RUN_MAX = 512;
/** Variables that are not the caller's. */
const RESERVED = ["messages", "tools", "add_generation_prompt", "documents"];

/** What goes into a prompt besides the messages. */
export interface RenderOptions {
  /** End with the header of the assistant's turn; default true. */
  addGenerationPrompt?: boolean;
  /** Descriptions of tools, in the form the template expects (usually OpenAI's). */
  tools?: unknown[];
  /** What `strftime_now` writes; default the present. */
  now?: Date;
  /**
   * More variables for the template, such as `enable_thinking`. They win over special tokens of the same name; `messages`, `tools`,
   * `add_generation_prompt` and `documents` are refused.
   */
  variables?: Record<string, unknown>;
}

/** Templates by name, where a checkpoint has several: `default`, `tool_use`. */
export type NamedTemplates = Readonly<Record<string, string>>;

/**
 * A checkpoint's chat template, computed as transformers does with Jinja2, within limits of time and memory: the same text or an
 * error, see docs/templates.md.
 *
 * A message's content reaches the template as it was given, a string or parts. Only where the template cannot take that form of
 * that message, but the other one, it is converted: text parts are joined by line breaks (as vLLM and llama.cpp
 * do), a string becomes a text part.
 */
export class ChatTemplate {
  readonly #templates = new Map<string, Template>();
  readonly #specials: Record<string, string>;
  readonly #label: string;
  /** The Jinja source of all of them. */
  readonly source: string;

  /**
   * @param source Jinja source; of several templates `tool_use` is for calls with tools.
   * @param specials Special tokens by name, e.g. `bos_token`.
   * @param label File the template came from, for messages.
   * @throws {RemoraError} `BAD_TEMPLATE` when it does not parse.
   */
  constructor(source: string | NamedTemplates, specials: Record<string, string>, label: string) {
    this.#specials = { ...specials };
    this.#label = label;
    this.source = typeof source === "string" ? source : Object.values(source).join("\n");
    for (const [name, text] of Object.entries(typeof source === "string" ? { default: source } : source)) {
      this.#templates.set(name, this.#parse(text));
    }
  }

  #parse(source: string): Template {
    if (source.length > SOURCE_CHARACTERS_MAX) {
      throw this.#bad("parse", `at most ${SOURCE_CHARACTERS_MAX} characters`, `${source.length}`);
    }
    if (longestWhiteSpace(source) > WHITE_SPACE_RUN_MAX) {
      throw this.#bad("parse", `at most ${WHITE_SPACE_RUN_MAX} white-space characters in a row`, "more");
    }
    try {
      return new Template(source);
    } catch (cause) {
      throw this.#failure("parse", "a Jinja template", cause);
    }
  }

  /**
   * Writes the prompt. Special tokens in it come from the template and from the messages alike; pictures appear
   * as the template's image token.
   *
   * @throws {RemoraError} `BAD_TEMPLATE` when the template fails, needs something that is not there, does not end or grows too
   * large; `BAD_ARGUMENT` when the template refuses the messages, or they hold what it cannot write.
   */
  render(messages: Message[], options: RenderOptions = {}): string {
    const checked = messages.map(checkMessage);
    const variables = this.#variables(options);
    const template = this.#choose(options.tools);
    // Marks of a search are not the caller's data.
    const size = countCharacters(checked) + countCharacters(variables) + 64 * checked.length;
    const run = (given: TemplateMessage[]) =>
      template.render(
        { ...variables, messages: given },
        size,
        (format) => strftime(options.now ?? new Date(), format),
      );
    try {
      const { messages: chosen, refusesPicture } = chooseForms(checked, (given) => attempt(() => run(given)));
      if (refusesPicture !== undefined) {
        throw refuseMessage(refusesPicture, "text only, as the chat_template has no pictures", "an image");
      }
      return run(chosen);
    } catch (cause) {
      throw this.#failure("render", "a template that fits the messages", cause);
    }
  }

  #choose(tools: unknown[] | undefined): Template {
    const isForTools = tools !== undefined && tools !== null && this.#templates.has("tool_use");
    const name = isForTools ? "tool_use" : "default";
    const template = this.#templates.get(name);
    if (template !== undefined) return template;
    const names = [...this.#templates.keys()].join(", ");
    throw this.#bad("choose", "a template named default", `only ${names}`);
  }

  #variables({ addGenerationPrompt = true, tools, variables = {} }: RenderOptions): Record<string, unknown> {
    for (const name of RESERVED) {
      if (!Object.hasOwn(variables, name)) continue;
      throw new RemoraError("BAD_ARGUMENT", `Cannot set the template's variable ${name}`, {
        expected: `other names than ${RESERVED.join(", ")}`,
        found: name,
      });
    }
    const given = { ...this.#specials, ...variables };
    for (const [name, value] of Object.entries({ ...given, tools })) {
      try {
        fromJavaScript(value);
      } catch (cause) {
        if (!(cause instanceof NotPlainData)) throw cause;
        throw new RemoraError("BAD_ARGUMENT", `Cannot give ${name} to the chat_template`, {
          expected: "plain data, as in JSON",
          found: cause.message,
        });
      }
    }
    return { tools: tools ?? null, documents: null, add_generation_prompt: addGenerationPrompt, ...given };
  }

  /** Says who refused: the template in its own words, a limit, or this interpreter. */
  #failure(verb: string, expected: string, cause: unknown): RemoraError {
    if (cause instanceof RemoraError) return cause;
    if (cause instanceof RaisedByTemplate) {
      return new RemoraError("BAD_ARGUMENT", "The chat_template refuses these messages, in", {
        file: this.#label,
        found: cause.message,
        cause,
      });
    }
    if (cause instanceof NotPlainData) {
      return new RemoraError("BAD_ARGUMENT", "Cannot render messages", {
        expected: "plain data, as in JSON",
        found: cause.message,
        cause,
      });
    }
    if (cause instanceof TemplateLimitError) return this.#bad(verb, cause.message, "more", cause);
    if (cause instanceof MissingFeature) {
      return this.#bad(verb, "what the interpreter of templates has", cause.message, cause);
    }
    const kind = cause instanceof PythonError ? `${cause.kind}: ` : "";
    return this.#bad(verb, expected, kind + (cause instanceof Error ? cause.message : String(cause)), cause);
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

/** undefined where the template fails; one that does not end would cost as much again and again. */
function attempt(run: () => string): string | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof PythonError || error instanceof RaisedByTemplate) return undefined;
    throw error;
  }
}

function refuseMessage(index: number, expected: string, found: unknown): RemoraError {
  return new RemoraError("BAD_ARGUMENT", `Cannot render message ${index}`, {
    expected,
    found: String(found),
  });
}

/** A message whose shape is right, without the pictures themselves. */
function checkMessage(message: Message, index: number): TemplateMessage {
  if (typeof message?.role !== "string") throw refuseMessage(index, "a role", message?.role);
  const { content } = message;
  const fields = templateFields(message) as TemplateMessage;
  if (typeof content === "string") return fields;
  // An assistant's turn that only calls tools has no content in OpenAI's shape.
  if (content === undefined || content === null) {
    if (fields.tool_calls === undefined) throw refuseMessage(index, "content", content);
    return fields;
  }
  if (!Array.isArray(content)) {
    throw refuseMessage(index, "content that is a string or a list of parts", typeof content);
  }
  const parts = content.map((part) => {
    if (part?.type === "text" && typeof part.text === "string") return part;
    // Only the kind: templates do not read the picture itself.
    if (part?.type === "image") return { type: "image" as const };
    throw refuseMessage(index, "parts of type text or image", part?.type);
  });
  return { ...fields, content: parts };
}

function longestWhiteSpace(text: string): number {
  return text.match(/\s+/g)?.reduce((longest, run) => Math.max(longest, run.length), 0) ?? 0;
}
