/**
 * Standard streams: answers to stdout, everything else to stderr.
 *
 * @module
 */
import { UsageError } from "./usage_error.ts";

/** Bytes of a prompt from stdin; far above any context. */
const PROMPT_BYTES_MAX = 64 << 20;

/** Writes all of `text` to stdout. */
export async function print(text: string): Promise<void> {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) rest = rest.subarray(await Deno.stdout.write(rest));
}

/** Writes `text` to stderr. A stderr that nobody reads is no reason to stop. */
export function note(text: string): void {
  try {
    let rest = new TextEncoder().encode(text);
    while (rest.length > 0) rest = rest.subarray(Deno.stderr.writeSync(rest));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/**
 * All of stdin as text, without the line break at its end.
 *
 * @throws {UsageError} When it is not UTF-8 or longer than any context. The signal's reason when it fires.
 */
export async function readStdin(signal: AbortSignal): Promise<string> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([readPrompt(), aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function readPrompt(): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const buffer = new Uint8Array(1 << 16);
  let text = "";
  let total = 0;
  try {
    for (let size; (size = await Deno.stdin.read(buffer)) !== null;) {
      total += size;
      if (total > PROMPT_BYTES_MAX) {
        throw new UsageError(`Cannot read the prompt from stdin: expected at most ${PROMPT_BYTES_MAX} bytes`);
      }
      text += decoder.decode(buffer.subarray(0, size), { stream: true });
    }
    text += decoder.decode();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError("Cannot read the prompt from stdin: expected UTF-8, found other bytes");
  }
  return text.replace(/\r?\n$/, "");
}

/** A progress bar on stderr, there only when that is a terminal. */
export class ProgressBar implements Disposable {
  readonly #label: string;
  readonly #isShown = Deno.stderr.isTerminal();
  #line = "";

  constructor(label: string) {
    this.#label = label;
  }

  /** Draws the bar; `share` is from 0 to 1. Another label takes the place of the bar's own. */
  show(share: number, label = this.#label): void {
    if (!this.#isShown) return;
    const line = drawBar(label, share, terminalWidth());
    if (line === this.#line) return;
    this.#line = line;
    note(`\r${line}\x1b[K`);
  }

  /** Erases the bar. */
  [Symbol.dispose](): void {
    if (this.#line) note("\r\x1b[K");
    this.#line = "";
  }
}

/** The bar in fewer than `width` columns; what does not fit is left out: first the bar, then the label. */
export function drawBar(label: string, share: number, width: number): string {
  const percent = `${Math.floor(100 * share)} %`.padStart(5);
  const room = Math.min(40, width - label.length - percent.length - 5);
  if (room >= 8) {
    const done = Math.round(share * room);
    return `${label} [${"#".repeat(done)}${"-".repeat(room - done)}] ${percent}`;
  }
  return `${label} ${percent}`.length < width ? `${label} ${percent}` : percent.trim().slice(0, width - 1);
}

/** Columns of the terminal; windows change. */
export function terminalWidth(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80;
  }
}
