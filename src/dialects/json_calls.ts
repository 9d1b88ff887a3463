/**
 * Calls that are JSON objects with a name and arguments, as most families write them.
 *
 * @module
 */
import type { JsonText } from "../grammar/json/text.ts";
import type { Term } from "../grammar/terms.ts";
import { type AnswerPart, type AnswerReader, heldLength, TextRoundCalls } from "./answer_parts.ts";
import type { ToolGrammar } from "./tool_format.ts";

/** The object of one call. */
export function jsonCall(json: JsonText, { name, arguments: value }: ToolGrammar, key: string): Term {
  const { store } = json;
  const names = JSON.stringify(name);
  return store.sequence(store.text(`{"name": ${names}, "${key}": `), value, store.text("}"));
}

/** How the objects are set in an answer. */
export interface JsonCallMarks {
  /** Before the first object, or each; none where an answer that begins with an object is a call. */
  readonly begin: readonly string[];
  /** After an object, where text may go on. */
  readonly end: readonly string[];
}

/** Names under which arguments stand. */
const ARGUMENT_KEYS = ["arguments", "parameters"];
/** What stands between objects. */
const BETWEEN = /^[\s,;[\]]+/;

/**
 * Reads text with JSON objects in it that are calls. What follows a begin mark and is no such object is text again, mark and all.
 */
export class JsonCallReader implements AnswerReader {
  readonly #marks: JsonCallMarks;
  #held = "";
  /** Whether a call may stand here. */
  #isAtCall: boolean;
  #mark = "";
  #call?: JsonCallScanner;
  #hasCalls = false;
  readonly #text = new TextRoundCalls();

  constructor(marks: JsonCallMarks) {
    this.#marks = marks;
    this.#isAtCall = marks.begin.length === 0;
  }

  push(text: string): AnswerPart[] {
    this.#held += text;
    const parts: AnswerPart[] = [];
    while (this.#step(parts));
    return parts;
  }

  end(): AnswerPart[] {
    const left = this.#call ? this.#call.unread : this.#mark + this.#held;
    const rest = this.#hasCalls ? left.replace(BETWEEN, "") : left;
    this.#held = "";
    this.#mark = "";
    return this.#text.show(rest);
  }

  /** @returns Whether there may be more to read. */
  #step(parts: AnswerPart[]): boolean {
    if (this.#call) return this.#readCall(parts);
    return this.#isAtCall ? this.#beginCall(parts) : this.#readText(parts);
  }

  #readText(parts: AnswerPart[]): boolean {
    const found =
      this.#marks.begin.map((mark) => ({ mark, at: this.#held.indexOf(mark) })).filter(({ at }) => at >= 0)
        .toSorted((a, b) => a.at - b.at)[0];
    const held = found
      ? 0
      : this.#marks.begin.reduce((most, mark) => Math.max(most, heldLength(this.#held, mark)), 0);
    const end = found ? found.at : this.#held.length - held;
    this.#show(this.#held.slice(0, end), parts);
    this.#held = this.#held.slice(end + (found?.mark.length ?? 0));
    if (!found) return false;
    this.#mark = found.mark;
    this.#isAtCall = true;
    return true;
  }

