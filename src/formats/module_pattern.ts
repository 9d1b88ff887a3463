/**
 * Regular expressions from a checkpoint's config, matched in linear time.
 *
 * Such a pattern comes with the checkpoint and is not trusted: thirty characters can make a backtracking engine
 * run for years. So the subset of Python's `re` that module patterns use is compiled to an
 * automaton whose states are all followed at once: a name costs at most its length times the pattern's steps.
 * What is outside the subset is refused, not approximated.
 *
 * @see {@link https://swtch.com/~rsc/regexp/regexp1.html | Cox, Regular Expression Matching Can Be Simple And Fast}
 * @module
 */

import { PATTERN_CHARACTERS_MAX, PATTERN_STEPS_MAX } from "../core/limits.ts";

type CharacterTest = (character: string) => boolean;
type PositionTest = (text: readonly string[], position: number) => boolean;

/** A part of the pattern; emits its own steps when the automaton is built. */
type Part =
  | { kind: "character"; test: CharacterTest }
  | { kind: "position"; test: PositionTest }
  | { kind: "sequence"; parts: Part[] }
  | { kind: "choice"; parts: Part[] }
  | { kind: "repeat"; part: Part; min: number; max: number };

/** A step of the automaton: take a character, check the position, go on in several places, or accept. */
type Step =
  | { kind: "character"; test: CharacterTest }
  | { kind: "position"; test: PositionTest }
  | { kind: "jump"; targets: number[] }
  | { kind: "accept" };

/** A compiled pattern. */
export interface ModulePattern {
  /** Steps of the automaton: what matching costs per character. */
  readonly steps: number;
  /** Whether the pattern matches at the start of the text, not necessarily up to its end: Python's `re.match`. */
  matches(text: string): boolean;
}

/**
 * Compiles a pattern of Python's `re`.
 *
 * Taken: literals, `.`, classes, `\d \w \s` and their opposites, groups, alternation, greedy and lazy repetition, `^ $ \A
 * \Z \b \B`. Refused: flags, look-around, back-references, possessive repetition, octal and hexadecimal escapes.
 *
 * @param anywhere Match at any position of the text instead of its start only: Python's `re.search`.
 * @throws {SyntaxError} With a message that fits after "found"; the caller knows which file and key to name.
 */
export function compileModulePattern(pattern: string, { anywhere = false } = {}): ModulePattern {
  const steps: Step[] = [];
  if (anywhere) {
    emit({ kind: "repeat", part: { kind: "character", test: () => true }, min: 0, max: Infinity }, steps);
  }
  emit(new PatternParser(pattern).parse(), steps);
  steps.push({ kind: "accept" });
  return { steps: steps.length, matches: (text) => run(steps, Array.from(text)) };
}

/** Appends the steps of a part; control goes on at the step after them. */
function emit(part: Part, steps: Step[]): void {
  const begin = steps.length;
  if (begin > PATTERN_STEPS_MAX) throw new SyntaxError("a pattern that is too large");
  switch (part.kind) {
    case "sequence":
      for (const member of part.parts) emit(member, steps);
      break;
    case "choice":
      emitChoice(part.parts, steps);
      break;
    case "repeat":
      emitRepeat(part, steps);
      break;
    default:
      steps.push(part);
  }
  // Even nothing takes a step, so that repeating it nested a billion times runs into the limit.
  if (steps.length === begin) steps.push({ kind: "jump", targets: [begin + 1] });
}

function emitChoice(parts: readonly Part[], steps: Step[]): void {
  const fork: number[] = [];
  const exits: number[][] = [];
  steps.push({ kind: "jump", targets: fork });
  for (const part of parts) {
    fork.push(steps.length);
    emit(part, steps);
    const exit: number[] = [];
    steps.push({ kind: "jump", targets: exit });
    exits.push(exit);
  }
  for (const exit of exits) exit.push(steps.length);
}

function emitRepeat({ part, min, max }: Part & { kind: "repeat" }, steps: Step[]): void {
  for (let count = 0; count < min; count++) emit(part, steps);
  const begin = steps.length;
  const skips: number[][] = [];
  for (let count = min; count < (max === Infinity ? min + 1 : max); count++) {
    const targets = [steps.length + 1];
    steps.push({ kind: "jump", targets });
    skips.push(targets);
    emit(part, steps);
  }
  if (max === Infinity) steps.push({ kind: "jump", targets: [begin] });
  for (const targets of skips) targets.push(steps.length);
}

