/**
 * What a family of models must say of how it calls tools.
 *
 * @module
 */
import type { JsonText } from "../grammar/json/text.ts";
import type { Term } from "../grammar/terms.ts";
import type { AnswerReader } from "./answer_parts.ts";

/** A tool as a grammar sees it. */
export interface ToolGrammar {
  readonly name: string;
  /** A JSON object that fits the tool's parameters. */
  readonly arguments: Term;
  /** The schema of the parameters. */
  readonly parameters: unknown;
  /** A value that fits a part of the schema. */
  valueOf(schema: unknown): Term;
}

/** What grammars of calls are written with. */
export interface CallWriter {
  readonly json: JsonText;
  /** A mark: the special token of that text where the vocabulary has one, else the text. */
  mark(text: string): Term;
}

/** A tool as a reader sees it. */
export interface ToolParameters {
  readonly name: string;
  readonly parameters?: unknown;
}

/** How calls are written. One file each, and a line in `registry.ts`. */
export interface ToolFormat {
  /** For `--tool-call-parser`; vLLM's name where it has one. */
  readonly name: string;
  /** Whether a chat template writes calls like this. */
  isFor(template: string): boolean;
  /** What begins calls and is never part of other text; `undefined` where an answer is a call from its first character on. */
  readonly begin?: string;
  /** Whether marks are special tokens, which are otherwise left out of the text. */
  readonly keepsSpecialTokens?: boolean;
  /** One or more calls, the begin mark included. */
  grammar(writer: CallWriter, tools: readonly ToolGrammar[], isParallel: boolean): Term;
  /** Reads an answer that may hold calls of these tools. */
  reader(tools: readonly ToolParameters[]): AnswerReader;
}
