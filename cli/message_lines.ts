/**
 * Messages of several lines, as they are typed or pasted.
 *
 * @module
 */

const QUOTES = '"""';

/** A message that is complete, or the text that more lines must follow. */
export type Entered = { message: string } | { continued: string };

/**
 * What Enter makes of a text: a message, unless it ends in a backslash or opens with `"""` that is not closed: then more follow.
 */
export function enter(text: string): Entered {
  if (text.trimStart().startsWith(QUOTES)) {
    const quoted = text.trim().slice(QUOTES.length);
    return quoted.endsWith(QUOTES)
      ? { message: quoted.slice(0, -QUOTES.length).trim() }
      : { continued: `${text}\n` };
  }
  return text.endsWith("\\") ? { continued: `${text.slice(0, -1)}\n` } : { message: text };
}
