/**
 * Answers on a terminal, broken between words.
 *
 * A word is written when it is complete, so nothing that was written has to be taken back, whatever becomes of the window meanwhile.
 *
 * @module
 */
import { segmenter, widthOf } from "./text_layout.ts";

const TAB_COLUMNS = 8;
/** A line that code begins or ends with. */
const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;
/** How a line begins that is written as it is: indented code, or a row of a table. */
const PREFORMATTED = /^( {4}| {0,3}\t| {0,3}\|)/;
/** A line of which more must come before it can be told. */
const UNDECIDED = /^ {0,3}$/;
/** Where lines of wide characters are not broken: before closing marks, after opening ones. */
const CLOSING = /^[\p{Pe}\p{Pf}\p{Po}ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ]/u,
  OPENING = /[\p{Ps}\p{Pi}]$/u;

/** What is written together: white space, and a word or a wide character. Where a line is broken the white space is left out. */
interface Unit {
  space: string;
  word: string;
}

/**
 * Puts line breaks where a word would cross the right edge. Blocks of code, indented lines and rows of tables stay as they are, and
 * so do words that are longer than a line: the terminal itself breaks them, and copies them whole.
 */
export class WordWrap {
  readonly #columns: () => number;
  /** What was not written yet. */
  #held = "";
  /** The line so far, as the answer has it. */
  #line = "";
  /** Columns since the last line break that was written. */
  #width = 0;
  #isPreformatted: boolean | undefined;
  /** What closes the block of code. */
  #fence: string | undefined;
  /** The last character of a word longer than a line that is being written. */
  #open: string | undefined;

  /** @param columns Width of the terminal; asked for each word, as windows change. */
  constructor(columns: () => number) {
    this.#columns = columns;
  }

  /** The next piece of an answer, as far as it can be written. */
  push(text: string): string {
    this.#held += text;
    return this.#take(false);
  }

  /** What is left at the end. */
  end(): string {
    return this.#take(true);
  }

  #take(isEnd: boolean): string {
    let written = "";
    while (this.#held !== "") {
      const lineEnd = this.#held.indexOf("\n");
      const isComplete = lineEnd >= 0 || isEnd;
      const rest = lineEnd < 0 ? this.#held : this.#held.slice(0, lineEnd);
      if (this.#isPreformatted === undefined) {
        if (!this.#fence && !isComplete && UNDECIDED.test(rest)) break;
        this.#isPreformatted = this.#fence !== undefined || PREFORMATTED.test(rest);
      }
      if (this.#isPreformatted) written += this.#asItIs(rest);
      else written += this.#wrapped(rest, isComplete);
      if (lineEnd < 0) break;
      written += "\n";
      this.#held = this.#held.slice(1);
      this.#endLine();
    }
    return written;
  }

  #asItIs(text: string): string {
    this.#held = this.#held.slice(text.length);
    this.#line += text;
    return text;
  }

  #endLine(): void {
    const [, marks, rest = ""] = FENCE.exec(this.#line) ?? [];
    if (this.#fence === undefined) this.#fence = rest.includes("`") ? undefined : marks;
    else if (marks?.startsWith(this.#fence) && rest.trim() === "") this.#fence = undefined;
    this.#line = "";
    this.#width = 0;
    this.#isPreformatted = undefined;
    this.#open = undefined;
  }

  #wrapped(text: string, isComplete: boolean): string {
    const units = unitsOf(text);
    // The last word may go on, and a wide character be followed by what belongs to it.
    const last = isComplete ? undefined : units.pop();
    let written = units.map((unit) => this.#place(unit)).join("");
    const isTooLong = last !== undefined && (this.#goesOn(last) || widthsOf(last.word) > this.#columns());
    if (isTooLong) written += this.#place(last);
    const kept = last === undefined || isTooLong ? 0 : last.space.length + last.word.length;
    this.#open = isTooLong ? charactersOf(last.word).at(-1) : undefined;
    this.#line += text.slice(0, text.length - kept);
    this.#held = this.#held.slice(text.length - kept);
    return written;
  }

  /** Whether a unit belongs to the long word that is being written. */
  #goesOn({ space, word }: Unit): boolean {
    return this.#open !== undefined && space === "" && !mayBreak(this.#open, charactersOf(word)[0]);
  }

  #place(unit: Unit): string {
    const { space, word } = unit;
    const columns = this.#columns();
    // A full line leaves the cursor in it until more comes.
    const column = this.#width === 0 ? 0 : (this.#width - 1) % columns + 1;
    const goesOn = this.#goesOn(unit);
    this.#open = undefined;
    const gap = widthsOf(space, column), width = widthsOf(word, column + gap);
    if (column === 0 || goesOn || column + gap + width <= columns) {
      this.#width += gap + width;
      return space + word;
    }
    if (word === "") return "";
    this.#width = widthsOf(word);
    return `\n${word}`;
  }
}

function unitsOf(text: string): Unit[] {
  const units: Unit[] = [];
  let before = "";
  for (const character of charactersOf(text)) {
    const isSpace = character === " " || character === "\t";
    const last = units.at(-1);
    if (last === undefined || last.word !== "" && (isSpace || mayBreak(before, character))) {
      units.push(isSpace ? { space: character, word: "" } : { space: "", word: character });
    } else if (isSpace) last.space += character;
    else last.word += character;
    before = character;
  }
  return units;
}

/** Whether a line may be broken between two characters without a space. */
function mayBreak(before: string, after: string): boolean {
  const isWide = widthOf(before) > 1 || widthOf(after) > 1;
  return isWide && !OPENING.test(before) && !CLOSING.test(after);
}

function charactersOf(text: string): string[] {
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/** Columns of a text that begins at a column. */
function widthsOf(text: string, column = 0): number {
  let width = 0;
  for (const character of charactersOf(text)) {
    width += character === "\t" ? TAB_COLUMNS - (column + width) % TAB_COLUMNS : widthOf(character);
  }
  return width;
}
