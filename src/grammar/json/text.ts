/**
 * JSON's text: white space, strings, numbers and plain values.
 *
 * Where a text is compared with anything (`enum`, `pattern`, the name of a property), each character has one spelling; elsewhere all
 * that JSON allows may come, but for halves of surrogate pairs, which stand for no character.
 *
 * @module
 */
import { type CharacterSet, EVERY_CHARACTER, joinCharacters, otherCharacters, utf8 } from "../characters.ts";
import { byteRange, joinBytes } from "../byte_set.ts";
import type { Term, TermStore } from "../terms.ts";

/** White-space characters in a row: a model that writes them without end never comes to its answer. */
const WHITE_SPACE_MAX = 40;

/** What stands for itself in a JSON string. */
const UNESCAPED = otherCharacters([[0, 0x1f], [0x22, 0x22], [0x5c, 0x5c]]);

/** Escapes of one letter that characters must have, or have by custom. */
const SHORT_ESCAPES: Readonly<Record<number, string>> = {
  0x22: '\\"',
  0x5c: "\\\\",
  0x08: "\\b",
  0x0c: "\\f",
  0x0a: "\\n",
  0x0d: "\\r",
  0x09: "\\t",
};

/** The pieces of JSON as terms of a store. */
export class JsonText {
  readonly store: TermStore;
  /** Between tokens. */
  readonly space: Term;
  /** A comma, a colon. */
  readonly comma: Term;
  readonly colon: Term;
  /** Any character of a string, in any spelling. */
  readonly anyCharacter: Term;
  /** A number in any spelling. */
  readonly number: Term;
  /** A whole number without fraction and exponent. */
  readonly integer: Term;
  /** Any digit. */
  readonly digit: Term;

  constructor(store: TermStore) {
    this.store = store;
    const spaces = [0x20, 0x0a, 0x0d, 0x09].map((byte) => byteRange(byte)).reduce(joinBytes);
    this.space = store.repeat(store.bytes(spaces), 0, WHITE_SPACE_MAX);
    this.comma = store.sequence(this.space, store.text(","), this.space);
    this.colon = store.sequence(this.space, store.text(":"), this.space);
    this.digit = store.range(0x30, 0x39);
    const { digit } = this;
    const digits = store.repeat(digit, 1);
    const whole = store.either([
      store.text("0"),
      store.sequence(store.range(0x31, 0x39), store.repeat(digit)),
    ]);
    this.integer = store.sequence(store.optional(store.text("-")), whole);
    const sign = store.optional(store.either([store.text("+"), store.text("-")]));
    const exponent = store.sequence(store.either([store.text("e"), store.text("E")]), sign, digits);
    this.number = store.sequence(
      this.integer,
      store.optional(store.sequence(store.text("."), digits)),
      store.optional(exponent),
    );
    this.anyCharacter = this.#anyCharacter();
  }

  /** One character of a set in its one spelling. */
  character(set: CharacterSet): Term {
    const { store } = this;
    const options = [utf8(store, intersection(set, UNESCAPED))];
    for (const [first, last] of intersection(set, otherCharacters(UNESCAPED))) {
      for (let code = first; code <= last; code++) options.push(store.text(escaped(code)));
    }
    return store.either(options);
  }

  /** The inside of a string, each character in its one spelling. */
  get canonicalContent(): Term {
    return this.store.repeat(this.character(EVERY_CHARACTER));
  }

  /** The string that says `text`; nothing where it holds half a surrogate pair, which UTF-8 cannot write. */
  quotedText(text: string): Term {
    return this.quoted(this.contents([text]));
  }

  /** Any of these texts. */
  texts(texts: readonly string[]): Term {
    const encoder = new TextEncoder();
    return this.store.choice([...new Set(texts)].map((text) => encoder.encode(text)));
  }

  /** The insides of strings that say any of these texts, without those that UTF-8 cannot write. */
  contents(values: readonly unknown[]): Term {
    return this.texts(
      values.flatMap((value) => typeof value === "string" && value.isWellFormed() ? [spelling(value)] : []),
    );
  }

  /** A string round its inside. */
  quoted(content: Term): Term {
    const quote = this.store.text('"');
    return this.store.sequence(quote, content, quote);
  }

  #anyCharacter(): Term {
    const { store } = this;
    const hex = (ranges: [string, string][]) =>
      store.bytes(ranges.map(([a, b]) => byteRange(a.charCodeAt(0), b.charCodeAt(0))).reduce(joinBytes));
    const any = hex([["0", "9"], ["a", "f"], ["A", "F"]]);
    const d = hex([["d", "d"], ["D", "D"]]);
    const notD = hex([["0", "9"], ["a", "c"], ["e", "f"], ["A", "C"], ["E", "F"]]);
    const u = store.text("\\u");
    const plain = store.sequence(
      u,
      store.either([
        store.sequence(notD, any, any, any),
        store.sequence(d, hex([["0", "7"]]), any, any),
      ]),
    );
    const high = store.sequence(u, d, hex([["8", "9"], ["a", "b"], ["A", "B"]]), any, any);
    const low = store.sequence(u, d, hex([["c", "f"], ["C", "F"]]), any, any);
    const letters = [...'"\\/bfnrt'].map((letter) => byteRange(letter.charCodeAt(0))).reduce(joinBytes);
    return store.either([
      utf8(store, UNESCAPED),
      store.sequence(store.text("\\"), store.bytes(letters)),
      plain,
      store.sequence(high, low),
    ]);
  }
}

/** A string's inside in its one spelling, which is that of `JSON.stringify`. */
export function spelling(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function escaped(code: number): string {
  return SHORT_ESCAPES[code] ?? `\\u${code.toString(16).padStart(4, "0")}`;
}

function intersection(a: CharacterSet, b: CharacterSet): CharacterSet {
  return otherCharacters(joinCharacters(otherCharacters(a), otherCharacters(b)));
}
