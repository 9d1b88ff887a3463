/**
 * What an answer consists of: text, thinking, calls of tools.
 *
 * @module
 */

/** A piece of an answer, in the order in which it was generated. */
export type AnswerPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "reasoning"; readonly text: string }
  /** A call begins; what follows of type "arguments" belongs to it. */
  | { readonly type: "call"; readonly name: string }
  /** Of the latest call: a piece of its arguments, which together are a JSON object. */
  | { readonly type: "arguments"; readonly text: string };

/** Takes an answer apart as it comes. */
export interface AnswerReader {
  /** The parts that are certain with this piece of text. */
  push(text: string): AnswerPart[];
  /** What is left when the answer is over. */
  end(): AnswerPart[];
}

/** How much at the end of `text` may be the beginning of `mark`. */
export function heldLength(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return length;
  }
  return 0;
}

/** Text round calls: white space that follows one is not part of an answer. */
export class TextRoundCalls {
  #isAfterCall = false;

  /** A call is over. */
  afterCall(): void {
    this.#isAfterCall = true;
  }

  /** The text as parts: one, or none. */
  show(text: string): AnswerPart[] {
    const shown = this.#isAfterCall ? text.trimStart() : text;
    if (shown === "") return [];
    this.#isAfterCall = false;
    return [{ type: "text", text: shown }];
  }
}

/** Reads an answer that is nothing but calls: what looks like text is a piece of one that was cut. */
export class CallReader implements AnswerReader {
  readonly #reader: AnswerReader;

  constructor(reader: AnswerReader) {
    this.#reader = reader;
  }

  push(text: string): AnswerPart[] {
    return this.#reader.push(text).filter(({ type }) => type !== "text");
  }

  end(): AnswerPart[] {
    return this.#reader.end().filter(({ type }) => type !== "text");
  }
}
