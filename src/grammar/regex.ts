/**
 * Regular expressions of ECMA-262 (flag `u`) as terms.
 *
 * The expression is put into the flag's words (`regex_syntax.ts`), read once by the host, which refuses what is none, and once here. What looks round (`\b`, look-ahead, back
 * references) is refused by name: it is no regular language, or one that is larger than it looks.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { GRAMMAR_REGEX_CHARACTERS_MAX, GRAMMAR_REPEATS_MAX, JSON_DEPTH_MAX } from "../core/limits.ts";
import { type CharacterSet, EVERY_CHARACTER, joinCharacters, otherCharacters, utf8 } from "./characters.ts";
import { strictSyntax } from "./regex_syntax.ts";
import type { Term, TermStore } from "./terms.ts";

/** How a regular expression is used. */
export interface RegexOptions {
  /** Whether the expression is searched in the text, as JSON Schema's `pattern` is, or is the whole text. */
  search?: boolean;
  /** One character of a set as bytes; default: UTF-8. */
  write?: (set: CharacterSet) => Term;
}

type Node =
  | { kind: "set"; set: CharacterSet }
  | { kind: "sequence" | "either"; items: Node[] }
  | { kind: "repeat"; item: Node; min: number; max: number }
  | { kind: "begin" | "end" };

const SHOWN_CHARACTERS_MAX = 200;
const EMPTY: Node = { kind: "sequence", items: [] };

/**
 * The language of an expression.
 *
 * @throws {RemoraError} BAD_ARGUMENT for what is no expression, UNSUPPORTED naming what is not supported.
 */
export function compileRegex(store: TermStore, source: string, options: RegexOptions = {}): Term {
  const { search = false, write = (set) => utf8(store, set) } = options;
  if (source.length > GRAMMAR_REGEX_CHARACTERS_MAX) {
    throw refuse(source, `at most ${GRAMMAR_REGEX_CHARACTERS_MAX} characters`, `${source.length}`);
  }
  const strict = strictSyntax(source);
  try {
    new RegExp(strict, "u");
  } catch (cause) {
    throw new RemoraError("BAD_ARGUMENT", `Cannot use the regular expression /${shown(source)}/`, {
      found: cause instanceof Error ? cause.message : `${cause}`,
      cause,
    });
  }
  const node = new RegexReader(strict).read();
  // A large set takes milliseconds, and expressions repeat theirs.
  const sets = new Map<string, Term>();
  const termOf = (set: CharacterSet): Term => {
    const key = set.join();
    const known = sets.get(key) ?? write(set);
    sets.set(key, known);
    return known;
  };
  const term = (node: Node): Term => {
    switch (node.kind) {
      case "set":
        return node.set.length === 0 ? store.nothing : termOf(node.set);
      case "sequence":
        return store.sequence(...node.items.map(term));
      case "either":
        return store.either(node.items.map(term));
      case "repeat":
        return store.repeat(term(node.item), node.min, node.max);
      default:
        throw refuse(source, "^ at its beginning and $ at its end only", node.kind === "begin" ? "^" : "$");
    }
  };
  const any = search ? store.repeat(write(EVERY_CHARACTER)) : store.empty;
  const options_: Term[] = [];
  const left = cut(node, "begin");
  for (const [part, before] of [[left.anchored, store.empty], [left.free, any]] as const) {
    if (!part) continue;
    const right = cut(part, "end");
    if (right.anchored) options_.push(store.sequence(before, term(right.anchored)));
    if (right.free) options_.push(store.sequence(before, term(right.free), any));
  }
  return store.either(options_);
}

/** The alternatives that begin (or end) at the anchor, and the others; anchors there are taken away. */
function cut(node: Node, anchor: "begin" | "end"): { anchored?: Node; free?: Node } {
  if (node.kind === anchor) return { anchored: EMPTY };
  if (node.kind === "either") {
    const parts = node.items.map((item) => cut(item, anchor));
    const join = (items: (Node | undefined)[]): Node | undefined => {
      const there = items.filter((item) => item !== undefined);
      return there.length === 0 ? undefined : { kind: "either", items: there };
    };
    return { anchored: join(parts.map((part) => part.anchored)), free: join(parts.map((part) => part.free)) };
  }
  if (node.kind === "sequence" && node.items.length > 0) {
    const at = anchor === "begin" ? 0 : node.items.length - 1;
    const { anchored, free } = cut(node.items[at], anchor);
    const put = (item: Node): Node => ({ kind: "sequence", items: node.items.with(at, item) });
    return { anchored: anchored && put(anchored), free: free && put(free) };
  }
  return { free: node };
}

