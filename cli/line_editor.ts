/**
 * Messages from a terminal, with editing and history.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { MessageLines } from "./message_lines.ts";

/** Lines that come within this time of each other were pasted; nobody types that fast. */
const PASTE_MILLISECONDS = 20;
const CONTINUATION_PROMPT = "… ";

/**
 * Reads a message at a time and leaves the terminal in its usual mode in between, so that Ctrl-C is a signal then. The
 * prompt goes to stderr.
 */
export class LineEditor {
  #history: string[] = [];

  /**
   * @returns `undefined` when the user leaves, by Ctrl-D or by Ctrl-C on an empty line, or when the terminal is gone. Ctrl-C
   * on a message that is not empty discards it.
   */
  async read(prompt: string, signal: AbortSignal): Promise<string | undefined> {
    signal.throwIfAborted();
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const editor = createInterface({
      input: process.stdin,
      output: process.stderr,
      terminal: true,
      history: [...this.#history],
      removeHistoryDuplicates: true,
      prompt,
    });
    const lines = new MessageLines();
    let message: string | undefined;
    let isEntered = false;
    let pause: ReturnType<typeof setTimeout> | undefined;
    const leave = () => editor.close();
    const finish = () => {
      // The last line of what was pasted waits for Enter.
      if (editor.line) return;
      message = lines.complete();
      isEntered = message !== undefined;
      if (isEntered) return editor.close();
      editor.setPrompt(CONTINUATION_PROMPT);
      editor.prompt();
    };
    editor.on("history", (history: string[]) => this.#history = [...history]);
    editor.on("line", (line: string) => {
      lines.push(line);
      clearTimeout(pause);
      pause = setTimeout(finish, PASTE_MILLISECONDS);
    });
    editor.on("SIGINT", () => {
      if (editor.line || !lines.isEmpty) message = "";
      editor.close();
    });
    editor.on("close", () => {
      clearTimeout(pause);
      if (!isEntered) process.stderr.write("\n");
      resolve(message);
    });
    signal.addEventListener("abort", leave, { once: true });
    editor.prompt();
    try {
      const text = await promise;
      signal.throwIfAborted();
      return text;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }
}
