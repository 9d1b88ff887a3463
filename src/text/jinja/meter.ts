/**
 * Limits of time and memory for templates, which come from untrusted files.
 *
 * @module
 */

/**
 * Characters of the longest string, and items of the longest list. Chat templates have kilobytes of their own; the caller's
 * messages raise the limit.
 */
const CHARACTERS_MAX = 1 << 20;
/**
 * Work a template may do before it is refused, in units of about a tenth of a microsecond. Real templates need some hundred
 * evaluations per message; long conversations earn more by their length.
 */
const WORK_MAX = 1 << 22;
/** Some templates look at each character of a string, where they look for parts. */
const WORK_PER_INPUT_CHARACTER = 128;
/** Work of evaluating one expression or statement, and of making or visiting one item of a list. */
const WORK_PER_STEP = 8;
/** Items or characters that make one unit of work where they are only copied or compared. */
const SMALL_PER_WORK = 32;
/** Nested evaluations, e.g. calls of macros: far from the end of the stack, and above any chain of real templates. */
const DEPTH_MAX = 400;

/** Thrown when a limit is reached; `message` says which one, as what was expected. */
export class TemplateLimitError extends Error {}

/** Counts the work of one rendering and measures what it makes. */
export class Meter {
  readonly #charactersMax: number;
  readonly #workMax: number;
  #work = 0;
  #depth = 0;

  /** @param inputCharacters Size of the caller's own data, which raises the limits. */
  constructor(inputCharacters: number) {
    this.#charactersMax = CHARACTERS_MAX + 4 * inputCharacters;
    this.#workMax = WORK_MAX + WORK_PER_INPUT_CHARACTER * inputCharacters;
  }

  /** Begins an evaluation; `leave` ends it. */
  enter(): void {
    this.spend(WORK_PER_STEP);
    if (++this.#depth > DEPTH_MAX) throw new TemplateLimitError(`at most ${DEPTH_MAX} nested evaluations`);
  }

  leave(): void {
    this.#depth--;
  }

  spend(work: number): void {
    this.#work += work;
    if (!(this.#work <= this.#workMax)) {
      throw new TemplateLimitError(`at most ${this.#workMax} units of work`);
    }
  }

  /** One item of a list that is made or visited. */
  item(): void {
    this.spend(WORK_PER_STEP);
  }

  /** Checks the length of a string or list, before it is made where it could be large. */
  size(length: number): void {
    if (!(length <= this.#charactersMax)) {
      throw new TemplateLimitError(`at most ${this.#charactersMax} characters`);
    }
    this.spend(length / SMALL_PER_WORK);
  }

  /** Checks a string that was made. */
  text(text: string): string {
    this.size(text.length);
    return text;
  }
}
