/**
 * How one model writes what is not plain text: its thinking and its calls.
 *
 * @module
 */
import { type AnswerReader, CallReader } from "./answer_parts.ts";
import { PlainReader } from "./free_text.ts";
import { type ReasoningMarks, reasoningMarks, ReasoningReader, reasoningState } from "./reasoning.ts";
import { toolFormatNamed, toolFormatOf } from "./registry.ts";
import type { ToolFormat, ToolParameters } from "./tool_format.ts";

/** Chosen from the chat template. */
export class Dialect {
  readonly tools: ToolFormat;
  readonly reasoning?: ReasoningMarks;

  /**
   * @param template The source of the chat template.
   * @param toolFormat The name of a format to use in place of the template's.
   * @throws {RemoraError} BAD_ARGUMENT for a format that is not known.
   */
  constructor(template: string, toolFormat?: string) {
    this.tools = toolFormat === undefined ? toolFormatOf(template) : toolFormatNamed(toolFormat);
    this.reasoning = reasoningMarks(template);
  }

  /**
   * Reads an answer to a prompt.
   *
   * @param tools Those that may be called; `undefined` where calls are no calls but text.
   * @param mustCall Whether the answer is nothing but calls.
   */
  reader(prompt: string, tools: readonly ToolParameters[] | undefined, mustCall = false): AnswerReader {
    const any = tools ? this.tools.reader(tools) : new PlainReader();
    const answer = mustCall ? new CallReader(any) : any;
    if (!this.reasoning) return answer;
    return new ReasoningReader(this.reasoning, reasoningState(this.reasoning, prompt), answer);
  }
}
