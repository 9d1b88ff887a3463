/**
 * Answers on stdout, as they come.
 *
 * @module
 */
import { isTerminal, print, terminalWidth } from "./terminal.ts";
import { WordWrap } from "./word_wrap.ts";

/** Prints one answer: as it is into pipes and files, and broken between words on a terminal, unless that is not wanted. */
export class AnswerPrinter {
  readonly #wrap: WordWrap | undefined;

  constructor(isWrapped: boolean) {
    if (isWrapped && isTerminal("stdout")) this.#wrap = new WordWrap(terminalWidth);
  }

  /** Prints the next piece. */
  async push(text: string): Promise<void> {
    await print(this.#wrap?.push(text) ?? text);
  }

  /** Prints what is left, and ends the line. */
  async end(): Promise<void> {
    await print(`${this.#wrap?.end() ?? ""}\n`);
  }
}
