/**
 * A small EBNF, as llama.cpp and XGrammar write it: `root ::= "yes" | "no" (" " [a-z]+)*`.
 *
 * Rules are `name ::= alternatives`; a text is in quotes with JavaScript's escapes, a set of characters in brackets, `.` is any
 * character, and `( )`, `|`, `*`, `+`, `?`, `{n}`, `{n,}`, `{n,m}`, `{,m}` mean what they do in regular expressions. `#` begins a
 * comment.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { GRAMMAR_EBNF_CHARACTERS_MAX, GRAMMAR_REPEATS_MAX, JSON_DEPTH_MAX } from "../core/limits.ts";
import { EVERY_CHARACTER, utf8 } from "./characters.ts";
import { compileRegex } from "./regex.ts";
import type { Term, TermStore } from "./terms.ts";

type Node =
  | { kind: "text"; text: string }
  | { kind: "set"; source: string }
  | { kind: "any" }
  | { kind: "rule"; name: string }
  | { kind: "sequence" | "either"; items: Node[] }
  | { kind: "repeat"; item: Node; min: number; max: number };

/**
 * The language of the rule `root`.
 *
 * @throws {RemoraError} BAD_ARGUMENT for what does not parse or names a rule that is not there, UNSUPPORTED for left recursion.
 */
export function compileEbnf(store: TermStore, source: string): Term {
  const rules = new EbnfReader(source).read();
  for (const node of rules.values()) requireRules(node, rules);
  if (!rules.has("root")) throw bad("a rule named root", [...rules.keys()].join(", ") || "none");
  const nullable = leastRules(rules, isNullable);
  // A text of bytes that cannot be written is no text.
  const isThere = (node: Node) => node.kind === "text" ? store.text(node.text).kind !== "nothing" : true;
  const productive = leastRules(rules, (node, known) => isProductive(node, known, isThere));
  refuseLeftRecursion(rules, nullable);
  const term = (node: Node): Term => {
    switch (node.kind) {
      case "text":
        return store.text(node.text);
      case "set":
        return compileRegex(store, node.source);
      case "any":
        return utf8(store, EVERY_CHARACTER);
      case "sequence":
        return store.sequence(...node.items.map(term));
      case "either":
        return store.either(node.items.map(term));
      case "repeat":
        return store.repeat(term(node.item), node.min, node.max);
      case "rule": {
        const { name } = node;
        if (!productive.has(name)) return store.nothing;
        return store.rule(`rule ${name}`, () => term(rules.get(name)!), nullable.has(name));
      }
    }
  };
  return term({ kind: "rule", name: "root" });
}

type Rules = ReadonlyMap<string, Node>;

/** The rules for which something holds because it holds for what they are made of. */
function leastRules(rules: Rules, holds: (node: Node, known: ReadonlySet<string>) => boolean): Set<string> {
  const known = new Set<string>();
  for (let size = -1; size < known.size;) {
    size = known.size;
    for (const [name, node] of rules) if (holds(node, known)) known.add(name);
  }
  return known;
}

function isNullable(node: Node, known: ReadonlySet<string>): boolean {
  switch (node.kind) {
    case "text":
      return node.text === "";
    case "rule":
      return known.has(node.name);
    case "sequence":
      return node.items.every((item) => isNullable(item, known));
    case "either":
      return node.items.some((item) => isNullable(item, known));
    case "repeat":
      return node.min === 0 || isNullable(node.item, known);
    default:
      return false;
  }
}

function isProductive(node: Node, known: ReadonlySet<string>, isThere: (node: Node) => boolean): boolean {
  switch (node.kind) {
    case "rule":
      return known.has(node.name);
    case "sequence":
      return node.items.every((item) => isProductive(item, known, isThere));
    case "either":
      return node.items.some((item) => isProductive(item, known, isThere));
    case "repeat":
      return node.min === 0 || isProductive(node.item, known, isThere);
    default:
      return isThere(node);
  }
}

/** The rules that may begin a node's text. */
function* beginnings(node: Node, nullable: ReadonlySet<string>): Generator<string> {
  switch (node.kind) {
    case "rule":
      yield node.name;
      break;
    case "either":
      for (const item of node.items) yield* beginnings(item, nullable);
      break;
    case "repeat":
      yield* beginnings(node.item, nullable);
      break;
    case "sequence":
      for (const item of node.items) {
        yield* beginnings(item, nullable);
        if (!isNullable(item, nullable)) break;
      }
  }
}

function refuseLeftRecursion(rules: Rules, nullable: ReadonlySet<string>): void {
  const done = new Set<string>();
  const visit = (name: string, way: ReadonlySet<string>): void => {
    if (way.has(name)) {
      throw new RemoraError("UNSUPPORTED", "Cannot use the grammar", {
        expected: "rules that do not begin with themselves",
        found: `left recursion in ${name}`,
      });
    }
    if (done.has(name)) return;
    for (const first of beginnings(rules.get(name)!, nullable)) visit(first, new Set([...way, name]));
    done.add(name);
  };
  for (const name of rules.keys()) visit(name, new Set());
}

