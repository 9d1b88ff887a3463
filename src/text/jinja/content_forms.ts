/**
 * In which form each message's content goes to a template: a string or parts.
 *
 * @module
 */

/** A part as the template sees it: of a picture only that there is one. */
export type TemplatePart = { type: "text"; text: string } | { type: "image" };

/** A message as the template sees it. */
export interface TemplateMessage {
  role: string;
  /** Absent where a turn only calls tools. */
  content?: string | TemplatePart[];
  [field: string]: unknown;
}

/** What became of the messages' contents in a rendering. */
interface Outcome {
  /** Whether the template rendered at all. */
  isRendered: boolean;
  /** For each message whether its whole text was written, and not a list. */
  isTaken: boolean[];
}

/** Messages that a template treats alike, as far as can be foreseen. */
interface Group {
  role: string;
  isString: boolean;
  indices: number[];
}

/** Role combinations that are tried where nothing renders. */
const COMBINATIONS_MAX = 81;

/** A string as one text part; text parts as a string, joined by line breaks. undefined where there are pictures. */
function otherForm(content: TemplateMessage["content"]): TemplateMessage["content"] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (content === undefined) return undefined;
  const texts = content.flatMap((part) => part.type === "text" ? [part.text] : []);
  return texts.length === content.length ? texts.join("\n") : undefined;
}

/**
 * Keeps each content as it was given where the template takes it so, and converts it where the template only takes the other form:
 * where it fails, refuses the form, drops the text or writes the list as a list. That is found out by rendering the
 * conversation with a mark at the end of each text. Messages of one role decide nothing for another.
 *
 * @param render Renders messages; undefined where the template fails.
 */
export function chooseForms(
  messages: TemplateMessage[],
  render: (messages: TemplateMessage[]) => string | undefined,
): { messages: TemplateMessage[]; refusesPicture?: number } {
  const search = new FormSearch(messages, render);
  return search.run();
}

class FormSearch {
  readonly #messages: TemplateMessage[];
  readonly #others: TemplateMessage["content"][];
  readonly #render: (messages: TemplateMessage[]) => string | undefined;
  readonly #marks: string[];
  readonly #known = new Map<string, Outcome>();

  constructor(messages: TemplateMessage[], render: (messages: TemplateMessage[]) => string | undefined) {
    this.#messages = messages;
    this.#others = messages.map(({ content }) => otherForm(content));
    this.#render = render;
    // Digits look the same in capitals, in quotes and in JSON.
    this.#marks = messages.map((_, i) => `90817263${i}54637281`);
  }

  run(): { messages: TemplateMessage[]; refusesPicture?: number } {
    let flips = new Set<number>();
    let outcome = this.#outcome(flips);
    if (outcome.isRendered && outcome.isTaken.every(Boolean)) return { messages: this.#messages };
    // A template may look for something at the end of a text, where the mark is.
    if (!outcome.isRendered && this.#isPlainlyTaken()) return { messages: this.#messages };
    if (!outcome.isRendered) {
      const found = this.#firstThatRenders();
      if (found !== undefined) {
        flips = this.#withoutNeedless(found);
        outcome = this.#outcome(flips);
      }
    }
    if (outcome.isRendered) flips = this.#withDropped(flips);
    const refusesPicture = this.#refusedPicture(flips);
    return { messages: this.#flipped(flips), refusesPicture };
  }

  /** Whether the messages without marks are written as they were given. */
  #isPlainlyTaken(): boolean {
    const prompt = this.#render(this.#messages);
    if (prompt === undefined) return false;
    return this.#messages.every(({ content }) => {
      if (content === undefined) return true;
      if (typeof content === "string") return prompt.includes(content.trim());
      return content.every((part) =>
        part.type === "image" ||
        prompt.includes(part.text.trim()) && !(part.text !== "" && isInList(prompt, part.text))
      );
    });
  }

