/**
 * The tokens of a template, one after the other.
 *
 * @module
 */

import { TemplateSyntaxError, type Token } from "./lexer.ts";

/** Nested expressions and statements: far from the end of the stack, above any real template. */
const DEPTH_MAX = 120;

/** A place in the tokens of a template. */
export class TokenStream {
  readonly #tokens: Token[];
  #index = 0;
  #depth = 0;
  /** Names that macros treat in a special way, with every use of them so far. */
  readonly uses: string[] = [];
  /** Whether an unknown filter is an error only where it is used: inside of conditions. */
  isSoft = false;

  constructor(tokens: Token[]) {
    this.#tokens = tokens;
  }

  get current(): Token {
    return this.#tokens[this.#index];
  }

  get next(): Token {
    return this.#tokens[Math.min(this.#index + 1, this.#tokens.length - 1)];
  }

  /** Goes on and gives the token that was current. */
  advance(): Token {
    const token = this.current;
    if (token.type !== "end") this.#index++;
    return token;
  }

  is(type: Token["type"], text?: string): boolean {
    return this.current.type === type && (text === undefined || this.current.text === text);
  }

  isOperator(text: string): boolean {
    return this.is("operator", text);
  }

  isName(text: string): boolean {
    return this.is("name", text);
  }

  skip(type: Token["type"], text: string): boolean {
    if (!this.is(type, text)) return false;
    this.advance();
    return true;
  }

  expect(type: Token["type"], text?: string): Token {
    if (!this.is(type, text)) throw this.error(`expected ${text ?? type}, got ${this.describe()}`);
    return this.advance();
  }

  describe(): string {
    const { type, text } = this.current;
    return type === "end" ? "the end of the template" : text === "" ? type : `'${text}'`;
  }

  error(message: string): TemplateSyntaxError {
    return new TemplateSyntaxError(`${message} in line ${this.current.line}`);
  }

  /** Runs a part of the parser that may call itself. */
  nested<T>(parse: () => T): T {
    if (++this.#depth > DEPTH_MAX) throw this.error(`more than ${DEPTH_MAX} levels of nesting`);
    const value = parse();
    this.#depth--;
    return value;
  }

  /** Runs the parser with unknown filters as errors of their use, or of the template. */
  withSoft<T>(isSoft: boolean, parse: () => T): T {
    const before = this.isSoft;
    this.isSoft = isSoft;
    const value = parse();
    this.isSoft = before;
    return value;
  }
}
