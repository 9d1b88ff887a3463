/**
 * Lines from a terminal, with editing and history.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";

/**
 * Reads a line at a time and leaves the terminal in its usual mode in between, so that Ctrl-C is a signal then. The prompt
 * goes to stderr.
 */
export class LineEditor {
  #history: string[] = [];

  /**
   * @returns `undefined` when the user leaves, by Ctrl-D or by Ctrl-C on an empty line, or when the terminal is gone. Ctrl-C
   * on a line that is not empty discards it.
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
    let line: string | undefined;
    const leave = () => editor.close();
    editor.on("history", (history: string[]) => this.#history = [...history]);
    editor.on("line", (text: string) => {
      line = text;
      editor.close();
    });
    editor.on("SIGINT", () => {
      if (editor.line) line = "";
      process.stderr.write("\n");
      editor.close();
    });
    editor.on("close", () => resolve(line));
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
