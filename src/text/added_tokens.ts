/**
 * Tokens that are recognised in text as a whole, before any other processing.
 *
 * @module
 */

import { compileRegex, escapeRegex, WORD_CHARACTERS } from "./regex.ts";

/** One entry of `added_tokens` in tokenizer.json. */
export interface AddedToken {
  id: number;
  content: string;
  /** Only where no letter, mark, digit or underscore touches it. */
  singleWord: boolean;
  /** Swallows white space before it. */
  stripLeft: boolean;
  /** Swallows white space after it. */
  stripRight: boolean;
  /** Looked for in normalised text instead of the raw one. */
  normalized: boolean;
  /** Controls the model instead of standing for text. */
  special: boolean;
}

/** Cuts text at added tokens: leftmost first, of several there the longest. */
export class AddedTokenSplitter {
  readonly #tokens: Map<string, AddedToken>;
  readonly #pattern: RegExp | undefined;

  /**
   * @param file What messages call the tokenizer.
   * @param spelling How a token appears in the text to split, e.g. normalised.
   * @throws {RemoraError} UNSUPPORTED for tokens that are too long to be looked for.
   */
  constructor(
    tokens: AddedToken[],
    file: string,
    spelling: (token: AddedToken) => string = (token) => token.content,
  ) {
    this.#tokens = new Map(tokens.map((token) => [spelling(token), token]));
    this.#tokens.delete("");
    const longestFirst = [...this.#tokens].sort(([a], [b]) => b.length - a.length);
    if (longestFirst.length === 0) return;
    const patterns = longestFirst.map(([text, { singleWord }]) =>
      singleWord ? asSingleWord(escapeRegex(text)) : escapeRegex(text)
    );
    this.#pattern = compileRegex(patterns.join("|"), file);
  }

  /** Stretches of text and the tokens between them, in order; no stretch is empty. */
  split(text: string): (string | AddedToken)[] {
    if (this.#pattern === undefined) return text === "" ? [] : [text];
    const parts: (string | AddedToken)[] = [];
    let end = 0;
    let before: AddedToken | undefined;
    const pushText = (stretch: string, after?: AddedToken) => {
      if (before?.stripRight) stretch = trimStart(stretch);
      if (after?.stripLeft) stretch = trimEnd(stretch);
      if (stretch !== "") parts.push(stretch);
    };
    for (const match of text.matchAll(this.#pattern)) {
      const token = this.#tokens.get(match[0])!;
      pushText(text.slice(end, match.index), token);
      parts.push(token);
      before = token;
      end = match.index + match[0].length;
    }
    pushText(text.slice(end));
    return parts;
  }
}

/** White space by Unicode; JavaScript's own trim also takes U+FEFF and leaves U+0085. */
const WHITE_SPACE = /\p{White_Space}/u;

function trimStart(text: string): string {
  let begin = 0;
  while (begin < text.length && WHITE_SPACE.test(text[begin])) begin++;
  return text.slice(begin);
}

function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && WHITE_SPACE.test(text[end - 1])) end--;
  return text.slice(0, end);
}

function asSingleWord(pattern: string): string {
  return `(?<![${WORD_CHARACTERS}])${pattern}(?![${WORD_CHARACTERS}])`;
}
