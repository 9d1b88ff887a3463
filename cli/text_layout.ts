/**
 * Where text stands on a terminal.
 *
 * @module
 */

/** Cuts text into characters as they are read. */
export const segmenter = new Intl.Segmenter();
/** Characters that take two columns: East Asian ones (UAX #11) and pictures. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

/** A place on the terminal, from the row on which the text begins. */
export interface Place {
  row: number;
  column: number;
}

/** Text with line breaks where the terminal would wrap it. */
export interface Layout {
  /** To be written from the left column on. */
  text: string;
  /** Where it ends, and where the character at `cursor` stands. */
  end: Place;
  cursor: Place;
}

/** Columns of one character as it is read. */
export function widthOf(character: string): number {
  if (/^[ -~]$/.test(character)) return 1;
  if (/^\p{M}+$/u.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/**
 * Lays out a prompt and a text; every line of it but the first begins with `continuation`.
 *
 * @param cursor Index into the text.
 */
export function layOut(
  prompt: string,
  continuation: string,
  text: string,
  cursor: number,
  columns: number,
): Layout {
  let written = "", row = 0, column = 0, at: Place | undefined;
  const put = (character: string, width: number) => {
    if (column + width > columns) {
      written += "\r\n";
      row++;
      column = 0;
    }
    written += character;
    column += width;
  };
  for (const character of prompt) put(character, widthOf(character));
  for (const { segment, index } of segmenter.segment(text)) {
    const width = segment === "\t" ? 1 : segment === "\n" ? 0 : widthOf(segment);
    if (index >= cursor) at ??= column + width > columns ? { row: row + 1, column: 0 } : { row, column };
    if (segment !== "\n") {
      put(segment === "\t" ? " " : segment, width);
      continue;
    }
    written += "\r\n";
    row++;
    column = 0;
    for (const character of continuation) put(character, widthOf(character));
  }
  // After a full row the cursor stands in the next one.
  if (column === columns) {
    written += "\r\n";
    row++;
    column = 0;
  }
  const end = { row, column };
  return { text: written, end, cursor: at ?? end };
}

/** Index of the character before an index, and after it. */
export function before(text: string, index: number): number {
  const from = Math.max(0, index - 64);
  const segments = [...segmenter.segment(text.slice(from, index))];
  return segments.length === 0 ? index : from + segments[segments.length - 1].index;
}

export function after(text: string, index: number): number {
  for (const { segment } of segmenter.segment(text.slice(index, index + 64))) return index + segment.length;
  return index;
}