function requireRules(node: Node, rules: Rules): void {
  if (node.kind === "rule" && !rules.has(node.name)) throw bad("rules that are there", node.name);
  if ("items" in node) { for (const item of node.items) requireRules(item, rules); }
  if ("item" in node) requireRules(node.item, rules);
}

function bad(expected: string, found: string): RemoraError {
  return new RemoraError("BAD_ARGUMENT", "Cannot parse the grammar", { expected, found });
}

class EbnfReader {
  readonly #source: string;
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    if (source.length > GRAMMAR_EBNF_CHARACTERS_MAX) {
      throw bad(`at most ${GRAMMAR_EBNF_CHARACTERS_MAX} characters`, `${source.length}`);
    }
    this.#source = source;
  }

  read(): Map<string, Node> {
    const rules = new Map<string, Node>();
    this.#take(/(?:\s|#.*)*/y);
    while (this.#at < this.#source.length) {
      const name = this.#expect(/([\w-]+)\s*::=/y, "a rule, name ::= …")[1];
      if (rules.has(name)) throw this.#bad("each rule once");
      rules.set(name, this.#either());
    }
    return rules;
  }

  #either(): Node {
    if (++this.#depth > JSON_DEPTH_MAX) throw this.#bad(`at most ${JSON_DEPTH_MAX} levels of groups`);
    const items = [this.#sequence()];
    while (this.#token(/\|/y)) items.push(this.#sequence());
    this.#depth--;
    return items.length === 1 ? items[0] : { kind: "either", items };
  }

  #sequence(): Node {
    const items: Node[] = [];
    for (let item = this.#atom(); item; item = this.#atom()) items.push(this.#repeated(item));
    return items.length === 1 ? items[0] : { kind: "sequence", items };
  }

  #atom(): Node | undefined {
    const text = this.#token(/"((?:[^"\\\n]|\\.)*)"/y);
    if (text) return { kind: "text", text: unescape(text[1], () => this.#bad("escapes of JavaScript")) };
    const set = this.#token(/\[(?:[^\]\\\n]|\\.)*\]/y);
    // The long form of an escape is llama.cpp's own.
    if (set) return { kind: "set", source: set[0].replace(/\\U([0-9a-fA-F]{8})|\\[^]/g, withBraces) };
    if (this.#token(/\./y)) return { kind: "any" };
    if (this.#token(/\(/y)) {
      const inside = this.#either();
      if (!this.#token(/\)/y)) throw this.#bad(")");
      return inside;
    }
    // What is followed by ::= begins the next rule.
    const name = this.#token(/([\w-]+)(?!\s*::=)(?![\w-])/y);
    return name ? { kind: "rule", name: name[1] } : undefined;
  }

  #repeated(item: Node): Node {
    const found = this.#token(/([*+?])|\{\s*(?=[\d,])(\d*)\s*(?:(,)\s*(\d*)\s*)?\}/y);
    if (!found) return item;
    const [, sign, least, comma, most] = found;
    const min = sign ? Number(sign === "+") : Number(least);
    const max = sign === "?" ? 1 : sign || (comma && !most) ? Infinity : Number(comma ? most : least);
    if (Math.max(min, max === Infinity ? 0 : max) > GRAMMAR_REPEATS_MAX || min > max) {
      throw this.#bad(`at most ${GRAMMAR_REPEATS_MAX} repetitions, in order`);
    }
    return { kind: "repeat", item, min, max };
  }

  /** A token and the white space after it. */
  #token(pattern: RegExp): RegExpExecArray | undefined {
    const found = this.#take(pattern);
    if (found) this.#take(/(?:\s|#.*)*/y);
    return found;
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (!found) return undefined;
    this.#at += found[0].length;
    return found;
  }

  #expect(pattern: RegExp, expected: string): RegExpExecArray {
    const found = this.#token(pattern);
    if (!found) throw this.#bad(expected);
    return found;
  }

  #bad(expected: string): RemoraError {
    const line = this.#source.slice(0, this.#at).split("\n").length;
    return bad(`${expected} in line ${line}`, this.#source.slice(this.#at, this.#at + 20) || "the end");
  }
}

function withBraces(escape: string, code?: string): string {
  return code === undefined ? escape : `\\u{${code}}`;
}

function unescape(text: string, bad: () => RemoraError): string {
  return text.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/g,
    (_, x, u, long, letter) => {
      const code = x ?? u ?? long;
      if (code !== undefined) {
        if (parseInt(code, 16) > 0x10ffff) throw bad();
        return String.fromCodePoint(parseInt(code, 16));
      }
      const known: Record<string, string> = {
        n: "\n",
        r: "\r",
        t: "\t",
        b: "\b",
        f: "\f",
        '"': '"',
        "\\": "\\",
        "/": "/",
        "'": "'",
        "[": "[",
        "]": "]",
        "-": "-",
      };
      if (!Object.hasOwn(known, letter)) throw bad();
      return known[letter];
    },
  );
}
