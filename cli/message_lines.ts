/**
 * Messages of several lines, as they are typed or pasted.
 *
 * @module
 */

const QUOTES = '"""';

/**
 * Lines on their way to a message. One line is a message, unless it ends in a backslash or opens with `"""`: then more
 * follow.
 */
export class MessageLines {
  #lines: string[] = [];

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  push(line: string): void {
    this.#lines.push(line);
  }

  /** The message when it is complete; `undefined` while more lines must follow. */
  complete(): string | undefined {
    const text = this.#lines.join("\n");
    if (text.trimStart().startsWith(QUOTES)) {
      const quoted = text.trim().slice(QUOTES.length);
      return quoted.endsWith(QUOTES) ? quoted.slice(0, -QUOTES.length).trim() : undefined;
    }
    if (!text.endsWith("\\")) return text;
    this.#lines = text.slice(0, -1).split("\n");
    return undefined;
  }
}
