/**
 * JSON from untrusted files, read from its bytes bit by bit: what has a hundred thousand strings need not become as many.
 *
 * @module
 */

import { type ErrorCode, RemoraError } from "./errors.ts";
import { parseJson } from "./json.ts";
import { isLowSurrogate, joinSurrogates, sequenceLength, Utf8Buffer, writeCodePoint } from "./utf8.ts";

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c, COLON = 0x3a;
const OPENING_BRACKET = 0x5b, CLOSING_BRACKET = 0x5d, OPENING_BRACE = 0x7b, CLOSING_BRACE = 0x7d;
const LETTER_U = 0x75;

/** What the letter after a backslash stands for. */
const ESCAPES = new Map(
  [...'"\\/bfnrt'].map((letter, i) => [letter.charCodeAt(0), '"\\/\b\f\n\r\t'.charCodeAt(i)]),
);

/** What begins and ends a list or an object. */
interface Brackets {
  name: string;
  opening: number;
  closing: number;
}

/** `[…]` */
export const LIST: Brackets = { name: "a list", opening: OPENING_BRACKET, closing: CLOSING_BRACKET };
/** `{…}` */
export const OBJECT: Brackets = { name: "an object", opening: OPENING_BRACE, closing: CLOSING_BRACE };

/** The longest piece of a file in a message. */
const SHOWN_BYTES_MAX = 32;

/**
 * The members of an object, each value as the bytes it has in the file, to be read in whatever order and way suits it.
 *
 * @param expected What a refusal calls the object.
 * @throws {RemoraError} `code` for anything but one object with every key once.
 */
export function readMembers(
  bytes: Uint8Array,
  expected: string,
  file: string,
  code?: ErrorCode,
): Map<string, Uint8Array> {
  const reader = new JsonReader(bytes, file, code), text = new Utf8Buffer(64);
  const members = new Map<string, Uint8Array>();
  for (let more = reader.opens(OBJECT, expected); more; more = reader.goesOn(OBJECT)) {
    text.length = 0;
    reader.key(text);
    const key = text.toString();
    if (members.has(key)) throw reader.refuseTwice(key);
    members.set(key, reader.stretch());
  }
  reader.end();
  return members;
}

/**
 * A place in JSON that moves on with what is read. Everything is as strict as in {@linkcode parseJson}, and so are strings:
 * half a character, which can be written as an escape but is no text, is refused too. Only keys given twice are left to the caller.
 *
 * A list or an object is a loop:
 *
 *     for (let more = reader.opens(LIST); more; more = reader.goesOn(LIST)) reader.value();
 */
export class JsonReader {
  readonly #bytes: Uint8Array;
  readonly #file: string;
  readonly #code: ErrorCode;
  #at = 0;

  /**
   * @param bytes One value, white space around it or not.
   * @param file What messages call the file.
   * @param code Code of refusals.
   */
  constructor(bytes: Uint8Array, file: string, code: ErrorCode = "BAD_FILE") {
    this.#bytes = bytes;
    this.#file = file;
    this.#code = code;
  }