/** Follows all states at once. */
function run(steps: readonly Step[], text: readonly string[]): boolean {
  const reachedAt = new Int32Array(steps.length).fill(-1);
  let current = follow([0], 0);
  for (let position = 0; current !== "accepted"; position++) {
    if (current.length === 0 || position === text.length) return false;
    const next: number[] = [];
    for (const index of current) {
      const step = steps[index];
      if (step.kind === "character" && step.test(text[position])) next.push(index + 1);
    }
    current = follow(next, position + 1);
  }
  return true;

  /** The steps that wait for a character, reachable without taking one. */
  function follow(pending: number[], position: number): number[] | "accepted" {
    const waiting: number[] = [];
    while (pending.length > 0) {
      const index = pending.pop()!;
      if (reachedAt[index] === position) continue;
      reachedAt[index] = position;
      const step = steps[index];
      if (step.kind === "accept") return "accepted";
      if (step.kind === "character") waiting.push(index);
      else if (step.kind === "jump") pending.push(...step.targets);
      else if (step.test(text, position)) pending.push(index + 1);
    }
    return waiting;
  }
}

const isDigit: CharacterTest = (character) => /^\p{Nd}$/u.test(character);
const isWord: CharacterTest = (character) => /^[\p{L}\p{N}_]$/u.test(character);
const isSpace: CharacterTest = (character) => /^\s$/u.test(character);
const opposite = (test: CharacterTest): CharacterTest => (character) => !test(character);

const CLASS_ESCAPES = new Map([
  ["d", isDigit],
  ["D", opposite(isDigit)],
  ["w", isWord],
  ["W", opposite(isWord)],
  ["s", isSpace],
  ["S", opposite(isSpace)],
]);

const CONTROL_ESCAPES = new Map([["n", "\n"], ["t", "\t"], ["r", "\r"], ["f", "\f"], ["v", "\v"]]);

const atStart: PositionTest = (_, position) => position === 0;
const atEnd: PositionTest = (text, position) => position === text.length;
const atLineEnd: PositionTest = (text, position) =>
  position === text.length || (position === text.length - 1 && text[position] === "\n");
const atWordEdge: PositionTest = (text, position) =>
  isWordAt(text, position - 1) !== isWordAt(text, position);

function isWordAt(text: readonly string[], position: number): boolean {
  return position >= 0 && position < text.length && isWord(text[position]);
}

const POSITION_ESCAPES = new Map<string, PositionTest>([
  ["A", atStart],
  ["Z", atEnd],
  ["b", atWordEdge],
  ["B", (text, position) => !atWordEdge(text, position)],
]);

/** Recursive descent; the length limit bounds the recursion. */
class PatternParser {
  readonly #pattern: readonly string[];
  #next = 0;

  constructor(pattern: string) {
    if (pattern.length > PATTERN_CHARACTERS_MAX) {
      throw new SyntaxError(`a pattern longer than ${PATTERN_CHARACTERS_MAX} characters`);
    }
    this.#pattern = Array.from(pattern);
  }

