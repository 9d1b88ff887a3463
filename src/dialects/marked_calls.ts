/**
 * Reading answers in which every call stands whole between two marks.
 *
 * @module
 */
import { type AnswerPart, type AnswerReader, heldLength, TextRoundCalls } from "./answer_parts.ts";

/** What stands between two marks is shown when its end has come; what it is, a tool format says. */
export class MarkedCallReader implements AnswerReader {
  readonly #marks: { readonly begin: string; readonly end: string };
  readonly #readCall: (text: string) => AnswerPart[] | undefined;
  #held = "";
  #isInside = false;
  readonly #text = new TextRoundCalls();

  /** @param readCall The parts of what stood between the marks; `undefined` where it is no call, and so text. */
  constructor(
    marks: { readonly begin: string; readonly end: string },
    readCall: (text: string) => AnswerPart[] | undefined,
  ) {
    this.#marks = marks;
    this.#readCall = readCall;
  }

  push(text: string): AnswerPart[] {
    this.#held += text;
    const { begin, end } = this.#marks;
    const parts: AnswerPart[] = [];
    while (true) {
      const mark = this.#isInside ? end : begin;
      const at = this.#held.indexOf(mark);
      if (at < 0) break;
      const before = this.#held.slice(0, at);
      parts.push(...this.#isInside ? this.#partsOf(before) : this.#text.show(before));
      this.#held = this.#held.slice(at + mark.length);
      if (this.#isInside) this.#text.afterCall();
      this.#isInside = !this.#isInside;
    }
    if (this.#isInside) return parts;
    const shown = this.#held.slice(0, this.#held.length - heldLength(this.#held, begin));
    this.#held = this.#held.slice(shown.length);
    return [...parts, ...this.#text.show(shown)];
  }

  end(): AnswerPart[] {
    const rest = this.#isInside ? this.#partsOf(this.#held) : this.#text.show(this.#held);
    this.#held = "";
    return rest;
  }

  #partsOf(text: string): AnswerPart[] {
    const { begin, end } = this.#marks;
    return this.#readCall(text) ?? [{ type: "text", text: `${begin}${text}${end}` }];
  }
}

/** A value that a model wrote: JSON, or else the text itself. */
export function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
