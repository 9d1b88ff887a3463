/**
 * From a template's source to tokens, with Jinja2's rules of white space: `trim_blocks`, `lstrip_blocks`, no line end at the end.
 *
 * @module
 */

import { trailingSpace } from "./characters.ts";
import { unescape } from "./string_literals.ts";

/** The template does not follow the grammar. */
export class TemplateSyntaxError extends Error {}

/** A piece of a template. */
export interface Token {
  type:
    | "data"
    | "variable_begin"
    | "variable_end"
    | "block_begin"
    | "block_end"
    | "name"
    | "string"
    | "integer"
    | "float"
    | "operator"
    | "end";
  text: string;
  line: number;
}

const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const sticky = (source: string) => new RegExp(source.replaceAll("\\s", SPACE), "uy");

const BEGIN = /\{[%{#]/g;
const RAW_BEGIN = sticky("\\{%[-+]?\\s*raw\\s*(?:-%\\}\\s*|%\\})");
const RAW = sticky("([^]*?)\\{%([-+]?)\\s*endraw\\s*(?:\\+%\\}|-%\\}\\s*|%\\}\\n?)");
const COMMENT = sticky("[^]*?(?:\\+#\\}|-#\\}\\s*|#\\}\\n?)");
const BLOCK_END = sticky("(?:\\+%\\}|-%\\}\\s*|%\\}\\n?)");
const VARIABLE_END = sticky("(?:-\\}\\}\\s*|\\}\\})");
const WHITE_SPACE = sticky("\\s+");
const FLOAT = sticky(
  "(?<!\\.)(?:\\d+_)*\\d+(?:(?:\\.(?:\\d+_)*\\d+)?[eE][+\\-]?(?:\\d+_)*\\d+|\\.(?:\\d+_)*\\d+)",
);
const INTEGER = sticky(
  "0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\\da-fA-F])+|[1-9](?:_?\\d)*|0(?:_?0)*",
);
const NAME = sticky("[\\p{ID_Continue}_]+");
const IDENTIFIER = /^[\p{XID_Start}_]\p{XID_Continue}*$/u;
const STRING = sticky("'[^'\\\\]*(?:\\\\[^][^'\\\\]*)*'|\"[^\"\\\\]*(?:\\\\[^][^\"\\\\]*)*\"");
const OPERATOR = sticky("//|\\*\\*|==|!=|>=|<=|[+\\-/*%~[\\](){}><=.:|,;]");
const CLOSING: Record<string, string> = { "(": ")", "[": "]", "{": "}" };

/**
 * Cuts a template into tokens; comments and white space inside of tags are left out.
 *
 * @throws {TemplateSyntaxError}
 */
export function tokenize(template: string): Token[] {
  const source = template.replace(/\r\n?/g, "\n").replace(/\n$/, "");
  return new Lexer(source).run();
}

class Lexer {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #position = 0;
  #line = 1;
  #countedTo = 0;
  /** Whether what was read last ended with a line end, so that a tag may stand at the beginning of a line. */
  #isLineStart = true;

  constructor(source: string) {
    this.#source = source;
  }

  run(): Token[] {
    while (this.#position < this.#source.length) this.#text();
    this.#push("end", "");
    return this.#tokens;
  }

  /** Text up to the next tag, and that tag. */
  #text(): void {
    BEGIN.lastIndex = this.#position;
    const begin = BEGIN.exec(this.#source)?.index;
    if (begin === undefined) {
      this.#push("data", this.#source.slice(this.#position));
      this.#position = this.#source.length;
      return;
    }
    const kind = this.#source[begin + 1];
    const sign = this.#source[begin + 2] === "-" || this.#source[begin + 2] === "+"
      ? this.#source[begin + 2]
      : "";
    this.#data(this.#source.slice(this.#position, begin), sign, kind === "{");
    this.#position = begin;
    if (kind === "%" && this.#match(RAW_BEGIN) !== undefined) return this.#raw();
    this.#position = begin + 2 + sign.length;
    if (kind === "#") {
      if (this.#match(COMMENT) === undefined) throw this.#error("Missing end of comment tag");
    } else if (kind === "%") {
      this.#push("block_begin", "{%");
      this.#tag(BLOCK_END, "block_end");
    } else {
      this.#push("variable_begin", "{{");
      this.#tag(VARIABLE_END, "variable_end");
    }
  }

  /** Text before a tag, without the white space that the tag's sign or its place takes away. */
  #data(text: string, sign: string, isVariable: boolean): void {
    let kept = text;
    if (sign === "-") {
      kept = text.slice(0, trailingSpace(text));
    } else if (sign !== "+" && !isVariable) {
      const lineBegin = text.lastIndexOf("\n") + 1;
      const isAlone = lineBegin > 0 || this.#isLineStart;
      if (isAlone && trailingSpace(text.slice(lineBegin)) === 0) kept = text.slice(0, lineBegin);
    }
    if (kept !== "") this.#push("data", kept);
  }

  #raw(): void {
    const match = this.#match(RAW);
    if (match === undefined) throw this.#error("Missing end of raw directive");
    this.#data(match[1], match[2], false);
  }

  /** The inside of a tag. */
  #tag(end: RegExp, type: "block_end" | "variable_end"): void {
    const open: string[] = [];
    for (;;) {
      if (open.length === 0 && this.#match(end) !== undefined) {
        this.#push(type, "");
        return;
      }
      if (this.#position >= this.#source.length) throw this.#error("the end of the template inside of a tag");
      if (this.#match(WHITE_SPACE) !== undefined) continue;
      this.#inner(open);
    }
  }

  #inner(open: string[]): void {
    let match: RegExpExecArray | undefined;
    if ((match = this.#match(FLOAT)) !== undefined) this.#push("float", match[0].replaceAll("_", ""));
    else if ((match = this.#match(INTEGER)) !== undefined) {
      this.#push("integer", match[0].replaceAll("_", ""));
    } else if ((match = this.#match(NAME)) !== undefined) {
      if (!IDENTIFIER.test(match[0])) throw this.#error("Invalid character in identifier");
      this.#push("name", match[0]);
    } else if ((match = this.#match(STRING)) !== undefined) {
      this.#push("string", unescape(match[0].slice(1, -1), (message) => this.#error(message)));
    } else if ((match = this.#match(OPERATOR)) !== undefined) {
      const [operator] = match;
      if (operator in CLOSING) open.push(CLOSING[operator]);
      else if (operator === ")" || operator === "]" || operator === "}") {
        const expected = open.pop();
        if (expected !== operator) {
          throw this.#error(
            `'${operator}' out of place` + (expected === undefined ? "" : `, expected '${expected}'`),
          );
        }
      }
      this.#push("operator", operator);
    } else {
      throw this.#error(
        `a character that has no place there, '${
          String.fromCodePoint(this.#source.codePointAt(this.#position)!)
        }'`,
      );
    }
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#position;
    const match = pattern.exec(this.#source);
    if (match === null) return undefined;
    this.#position += match[0].length;
    this.#isLineStart = match[0].endsWith("\n");
    return match;
  }

  #push(type: Token["type"], text: string): void {
    for (; this.#countedTo < this.#position; this.#countedTo++) {
      if (this.#source[this.#countedTo] === "\n") this.#line++;
    }
    this.#tokens.push({ type, text, line: this.#line });
  }

  #error(message: string): TemplateSyntaxError {
    return new TemplateSyntaxError(`${message} in line ${this.#line}`);
  }
}
