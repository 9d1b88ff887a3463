/**
 * Standard input on Node.
 *
 * @module
 */
import process from "node:process";
import type { ReadStream } from "node:tty";

/** Bytes that may wait; the sender of more has to. */
const WAITING_BYTES_MAX = 1 << 20;
/** What Ctrl-C and Ctrl-Z send to a program that takes every key. */
const INTERRUPT = 0x03, SUSPEND = 0x1a;

/**
 * A stream that is read piece by piece. A raw terminal of Node makes no signals of keys, so that is done here: it is listened to all
 * the while, also when nobody reads.
 */
export class Input {
  readonly #stream: ReadStream;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isListening = false;
  #hasEnded = false;
  #isRaw = false;
  /** Called when there is something to read. */
  #wake = () => {};

  constructor(stream: ReadStream) {
    this.#stream = stream;
  }

  /** The next piece, or `undefined` at the end. Only one read may be under way. */
  async read(): Promise<Uint8Array | undefined> {
    this.#listen();
    // What has come may be dropped again before this goes on.
    while (this.#waiting.length === 0 && !this.#hasEnded) {
      this.#stream.resume();
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    const piece = this.#waiting.shift();
    this.#waitingBytes -= piece?.length ?? 0;
    return piece;
  }

  /** See `Host.setRaw`. */
  setRaw(isRaw: boolean): void {
    this.#isRaw = isRaw;
    this.#stream.setRawMode(isRaw);
    if (isRaw) this.#listen();
  }

  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    this.#stream.on("data", (piece: Uint8Array) => this.#take(piece));
    const end = () => {
      this.#hasEnded = true;
      this.#wake();
    };
    // A terminal that is gone is the end of what it says.
    this.#stream.on("end", end).on("error", end);
  }

  #take(piece: Uint8Array): void {
    const rest = this.#isRaw ? this.#obey(piece) : piece;
    if (rest.length === 0) return;
    this.#waiting.push(rest);
    this.#waitingBytes += rest.length;
    if (this.#waitingBytes > WAITING_BYTES_MAX) this.#stream.pause();
    this.#wake();
  }

  /** Acts on the keys that make signals; what was typed before the last of them is dropped, as a terminal does. */
  #obey(piece: Uint8Array): Uint8Array {
    const suspend = process.platform === "win32" ? -1 : piece.lastIndexOf(SUSPEND);
    const interrupt = piece.lastIndexOf(INTERRUPT);
    const last = Math.max(suspend, interrupt);
    if (last < 0) return piece;
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (interrupt >= 0) process.emit("SIGINT", "SIGINT");
    if (suspend >= 0) {
      this.#stream.setRawMode(false);
      // The whole job stops, a package runner that has started this process included: its shell waits for that.
      process.kill(0, "SIGTSTP");
    }
    return piece.subarray(last + 1);
  }
}