  /** Messages of one role and form; the first of all, the first of a role and the last may be read in a way of their own. */
  #groups(): Group[] {
    const groups = new Map<string, Group>();
    const seen = new Set<string>();
    this.#messages.forEach(({ role, content }, i) => {
      const isString = typeof content === "string";
      const place = [i === 0, !seen.has(role), i === this.#messages.length - 1];
      seen.add(role);
      if (this.#others[i] === undefined) return;
      const key = JSON.stringify([role, isString, place]);
      const group = groups.get(key) ?? { role, isString, indices: [] as number[] };
      group.indices.push(i);
      groups.set(key, group);
    });
    return [...groups.values()];
  }

  /** The fewest roles whose contents all become strings, or all parts, with which the template renders. */
  #firstThatRenders(): Set<number> | undefined {
    const groups = this.#groups();
    const roles = [...new Set(groups.map(({ role }) => role))];
    let combinations: number[][] = [[]];
    for (const role of roles) {
      const ofRole = groups.filter((group) => group.role === role);
      const choices = [true, false]
        .map((isString) =>
          ofRole.filter((group) => group.isString === isString).flatMap(({ indices }) => indices)
        )
        .filter((indices) => indices.length > 0);
      combinations = combinations.flatMap((begin) => [
        begin,
        ...choices.map((indices) => [...begin, ...indices]),
      ]).slice(0, COMBINATIONS_MAX);
    }
    const singles = groups.map(({ indices }) => indices);
    const candidates = [...singles, ...combinations].filter(({ length }) => length > 0)
      .sort((a, b) => a.length - b.length);
    for (const indices of candidates) {
      const flips = new Set(indices);
      if (this.#outcome(flips).isRendered) return flips;
    }
    return undefined;
  }

  /** Takes back what renders without it too. */
  #withoutNeedless(begin: Set<number>): Set<number> {
    let flips = begin;
    for (const { indices } of this.#groups()) {
      if (!indices.some((i) => flips.has(i))) continue;
      const fewer = new Set([...flips].filter((i) => !indices.includes(i)));
      const outcome = this.#outcome(fewer);
      if (outcome.isRendered && indices.every((i) => outcome.isTaken[i])) flips = fewer;
    }
    return flips;
  }

  /** Converts what renders, but is not written as it should, where the other form is. */
  #withDropped(begin: Set<number>): Set<number> {
    let flips = begin;
    for (const { indices } of this.#groups()) {
      const before = this.#outcome(flips);
      const dropped = indices.filter((i) => !before.isTaken[i]);
      if (dropped.length === 0) continue;
      const more = new Set(flips);
      for (const i of dropped) if (!more.delete(i)) more.add(i);
      const after = this.#outcome(more);
      const isBetter = after.isRendered && dropped.every((i) => after.isTaken[i]) &&
        before.isTaken.every((isTaken, i) => !isTaken || after.isTaken[i]);
      if (isBetter) flips = more;
      else flips = this.#oneByOne(flips, dropped);
    }
    return flips;
  }

  #oneByOne(begin: Set<number>, dropped: number[]): Set<number> {
    let flips = begin;
    // Some of a group may be dropped in every form, such as those before a summary.
    for (const i of dropped.slice(0, COMBINATIONS_MAX)) {
      const more = new Set(flips);
      if (!more.delete(i)) more.add(i);
      const after = this.#outcome(more);
      if (after.isRendered && after.isTaken[i]) flips = more;
    }
    return flips;
  }

  /** A message whose picture keeps the template from taking its text. */
  #refusedPicture(flips: Set<number>): number | undefined {
    const pictures = this.#messages.flatMap(({ content }, i) =>
      Array.isArray(content) && this.#others[i] === undefined ? [i] : []
    );
    if (pictures.length === 0) return undefined;
    const outcome = this.#outcome(flips);
    const refused = pictures.filter((i) => !outcome.isRendered || !outcome.isTaken[i]);
    if (refused.length === 0) return undefined;
    const marked = this.#marked(this.#flipped(flips)).map((message, i) => {
      if (!refused.includes(i) || !Array.isArray(message.content)) return message;
      const text = message.content.map((part) => part.type === "text" ? part.text : "").join("\n");
      return { ...message, content: `${text}${this.#marks[i]}` };
    });
    const prompt = this.#render(marked);
    return prompt === undefined ? undefined : refused.find((i) => prompt.includes(this.#marks[i]));
  }

  #flipped(flips: ReadonlySet<number>): TemplateMessage[] {
    return this.#messages.map((message, i) =>
      flips.has(i) ? { ...message, content: this.#others[i]! } : message
    );
  }

  /** Messages with a mark at the end of each text. */
  #marked(messages: TemplateMessage[]): TemplateMessage[] {
    return messages.map((message, i) => {
      const { content } = message;
      if (content === undefined) return message;
      if (typeof content === "string") return { ...message, content: content + this.#marks[i] };
      return {
        ...message,
        content: content.map((part, k) =>
          part.type === "text" ? { ...part, text: `${part.text}${this.#partMark(i, k)}` } : part
        ),
      };
    });
  }

  #partMark(i: number, k: number): string {
    return `${this.#marks[i]}0${k}91827`;
  }

  #outcome(flips: ReadonlySet<number>): Outcome {
    const key = [...flips].sort((a, b) => a - b).join();
    let outcome = this.#known.get(key);
    if (outcome === undefined) {
      const messages = this.#flipped(flips);
      const prompt = this.#render(this.#marked(messages));
      outcome = {
        isRendered: prompt !== undefined,
        isTaken: messages.map(({ content }, i) => prompt !== undefined && this.#isTaken(prompt, content, i)),
      };
      this.#known.set(key, outcome);
    }
    return outcome;
  }

  /** Whether a content's whole text is in a prompt, and not as a list. */
  #isTaken(prompt: string, content: TemplateMessage["content"], i: number): boolean {
    if (content === undefined) return true;
    if (typeof content === "string") return prompt.includes(this.#marks[i]);
    return content.every((part, k) => {
      if (part.type === "image") return !/\{(['"])type\1: ?(['"])image\2\}/.test(prompt);
      const mark = this.#partMark(i, k);
      if (!prompt.includes(mark)) return false;
      return !isInList(prompt, mark);
    });
  }
}

/** Whether something is at the end of the text of a part that was written as Python or JSON. */
function isInList(prompt: string, end: string): boolean {
  for (let at = prompt.indexOf(end); at >= 0; at = prompt.indexOf(end, at + 1)) {
    const mark = prompt[at + end.length];
    if (mark !== "'" && mark !== '"') continue;
    const begins = [`'text': ${mark}`, `"text": ${mark}`, `"text":${mark}`].map((key) => {
      const begin = prompt.lastIndexOf(key, at);
      return begin < 0 ? begin : begin + key.length;
    });
    const begin = Math.max(...begins);
    if (begin >= 0 && begin <= at && !hasBareMark(prompt.slice(begin, at), mark)) return true;
  }
  return false;
}

/** Whether a quotation mark is in a text without a backslash before it. */
function hasBareMark(text: string, mark: string): boolean {
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, at + 1)) {
    let backslashes = 0;
    while (text[at - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return true;
  }
  return false;
}