  /** What the next value is by its first byte; NaN at the end. */
  get #next(): number {
    const bytes = this.#bytes;
    while (isSpace(bytes[this.#at])) this.#at++;
    return this.#at < bytes.length ? bytes[this.#at] : NaN;
  }

  /** Whether a string comes next. */
  get isAtString(): boolean {
    return this.#next === QUOTE;
  }

  /** Whether a list comes next. */
  get isAtList(): boolean {
    return this.#next === OPENING_BRACKET;
  }

  /** Enters a list or an object; false where it is empty, and left again. */
  opens({ name, opening, closing }: Brackets, expected: string = name): boolean {
    if (this.#next !== opening) throw this.#refuse(expected);
    this.#at++;
    if (this.#next !== closing) return true;
    this.#at++;
    return false;
  }

  /** Goes over the comma to the next element; false where the list or the object ends, and is left. */
  goesOn({ closing }: Brackets): boolean {
    const next = this.#next;
    if (next !== COMMA && next !== closing) throw this.#refuse("JSON");
    this.#at++;
    return next === COMMA;
  }

  /** Appends the key that comes next, and goes over its colon. */
  key(text: Utf8Buffer): void {
    this.string(text);
    if (this.#next !== COLON) throw this.#refuse("JSON");
    this.#at++;
  }

  /** Appends the string that comes next. */
  string(text: Utf8Buffer): void {
    if (this.#next !== QUOTE) throw this.#refuse("a string");
    const bytes = this.#bytes, begin = this.#at;
    this.#skipString();
    const end = this.#at - 1;
    // An escape is never shorter than what it stands for.
    text.reserve(end - begin);
    const target = text.bytes;
    let length = text.length;
    for (let at = begin + 1; at < end;) {
      const byte = bytes[at];
      if (byte === BACKSLASH) {
        this.#at = at;
        length = writeCodePoint(this.#escape(), target, length);
        at = this.#at;
      } else if (byte < 0x80) {
        if (byte < 0x20) throw this.#refuseAt(at, "JSON, control characters as escapes");
        target[length++] = byte;
        at++;
      } else {
        const size = sequenceLength(bytes, at);
        if (size === 0) throw this.#refuseAt(at, "JSON in UTF-8");
        for (let i = 0; i < size; i++) target[length++] = bytes[at++];
      }
    }
    this.#at = end + 1;
    text.length = length;
  }

  /** The value that comes next. Whole numbers, of which files have many, take no detour by a text. */
  value(): unknown {
    const stretch = this.#skippedFrom();
    const end = this.#at, digits = end - stretch;
    if (digits > 0 && digits < 10) {
      let number = 0, at = stretch;
      while (at < end && isDigit(this.#bytes[at])) number = 10 * number + this.#bytes[at++] - 0x30;
      if (at === end && (digits === 1 || this.#bytes[stretch] !== 0x30)) return number;
    }
    return parseJson(this.#bytes.subarray(stretch, end), this.#file, { code: this.#code });
  }

  /** The bytes of the value that comes next, to be read later; nothing is said of them but where they end. */
  stretch(): Uint8Array {
    const begin = this.#skippedFrom();
    return this.#bytes.subarray(begin, this.#at);
  }

  /** How many elements the list or the object that comes next has at most, by its commas; stays where it is. */
  countElements(): number {
    const next = this.#next, begin = this.#at;
    const count = next === OPENING_BRACKET || next === OPENING_BRACE ? this.#skipBrackets() + 1 : 0;
    this.#at = begin;
    return count;
  }

  /** Refuses whatever comes after the value. */
  end(): void {
    if (!Number.isNaN(this.#next)) throw this.#refuse("the end");
  }

  /** The refusal of a key that its object has had already. */
  refuseTwice(key: string): RemoraError {
    return this.#refusal("every key once", `the key "${key}" twice in one object`);
  }

  /** Goes over a value, by its brackets and quotes alone; returns where it began. */
  #skippedFrom(): number {
    const next = this.#next, bytes = this.#bytes, begin = this.#at;
    if (next === QUOTE) {
      this.#skipString();
      return begin;
    }
    if (next !== OPENING_BRACKET && next !== OPENING_BRACE) {
      while (this.#at < bytes.length && !endsWord(bytes[this.#at])) this.#at++;
      return begin;
    }
    this.#skipBrackets();
    return begin;
  }

  /** From a bracket to behind the one that closes it; returns the commas on the level between. */
  #skipBrackets(): number {
    const bytes = this.#bytes;
    let depth = 0, commas = 0;
    do {
      const byte = bytes[this.#at];
      if (byte === QUOTE) {
        this.#skipString();
        continue;
      }
      if (byte === OPENING_BRACKET || byte === OPENING_BRACE) depth++;
      else if (byte === CLOSING_BRACKET || byte === CLOSING_BRACE) depth--;
      else if (byte === COMMA && depth === 1) commas++;
      this.#at++;
    } while (depth > 0 && this.#at < bytes.length);
    if (depth > 0) throw this.#refuse("JSON");
    return commas;
  }

  /** From a string's first quote to behind its last. */
  #skipString(): void {
    const bytes = this.#bytes, { length } = bytes;
    let at = this.#at + 1;
    while (at < length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
    this.#at = Math.min(at + 1, length);
    if (at >= length) throw this.#refuse("JSON");
  }

  /** The character that an escape stands for. */
  #escape(): number {
    const begin = this.#at, code = this.#escapedUnit();
    if (code < 0xd800 || code > 0xdfff) return code;
    if (code < 0xdc00 && this.#bytes[this.#at] === BACKSLASH) {
      const low = this.#escapedUnit();
      if (isLowSurrogate(low)) return joinSurrogates(code, low);
    }
    throw this.#refuseAt(begin, "whole characters (no unpaired surrogates)");
  }

  #escapedUnit(): number {
    const begin = this.#at, bytes = this.#bytes, letter = bytes[begin + 1];
    this.#at += 2;
    const character = ESCAPES.get(letter);
    if (character !== undefined) return character;
    let unit = letter === LETTER_U ? 0 : NaN;
    for (let i = 0; i < 4; i++) unit = 16 * unit + hexDigit(bytes[this.#at++]);
    if (Number.isNaN(unit)) throw this.#refuseAt(begin, "JSON with its escapes");
    return unit;
  }

  #refuse(expected: string): RemoraError {
    return this.#refuseAt(this.#at, expected);
  }

  #refuseAt(at: number, expected: string): RemoraError {
    const found = new TextDecoder().decode(this.#bytes.subarray(at, at + SHOWN_BYTES_MAX));
    return this.#refusal(expected, found === "" ? "the end" : found);
  }

  #refusal(expected: string, found: string): RemoraError {
    return new RemoraError(this.#code, "Cannot parse", { file: this.#file, expected, found });
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function endsWord(byte: number): boolean {
  return byte === COMMA || byte === CLOSING_BRACKET || byte === CLOSING_BRACE || isSpace(byte);
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function hexDigit(byte: number): number {
  if (isDigit(byte)) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : NaN;
}