  parse(): Part {
    const part = this.#choice();
    if (this.#next < this.#pattern.length) throw this.#refusal("an unbalanced )");
    return part;
  }

  #choice(): Part {
    const parts = [this.#sequence()];
    while (this.#take("|")) parts.push(this.#sequence());
    return parts.length === 1 ? parts[0] : { kind: "choice", parts };
  }

  #sequence(): Part {
    const parts: Part[] = [];
    while (this.#next < this.#pattern.length && this.#peek() !== "|" && this.#peek() !== ")") {
      parts.push(this.#repeated(this.#atom()));
    }
    return { kind: "sequence", parts };
  }

  #repeated(part: Part): Part {
    const count = this.#repetition();
    if (count === undefined) return part;
    if (part.kind === "position") throw this.#refusal("a repeated anchor");
    if (this.#peek() === "+") throw this.#refusal("possessive repetition");
    this.#take("?"); // lazy: the same texts match
    if (this.#repetition() !== undefined) throw this.#refusal("a repeated repetition");
    return { kind: "repeat", part, ...count };
  }

  #repetition(): { min: number; max: number } | undefined {
    if (this.#take("*")) return { min: 0, max: Infinity };
    if (this.#take("+")) return { min: 1, max: Infinity };
    if (this.#take("?")) return { min: 0, max: 1 };
    const braces = /^\{(?!\})(\d{0,9})(?:(,)(\d{0,9}))?\}/.exec(this.#rest(24));
    if (braces === null) return undefined;
    this.#next += braces[0].length;
    const [, low, comma, high] = braces;
    const min = Number(low);
    const max = comma === undefined ? min : high === "" ? Infinity : Number(high);
    if (min > max) throw this.#refusal("a repetition {m,n} with m > n");
    if (min > PATTERN_STEPS_MAX || (max !== Infinity && max > PATTERN_STEPS_MAX)) {
      throw this.#refusal("too many repetitions");
    }
    return { min, max };
  }

  #atom(): Part {
    const character = this.#pattern[this.#next++];
    switch (character) {
      case "(":
        return this.#group();
      case "[":
        return { kind: "character", test: this.#characterClass() };
      case "\\":
        return this.#escape();
      case ".":
        return { kind: "character", test: (other) => other !== "\n" };
      case "^":
        return { kind: "position", test: atStart };
      case "$":
        return { kind: "position", test: atLineEnd };
      case "*":
      case "+":
      case "?":
        throw this.#refusal("nothing to repeat");
      default:
        return { kind: "character", test: (other) => other === character };
    }
  }

  #group(): Part {
    if (this.#take("?")) {
      const opening = /^(?::|P<[A-Za-z_]\w*>)/.exec(this.#rest(PATTERN_CHARACTERS_MAX));
      if (opening === null) throw this.#refusal("flags, look-around or a back-reference: (?…");
      this.#next += opening[0].length;
    }
    const part = this.#choice();
    if (!this.#take(")")) throw this.#refusal("an unclosed (");
    return part;
  }

  #escape(): Part {
    const character = this.#escaped();
    const position = POSITION_ESCAPES.get(character);
    if (position !== undefined) return { kind: "position", test: position };
    return { kind: "character", test: this.#escapeTest(character) };
  }

  #escapeTest(character: string): CharacterTest {
    const literal = this.#escapeLiteral(character);
    return CLASS_ESCAPES.get(character) ?? ((other) => other === literal);
  }

  #escapeLiteral(character: string): string {
    if (/[0-9A-Za-z]/.test(character) && !CONTROL_ESCAPES.has(character) && !CLASS_ESCAPES.has(character)) {
      throw this.#refusal(`the escape \\${character}`);
    }
    return CONTROL_ESCAPES.get(character) ?? character;
  }

  #escaped(): string {
    if (this.#next >= this.#pattern.length) throw this.#refusal("a trailing \\");
    return this.#pattern[this.#next++];
  }

  #characterClass(): CharacterTest {
    const negated = this.#take("^");
    const tests: CharacterTest[] = [];
    for (let first = true; first || this.#peek() !== "]"; first = false) {
      const low = this.#classMember();
      if (this.#peek() !== "-" || this.#pattern[this.#next + 1] === "]") {
        tests.push(typeof low === "string" ? (other) => other === low : low);
        continue;
      }
      this.#next++;
      const high = this.#classMember();
      if (typeof low !== "string" || typeof high !== "string" || codeOf(low) > codeOf(high)) {
        throw this.#refusal("a bad range in […]");
      }
      tests.push((other) => codeOf(low) <= codeOf(other) && codeOf(other) <= codeOf(high));
    }
    this.#next++;
    return (character) => tests.some((test) => test(character)) !== negated;
  }

  #classMember(): string | CharacterTest {
    if (this.#next >= this.#pattern.length) throw this.#refusal("an unclosed [");
    const character = this.#pattern[this.#next++];
    if (character !== "\\") return character;
    const escaped = this.#escaped();
    return CLASS_ESCAPES.get(escaped) ?? this.#escapeLiteral(escaped);
  }

  #peek(): string | undefined {
    return this.#pattern[this.#next];
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#next++;
    return true;
  }

  #rest(length: number): string {
    return this.#pattern.slice(this.#next, this.#next + length).join("");
  }

  #refusal(what: string): SyntaxError {
    return new SyntaxError(`${what} in "${this.#pattern.join("")}" at character ${this.#next}`);
  }
}

function codeOf(character: string): number {
  return character.codePointAt(0)!;
}
