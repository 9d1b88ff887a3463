/**
 * Messages from a terminal, with editing and history.
 *
 * `node:readline` takes time by the square of what is pasted: 8,000 characters kept a processor busy for 47 s (Deno 2.9.6). Here what
 * comes in one piece is drawn once.
 *
 * @module
 */
import process from "node:process";
import type { ChatHistory } from "./chat_history.ts";
import { host } from "./host/current.ts";
import { type Key, KeyDecoder, type Press } from "./keys.ts";
import { enter } from "./message_lines.ts";
import { note, terminalWidth } from "./terminal.ts";
import { after, before, layOut } from "./text_layout.ts";

const CONTINUATION_PROMPT = "… ";
const BRACKETED_PASTE = { on: "\x1b[?2004h", off: "\x1b[?2004l" };

/** How a message ended: it was entered, discarded, or the user leaves. */
type Outcome = "entered" | "discarded" | "left";

/**
 * Reads a message at a time. While it lives the terminal echoes nothing by itself, so what is typed into a running answer waits for
 * the next prompt. Ctrl-C and Ctrl-Z stay signals. The prompt goes to stderr.
 */
export class LineEditor implements Disposable {
  readonly #keys = new KeyDecoder();
  readonly #history: ChatHistory;
  #waiting: Press[] = [];
  /** A read that has not ended; only one may be under way. */
  #reading?: Promise<Uint8Array | undefined>;
  #prompt = "";
  #text = "";
  #message = "";
  #cursor = 0;
  /** The message of the history that is shown, and what was typed before. */
  #shown = 0;
  #typed = "";
  /** Row of the cursor when it was drawn last. */
  #row = 0;
  /** Whether the last line was an empty one that Ctrl-C discarded. */
  #isWarned = false;
  readonly #wake = () => {
    this.#enter();
    this.#row = 0;
    this.#draw();
  };

  constructor(history: ChatHistory) {
    this.#history = history;
    this.#enter();
    if (process.platform !== "win32") process.on("SIGCONT", this.#wake);
  }

  /**
   * @returns `undefined` when the user leaves, by Ctrl-D or by Ctrl-C on two empty lines in a row, or when the terminal is gone. Ctrl-C
   * on a message that is not empty discards it.
   * @throws The signal's reason when it fires.
   */
  async read(prompt: string, signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted();
    this.#prompt = prompt;
    this.#replace("");
    this.#shown = this.#history.messages.length;
    this.#row = 0;
    const outcome = await this.#edit(signal);
    if (this.#cursor < this.#text.length) {
      this.#cursor = this.#text.length;
      this.#draw();
    }
    note("\n");
    if (outcome === "left") return undefined;
    const isEmpty = outcome === "discarded" && this.#text === "";
    // A terminal throws away what was typed and not read yet when Ctrl-C comes: the line may have been a message.
    if (isEmpty && this.#isWarned) return undefined;
    if (isEmpty) note("Ctrl-C once more leaves, as Ctrl-D does.\n");
    this.#isWarned = isEmpty;
    if (outcome === "discarded") return "";
    this.#history.add(this.#text);
    return this.#message;
  }

  [Symbol.dispose](): void {
    if (process.platform !== "win32") process.off("SIGCONT", this.#wake);
    this.#leave();
  }

  /** Hands the terminal to something that reads lines itself, such as the runtime when it asks for a permission. */
  async lend<T>(borrow: () => Promise<T>): Promise<T> {
    this.#leave();
    try {
      return await borrow();
    } finally {
      this.#enter();
    }
  }

  #leave(): void {
    note(BRACKETED_PASTE.off);
    host.setRaw(false);
  }

  #enter(): void {
    host.setRaw(true);
    note(BRACKETED_PASTE.on);
  }

  async #edit(signal: AbortSignal): Promise<Outcome> {
    const { promise: stopped, resolve, reject } = Promise.withResolvers<Outcome>();
    const onInterrupt = () => resolve("discarded");
    const onAbort = () => reject(signal.reason);
    process.on("SIGINT", onInterrupt);
    signal.addEventListener("abort", onAbort);
    try {
      while (true) {
        for (let press; (press = this.#waiting.shift());) {
          const outcome = this.#take(press);
          if (!outcome) continue;
          this.#draw();
          return outcome;
        }
        this.#draw();
        const read = await Promise.race([stopped, this.#next()]);
        if (typeof read === "string") return read;
        if (read === undefined) return "left";
        this.#waiting.push(...this.#keys.push(read));
      }
    } finally {
      process.off("SIGINT", onInterrupt);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** The next piece of input, or `undefined` at its end. */
  #next(): Promise<Uint8Array | undefined> {
    return this.#reading ??= (async () => {
      const piece = await host.read().catch(() => undefined);
      this.#reading = undefined;
      return piece;
    })();
  }

  #take(press: Press): Outcome | undefined {
    if ("text" in press) {
      this.#insert(press.text);
      return undefined;
    }
    if (press.key === "enter") {
      const entered = enter(this.#text);
      if ("continued" in entered) this.#replace(entered.continued);
      else {
        this.#message = entered.message;
        return "entered";
      }
    } else if (press.key === "end of input" && this.#text === "") return "left";
    else this.#move(press.key);
    return undefined;
  }

  #move(key: Key): void {
    const text = this.#text, cursor = this.#cursor;
    const wordBefore = () => text.slice(0, cursor).search(/\S+\s*$/);
    const wordAfter = () => cursor + (/^\s*\S+/.exec(text.slice(cursor))?.[0].length ?? 0);
    switch (key) {
      case "left":
        return this.#go(before(text, cursor));
      case "right":
        return this.#go(after(text, cursor));
      case "home":
        return this.#go(text.lastIndexOf("\n", cursor - 1) + 1);
      case "end":
        return this.#go(text.indexOf("\n", cursor));
      case "word left":
        return this.#go(Math.max(0, wordBefore()));
      case "word right":
        return this.#go(wordAfter());
      case "backspace":
        return this.#erase(before(text, cursor), cursor);
      case "delete":
      case "end of input":
        return this.#erase(cursor, after(text, cursor));
      case "erase word":
        return this.#erase(Math.max(0, wordBefore()), cursor);
      case "erase before":
        return this.#erase(0, cursor);
      case "erase after":
        return this.#erase(cursor, text.length);
      case "up":
        return this.#show(this.#shown - 1);
      case "down":
        return this.#show(this.#shown + 1);
      case "clear screen":
        this.#row = 0;
        note("\x1b[2J\x1b[H");
    }
  }

  /** Moves the cursor; before the first character means after the last. */
  #go(cursor: number): void {
    this.#cursor = cursor < 0 ? this.#text.length : cursor;
  }

  #insert(text: string): void {
    this.#text = this.#text.slice(0, this.#cursor) + text + this.#text.slice(this.#cursor);
    this.#cursor += text.length;
  }

  #erase(begin: number, end: number): void {
    this.#text = this.#text.slice(0, begin) + this.#text.slice(end);
    this.#cursor = begin;
  }

  #replace(text: string): void {
    this.#text = text;
    this.#cursor = text.length;
  }

  /** Shows a message of the history; after the last one stands what was typed. */
  #show(index: number): void {
    const { messages } = this.#history;
    if (index < 0 || index > messages.length) return;
    if (this.#shown === messages.length) this.#typed = this.#text;
    this.#shown = index;
    this.#replace(messages[index] ?? this.#typed);
  }

  #draw(): void {
    const { text, end, cursor } = layOut(
      this.#prompt,
      CONTINUATION_PROMPT,
      this.#text,
      this.#cursor,
      terminalWidth(),
    );
    const up = (rows: number) => rows > 0 ? `\x1b[${rows}A` : "";
    note(`${up(this.#row)}\r\x1b[J${text}${up(end.row - cursor.row)}\x1b[${cursor.column + 1}G`);
    this.#row = cursor.row;
  }
}
