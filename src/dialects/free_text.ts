/**
 * Text without a mark, as a grammar and as a reader.
 *
 * @module
 */
import { EVERY_CHARACTER, utf8 } from "../grammar/characters.ts";
import type { Term, TermStore } from "../grammar/terms.ts";
import type { AnswerPart, AnswerReader } from "./answer_parts.ts";

/** Any text in which the mark does not occur. */
export function textWithout(store: TermStore, mark: string): Term {
  const any = store.repeat(utf8(store, EVERY_CHARACTER));
  return store.both(any, store.not(store.sequence(any, store.text(mark), any)));
}

/** An answer that is nothing but text. */
export class PlainReader implements AnswerReader {
  push(text: string): AnswerPart[] {
    return text === "" ? [] : [{ type: "text", text }];
  }

  end(): AnswerPart[] {
    return [];
  }
}