  #beginCall(parts: AnswerPart[]): boolean {
    const start = this.#held.replace(BETWEEN, "");
    const end = this.#marks.end.find((mark) => start.startsWith(mark));
    if (end !== undefined) {
      this.#held = start.slice(end.length);
      this.#isAtCall = false;
      this.#mark = "";
      return true;
    }
    if (start === "" || this.#marks.end.some((mark) => mark.startsWith(start))) return false;
    if (start.startsWith("{")) {
      this.#held = start;
      this.#call = new JsonCallScanner();
      return true;
    }
    const again = this.#marks.begin.find((mark) => start.startsWith(mark));
    if (again !== undefined) {
      this.#held = start.slice(again.length);
      return true;
    }
    if (this.#marks.begin.some((mark) => mark.startsWith(start))) return false;
    // No call after all.
    this.#show(this.#mark + this.#held, parts);
    this.#mark = "";
    this.#held = "";
    this.#isAtCall = false;
    return false;
  }

  #readCall(parts: AnswerPart[]): boolean {
    const { read, isOver, found } = this.#call!.push(this.#held);
    this.#held = this.#held.slice(read);
    if (found.some(({ type }) => type === "call")) this.#hasCalls = true;
    parts.push(...found);
    if (!isOver) return false;
    // An object without a name calls nothing.
    if (this.#call!.unread === "") this.#text.afterCall();
    else this.#show(this.#call!.unread, parts);
    this.#call = undefined;
    this.#isAtCall = true;
    this.#mark = "";
    return true;
  }

  #show(text: string, parts: AnswerPart[]): void {
    parts.push(...this.#text.show(text));
  }
}

/** Follows one object character by character, as far as name and arguments need it. */
class JsonCallScanner {
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  /** The text since the latest token at the depth of the object. */
  #token = "";
  #key?: string;
  #name?: string;
  /** Depth at which the arguments stand, while they are read. */
  #argumentsDepth?: number;
  #pending = "";
  #isAnnounced = false;
  /** Whether some of the arguments are out. */
  #isBegun = false;
  #whole = "";

  /** All of it, where it is not known to be a call. */
  get unread(): string {
    return this.#isAnnounced ? "" : this.#whole;
  }

  push(text: string): { read: number; isOver: boolean; found: AnswerPart[] } {
    const found: AnswerPart[] = [];
    let read = 0, isOver = false;
    while (read < text.length && !isOver) isOver = this.#take(text[read++], found);
    if (!this.#isAnnounced) this.#whole += text.slice(0, read);
    this.#release(found);
    return { read, isOver, found };
  }

  #take(character: string, found: AnswerPart[]): boolean {
    const inArguments = this.#argumentsDepth !== undefined;
    const closes = !this.#isInString && (character === "}" || character === "]");
    if (
      inArguments &&
      !(this.#depth === this.#argumentsDepth && (closes || character === "," && !this.#isInString))
    ) {
      this.#pending += character;
    }
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (character === "\\") this.#isEscaped = true;
      else if (character === '"') this.#isInString = false;
      this.#token += character;
      return false;
    }
    if (character === '"') {
      this.#isInString = true;
      this.#token += character;
    } else if (character === "{" || character === "[") {
      this.#depth++;
      this.#token = "";
    } else if (closes) {
      if (this.#depth === this.#argumentsDepth) this.#finishValue(found);
      else this.#keepName();
      this.#depth--;
      this.#token = "";
    } else if (character === ":" && !inArguments) {
      this.#key = stringOf(this.#token);
      this.#token = "";
      if (ARGUMENT_KEYS.includes(this.#key ?? "")) this.#argumentsDepth = this.#depth;
    } else if (character === ",") {
      if (this.#depth === this.#argumentsDepth) this.#finishValue(found);
      else this.#keepName();
      this.#token = "";
    } else this.#token += character;
    return this.#depth === 0;
  }

  #keepName(): void {
    if (this.#argumentsDepth === undefined && this.#key === "name") this.#name ??= stringOf(this.#token);
  }

  #finishValue(found: AnswerPart[]): void {
    this.#release(found);
    this.#argumentsDepth = undefined;
    this.#key = undefined;
  }

  /** Lets arguments go when it is known whose they are. */
  #release(found: AnswerPart[]): void {
    if (this.#name === undefined) return;
    if (!this.#isAnnounced) {
      this.#isAnnounced = true;
      found.push({ type: "call", name: this.#name });
    }
    const text = this.#isBegun ? this.#pending : this.#pending.trimStart();
    // White space at the end may turn out to be the end of the arguments.
    const kept = text.trimEnd();
    if (kept === "") return;
    this.#isBegun = true;
    found.push({ type: "arguments", text: kept });
    this.#pending = text.slice(kept.length);
  }
}

function stringOf(token: string): string | undefined {
  try {
    const value: unknown = JSON.parse(token.trim());
    return typeof value === "string" ? value : undefined;
  } catch {
    return undefined;
  }
}