const range = (first: string, last = first): CharacterSet => [[first.codePointAt(0)!, last.codePointAt(0)!]];
const DIGITS = range("0", "9");
const WORD = joinCharacters(range("a", "z"), range("A", "Z"), range("_"), DIGITS);
const SPACES = joinCharacters(
  range("\t", "\r"),
  ...[..." \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"].map((character) => range(character)),
  range("\u2000", "\u200a"),
);
const LINE_ENDS = joinCharacters(range("\n"), range("\r"), range("\u2028", "\u2029"));
const ESCAPED_CLASSES: Readonly<Record<string, CharacterSet>> = {
  d: DIGITS,
  D: otherCharacters(DIGITS),
  w: WORD,
  W: otherCharacters(WORD),
  s: SPACES,
  S: otherCharacters(SPACES),
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, 0: 0 };

/** By the text of the escape: asking the host for every code point takes tens of milliseconds. */
const properties = new Map<string, CharacterSet>();

/** The code points of `\p{…}`, as the host knows them. */
function property(escape: string): CharacterSet {
  const known = properties.get(escape);
  if (known) return known;
  const pattern = new RegExp(`^${escape}$`, "u");
  const set: [number, number][] = [];
  for (const [first, last] of EVERY_CHARACTER) {
    for (let code = first; code <= last; code++) {
      if (!pattern.test(String.fromCodePoint(code))) continue;
      const before = set.at(-1);
      if (before && before[1] === code - 1) before[1] = code;
      else set.push([code, code]);
    }
  }
  properties.set(escape, set);
  return set;
}

