/**
 * Standard streams: answers to stdout, everything else to stderr.
 *
 * @module
 */
import { isatty } from "node:tty";
import { host } from "./host/current.ts";
import { UsageError } from "./usage_error.ts";

/** Bytes of a prompt from stdin; far above any context. */
const PROMPT_BYTES_MAX = 64 << 20;
const DESCRIPTORS = { stdin: 0, stdout: 1, stderr: 2 } as const;

/** Writes all of `text` to stdout. */
export async function print(text: string): Promise<void> {
  await host.write(new TextEncoder().encode(text));
}

/** Writes `text` to stderr. A stderr that nobody reads is no reason to stop. */
export function note(text: string): void {
  host.note(new TextEncoder().encode(text));
}

/** Whether a standard stream is a terminal. */
export function isTerminal(stream: keyof typeof DESCRIPTORS): boolean {
  return isatty(DESCRIPTORS[stream]);
}

/**
 * All of stdin as text, without the line break at its end.
 *
 * @throws {UsageError} When it is not UTF-8 or longer than any context. The signal's reason when it fires.
 */
export function readStdin(signal: AbortSignal): Promise<string> {
  return untilAborted(readPrompt(), signal);
}

/**
 * What is being read, unless the signal fires first: a read of stdin cannot be taken back, and ends with the process.
 *
 * @throws The signal's reason when it fires.
 */
export async function untilAborted<Result>(reading: Promise<Result>, signal: AbortSignal): Promise<Result> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([reading, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function readPrompt(): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let total = 0;
  try {
    for (let piece; (piece = await host.read()) !== undefined;) {
      total += piece.length;
      if (total > PROMPT_BYTES_MAX) {
        throw new UsageError(`Cannot read the prompt from stdin: expected at most ${PROMPT_BYTES_MAX} bytes`);
      }
      text += decoder.decode(piece, { stream: true });
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
  readonly #isShown = isTerminal("stderr");
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
  return host.terminalWidth() ?? 80;
}
