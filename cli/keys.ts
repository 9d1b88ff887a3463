/**
 * What a terminal sends, as keys and text.
 *
 * @module
 */

/** Keys that do something; everything else is text. */
export type Key =
  | "enter"
  | "end of input"
  | "backspace"
  | "delete"
  | "left"
  | "right"
  | "word left"
  | "word right"
  | "up"
  | "down"
  | "home"
  | "end"
  | "erase word"
  | "erase before"
  | "erase after"
  | "clear screen";

/** A key, or text that was typed or pasted. */
export type Press = { key: Key } | { text: string };

const CONTROLS: Readonly<Record<string, Key>> = {
  "\x01": "home",
  "\x02": "left",
  "\x04": "end of input",
  "\x05": "end",
  "\x06": "right",
  "\x08": "backspace",
  "\x0b": "erase after",
  "\x0c": "clear screen",
  "\x0e": "down",
  "\x10": "up",
  "\x15": "erase before",
  "\x17": "erase word",
  "\x7f": "backspace",
};

const SEQUENCES: Readonly<Record<string, Key>> = {
  "[A": "up",
  "[B": "down",
  "[C": "right",
  "[D": "left",
  "[F": "end",
  "[H": "home",
  "OA": "up",
  "OB": "down",
  "OC": "right",
  "OD": "left",
  "OF": "end",
  "OH": "home",
  "[1~": "home",
  "[3~": "delete",
  "[4~": "end",
  "[7~": "home",
  "[8~": "end",
  "[1;3C": "word right",
  "[1;3D": "word left",
  "[1;5C": "word right",
  "[1;5D": "word left",
  b: "word left",
  f: "word right",
  "\x7f": "erase word",
};

const PASTE_BEGIN = "\x1b[200~", PASTE_END = "\x1b[201~";
// deno-lint-ignore no-control-regex -- escape sequences begin with a control character
const SEQUENCE = /^\x1b(\[[0-9;?]*[A-Za-z~]|O[A-Za-z]|[^[O])/;
// deno-lint-ignore no-control-regex
const PLAIN = /^[^\x00-\x1f\x7f]+/;

/** Decodes input that comes in pieces; what is incomplete waits for the next one. */
export class KeyDecoder {
  readonly #decoder = new TextDecoder();
  #rest = "";
  #isPasting = false;

  /**
   * Takes the next piece. A line break that more text follows in the same piece was pasted: nobody types that fast.
   */
  push(bytes: Uint8Array): Press[] {
    let text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    const presses: Press[] = [];
    while (text !== "") {
      const taken = this.#isPasting ? this.#paste(text, presses) : this.#key(text, presses);
      if (taken === 0) break;
      text = text.slice(taken);
    }
    this.#rest = text;
    return presses;
  }

  #paste(text: string, presses: Press[]): number {
    const end = text.indexOf(PASTE_END);
    // The marker of the end may come in two pieces.
    let safe = end >= 0 ? end : Math.max(0, text.length - PASTE_END.length);
    // So may a line break.
    if (end < 0 && text[safe - 1] === "\r") safe--;
    if (safe > 0) presses.push({ text: withLineBreaks(text.slice(0, safe)) });
    if (end < 0) return safe;
    this.#isPasting = false;
    return end + PASTE_END.length;
  }

  #key(text: string, presses: Press[]): number {
    if (text.startsWith(PASTE_BEGIN)) {
      this.#isPasting = true;
      return PASTE_BEGIN.length;
    }
    const plain = PLAIN.exec(text)?.[0];
    if (plain) {
      presses.push({ text: plain });
      return plain.length;
    }
    if (text[0] === "\x1b") {
      const sequence = SEQUENCE.exec(text);
      if (!sequence) return 0;
      const key = SEQUENCES[sequence[1]];
      if (key) presses.push({ key });
      return sequence[0].length;
    }
    if (text[0] === "\r" || text[0] === "\n") {
      const length = text.startsWith("\r\n") ? 2 : 1;
      presses.push(text.length > length ? { text: "\n" } : { key: "enter" });
      return length;
    }
    const key = CONTROLS[text[0]];
    if (key) presses.push({ key });
    else if (text[0] === "\t") presses.push({ text: "\t" });
    return 1;
  }
}

/** Line breaks as a message has them; other control characters are left out. */
function withLineBreaks(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\r\n?/g, "\n").replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "");
}