/** Reads an expression that the host has found to be one. */
class RegexReader {
  readonly #source: string;
  readonly #characters: string[];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
    this.#characters = [...source];
  }

  read(): Node {
    return this.#either();
  }

  #either(): Node {
    if (++this.#depth > JSON_DEPTH_MAX) {
      throw refuse(this.#source, `at most ${JSON_DEPTH_MAX} levels of groups`, "more");
    }
    const items = [this.#sequence()];
    while (this.#take("|")) items.push(this.#sequence());
    this.#depth--;
    return items.length === 1 ? items[0] : { kind: "either", items };
  }

  #sequence(): Node {
    const items: Node[] = [];
    while (this.#at < this.#characters.length && !"|)".includes(this.#peek())) {
      items.push(this.#quantified(this.#atom()));
    }
    return items.length === 1 ? items[0] : { kind: "sequence", items };
  }

  #quantified(item: Node): Node {
    const [min, max] = this.#take("*")
      ? [0, Infinity]
      : this.#take("+")
      ? [1, Infinity]
      : this.#take("?")
      ? [0, 1]
      : this.#peek() === "{"
      ? this.#bounds()
      : [1, 1];
    // Whether it is greedy makes no difference to which texts match.
    if (min !== 1 || max !== 1) this.#take("?");
    if (Math.max(min, max === Infinity ? 0 : max) > GRAMMAR_REPEATS_MAX) {
      throw refuse(
        this.#source,
        `at most ${GRAMMAR_REPEATS_MAX} repetitions`,
        `${max === Infinity ? min : max}`,
      );
    }
    return min === 1 && max === 1 ? item : { kind: "repeat", item, min, max };
  }

  #bounds(): [number, number] {
    const [whole, min, comma, max] = /^\{(\d+)(,?)(\d*)\}/.exec(this.#rest())!;
    this.#at += whole.length;
    return [Number(min), comma === "" ? Number(min) : max === "" ? Infinity : Number(max)];
  }

  #atom(): Node {
    const character = this.#characters[this.#at++];
    switch (character) {
      case "^":
        return { kind: "begin" };
      case "$":
        return { kind: "end" };
      case ".":
        return { kind: "set", set: otherCharacters(LINE_ENDS) };
      case "[":
        return { kind: "set", set: this.#class() };
      case "(":
        return this.#group();
      case "\\":
        return { kind: "set", set: this.#escape() };
      default:
        return { kind: "set", set: range(character) };
    }
  }

  #group(): Node {
    if (this.#take("?")) {
      const [opening] = /^(:|<[^=!][^>]*>|<?[=!]|[a-z-]*:)/.exec(this.#rest()) ?? [""];
      if (opening !== ":" && !/^<[^=!]/.test(opening)) {
        throw refuse(this.#source, "no groups but ( ), (?: ) and (?<name> )", `(?${opening}`);
      }
      this.#at += [...opening].length;
    }
    const inside = this.#either();
    this.#at++;
    return inside;
  }

  #class(): CharacterSet {
    const isNegated = this.#take("^");
    const sets: CharacterSet[] = [];
    while (this.#peek() !== "]") {
      const first = this.#classAtom();
      const isRange = this.#peek() === "-" && this.#characters[this.#at + 1] !== "]";
      if (!isRange) {
        sets.push(first);
        continue;
      }
      this.#at++;
      sets.push([[first[0][0], this.#classAtom()[0][1]]]);
    }
    this.#at++;
    const set = joinCharacters(...sets);
    return isNegated ? otherCharacters(set) : set;
  }

  #classAtom(): CharacterSet {
    const character = this.#characters[this.#at++];
    if (character !== "\\") return range(character);
    if (this.#take("b")) return range("\b");
    return this.#escape();
  }

  #escape(): CharacterSet {
    const character = this.#characters[this.#at++];
    if (Object.hasOwn(ESCAPED_CLASSES, character)) return ESCAPED_CLASSES[character];
    if (character === "p" || character === "P") {
      const [braces] = /^\{[^}]*\}/.exec(this.#rest())!;
      this.#at += [...braces].length;
      return property(`\\${character}${braces}`);
    }
    if (character === "x") return this.#code(2);
    if (character === "u") return this.#unicode();
    if (character === "c") {
      return [[this.#codeOf(this.#characters[this.#at++]) % 32, 0]].map(([code]) => [code, code]);
    }
    if (/[1-9kbB]/.test(character)) {
      throw refuse(this.#source, "no back references and word boundaries", `\\${character}`);
    }
    const control = CONTROLS[character];
    return control === undefined ? range(character) : [[control, control]];
  }

  #unicode(): CharacterSet {
    if (this.#peek() === "{") {
      const [whole, digits] = /^\{([0-9a-fA-F]+)\}/.exec(this.#rest())!;
      this.#at += whole.length;
      const code = parseInt(digits, 16);
      return [[code, code]];
    }
    const [[high]] = this.#code(4);
    const low = /^\\u(d[c-f][0-9a-f]{2})/i.exec(this.#rest());
    if (high < 0xd800 || high > 0xdbff || !low) return [[high, high]];
    this.#at += low[0].length;
    const code = 0x10000 + ((high - 0xd800) << 10) + (parseInt(low[1], 16) - 0xdc00);
    return [[code, code]];
  }

  #code(digits: number): CharacterSet {
    const code = parseInt(this.#characters.slice(this.#at, this.#at + digits).join(""), 16);
    this.#at += digits;
    return [[code, code]];
  }

  #codeOf(character: string): number {
    return character.codePointAt(0)!;
  }

  #peek(): string {
    return this.#characters[this.#at] ?? "";
  }

  #rest(): string {
    return this.#characters.slice(this.#at).join("");
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }
}

function refuse(source: string, expected: string, found: string): RemoraError {
  return new RemoraError("UNSUPPORTED", `Cannot use the regular expression /${shown(source)}/`, {
    expected,
    found,
  });
}

/** As much of an expression as belongs into a message. */
function shown(source: string): string {
  return source.length > SHOWN_CHARACTERS_MAX ? `${source.slice(0, SHOWN_CHARACTERS_MAX)}…` : source;
}
