/**
 * Thinking, which some models write before their answer.
 *
 * @module
 */
import type { Term, TermStore } from "../grammar/terms.ts";
import { type AnswerPart, type AnswerReader, heldLength } from "./answer_parts.ts";
import { textWithout } from "./free_text.ts";

/** The marks round what a model thinks. */
export interface ReasoningMarks {
  readonly begin: string;
  readonly end: string;
}

const MARKS: readonly ReasoningMarks[] = [
  { begin: "<think>", end: "</think>" },
  { begin: "[THINK]", end: "[/THINK]" },
];

/** The marks that a chat template knows. */
export function reasoningMarks(template: string): ReasoningMarks | undefined {
  return MARKS.find(({ begin, end }) => template.includes(begin) && template.includes(end));
}

/** Where an answer begins: before thinking, within it where the template opened it, or after it where the template closed it at once. */
export type ReasoningState = "before" | "inside" | "after";

/** Where the answer to a prompt begins. */
export function reasoningState({ begin, end }: ReasoningMarks, prompt: string): ReasoningState {
  const tail = prompt.trimEnd();
  return tail.endsWith(begin) ? "inside" : tail.endsWith(end) ? "after" : "before";
}

/** An answer that may be preceded by thinking. */
export function afterReasoning(
  store: TermStore,
  { begin, end }: ReasoningMarks,
  state: ReasoningState,
  answer: Term,
): Term {
  if (state === "after") return answer;
  const spaces = store.repeat(store.text("\n"), 0, 2);
  const rest = store.sequence(textWithout(store, end), store.text(end), spaces);
  const thinking = state === "inside" ? rest : store.optional(store.sequence(store.text(begin), rest));
  return store.sequence(thinking, answer);
}

/** Tells thinking from the answer, whose own reader gets the rest. */
export class ReasoningReader implements AnswerReader {
  readonly #marks: ReasoningMarks;
  readonly #answer: AnswerReader;
  #state: ReasoningState;
  /** Whether thinking was before the answer: white space between the two belongs to neither. */
  #isAfterThinking = false;
  #held = "";

  constructor(marks: ReasoningMarks, state: ReasoningState, answer: AnswerReader) {
    this.#marks = marks;
    this.#answer = answer;
    this.#state = state;
  }

  push(text: string): AnswerPart[] {
    if (this.#state === "after") return this.#pushAnswer(text);
    this.#held += text;
    if (this.#state === "before") {
      const { begin } = this.#marks;
      const start = this.#held.trimStart();
      if (begin.startsWith(start)) return [];
      if (!start.startsWith(begin)) return this.#leave(this.#held, false);
      this.#state = "inside";
      this.#held = start.slice(begin.length).replace(/^\n/, "");
    }
    const { end } = this.#marks;
    const at = this.#held.indexOf(end);
    if (at >= 0) {
      const thought = this.#held.slice(0, at).trimEnd();
      return [...reasoning(thought), ...this.#leave(this.#held.slice(at + end.length), true)];
    }
    // White space before the end mark is not part of the thinking.
    const kept = this.#held.length -
      this.#held.slice(0, this.#held.length - heldLength(this.#held, end)).trimEnd().length;
    const shown = this.#held.slice(0, this.#held.length - kept);
    this.#held = this.#held.slice(shown.length);
    return reasoning(shown);
  }

  end(): AnswerPart[] {
    if (this.#state === "after") return this.#answer.end();
    const rest = this.#state === "inside" ? reasoning(this.#held) : this.#answer.push(this.#held);
    this.#held = "";
    return [...rest, ...this.#answer.end()];
  }

  #leave(rest: string, isAfterThinking: boolean): AnswerPart[] {
    this.#state = "after";
    this.#isAfterThinking = isAfterThinking;
    this.#held = "";
    return this.#pushAnswer(rest);
  }

  #pushAnswer(text: string): AnswerPart[] {
    const rest = this.#isAfterThinking ? text.trimStart() : text;
    if (rest === "") return [];
    this.#isAfterThinking = false;
    return this.#answer.push(rest);
  }
}

function reasoning(text: string): AnswerPart[] {
  return text === "" ? [] : [{ type: "reasoning", text }];
}
