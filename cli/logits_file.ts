/**
 * Logits of scored tokens on disk, against which other models are compared: a safetensors file with `targets` I32 [rows] and
 * `logits` F32 [rows, vocabulary], which other tools read too. Its metadata say how the text was cut.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { RemoraError, safetensorsHeader } from "../mod.ts";
import { hasCode } from "./files.ts";
import type { ScoredRows } from "./scoring.ts";

/** Bytes of a header; ours have 300. */
const HEADER_BYTES_MAX = 1 << 16;
const LENGTH_BYTES = 8;

/** How a text was cut into windows, in words. */
export type Cut = Readonly<Record<string, string>>;

/** Writes rows as they come. One that is not finished is taken away. */
export class LogitsWriter implements Disposable {
  readonly #path: string;
  readonly #cut: Cut;
  readonly #targets: Int32Array;
  readonly #file: number;
  #rows = 0;
  #logitsBegin = 0;

  /**
   * @param targets All tokens that will be scored.
   * @throws {RemoraError} BAD_FILE when the file cannot be written, or one is there: it could be what is being read.
   */
  constructor(path: string, cut: Cut, targets: readonly number[]) {
    this.#path = path;
    this.#cut = cut;
    this.#targets = Int32Array.from(targets);
    this.#file = this.#typed(() => openSync(path, "wx"));
  }

  write({ targets, vocabSize, data }: ScoredRows): void {
    if (this.#rows === 0) this.#writeHeader(vocabSize);
    const begin = this.#logitsBegin + this.#rows * vocabSize * 4;
    this.#write(new Uint8Array(data.buffer, data.byteOffset, targets.length * vocabSize * 4), begin);
    this.#rows += targets.length;
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
    if (this.#rows < this.#targets.length) unlinkSync(this.#path);
  }

  #writeHeader(vocabSize: number): void {
    const { length: rows, byteLength: bytes } = this.#targets;
    const header = safetensorsHeader([
      { name: "targets", dtype: "I32", shape: [rows], bytes },
      { name: "logits", dtype: "F32", shape: [rows, vocabSize], bytes: rows * vocabSize * 4 },
    ], this.#cut);
    this.#write(header, 0);
    this.#write(new Uint8Array(this.#targets.buffer), header.length);
    this.#logitsBegin = header.length + bytes;
  }

  #write(bytes: Uint8Array, position: number): void {
    this.#typed(() => {
      for (let at = 0; at < bytes.length;) {
        at += writeSync(this.#file, bytes, at, bytes.length - at, position + at);
      }
    });
  }

  #typed<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      const [expected, found] = hasCode(cause, "EEXIST")
        ? ["a name that is free", "something of that name"]
        : [undefined, cause instanceof Error ? cause.message : `${cause}`];
      throw new RemoraError("BAD_FILE", "Cannot write", { file: this.#path, expected, found, cause });
    }
  }
}

/** What a header says of a tensor. */
interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly number[];
}

/** Reads rows in their order. */
export class LogitsReader implements Disposable {
  readonly #path: string;
  readonly #file: number;
  readonly #vocabSize: number;
  #position: number;

  /**
   * @param cut How the text is cut this time.
   * @param targets The tokens that are scored this time.
   * @throws {RemoraError} FILE_NOT_FOUND, or BAD_FILE for anything but logits of these tokens.
   */
  constructor(path: string, cut: Cut, targets: readonly number[]) {
    this.#path = path;
    this.#file = openFile(path);
    try {
      const length = Number(new DataView(this.#read(0, LENGTH_BYTES).buffer).getBigUint64(0, true));
      if (length > HEADER_BYTES_MAX) {
        throw this.#refusal("what --save-logits writes", `a header of ${length} bytes`);
      }
      const header = this.#parse(this.#read(LENGTH_BYTES, length));
      const { rows, vocabSize } = this.#check(header, cut, LENGTH_BYTES + length);
      const begin = LENGTH_BYTES + length;
      const stored = new Int32Array(this.#read(begin, Math.min(rows, targets.length) * 4).buffer);
      if (rows !== targets.length || !stored.every((id, i) => id === targets[i])) {
        throw this.#refusal("logits of the same tokens", "those of others");
      }
      this.#vocabSize = vocabSize;
      this.#position = begin + rows * 4;
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  /** The next rows, as many as the piece has. */
  next({ targets, vocabSize }: ScoredRows): Float32Array {
    if (vocabSize !== this.#vocabSize) {
      throw this.#refusal(`a vocabulary of ${vocabSize}`, `one of ${this.#vocabSize}`);
    }
    const bytes = this.#read(this.#position, targets.length * vocabSize * 4);
    this.#position += bytes.length;
    return new Float32Array(bytes.buffer);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  #check(header: Record<string, unknown>, cut: Cut, dataBegin: number): { rows: number; vocabSize: number } {
    const logits = header.logits as Tensor | undefined, targets = header.targets as Tensor | undefined;
    const [rows, vocabSize] = Array.isArray(logits?.shape) ? logits.shape : [];
    const end = rows * 4 + rows * vocabSize * 4;
    const isOurs = logits?.dtype === "F32" && targets?.dtype === "I32" && logits.shape.length === 2 &&
      Number.isSafeInteger(rows) && Number.isSafeInteger(vocabSize) && Number.isSafeInteger(end) &&
      rows > 0 && vocabSize > 0 && targets.data_offsets?.[0] === 0;
    if (!isOurs) throw this.#refusal("what --save-logits writes", "another safetensors file");
    const { size } = fstatSync(this.#file);
    if (size !== dataBegin + end) throw this.#refusal(`${dataBegin + end} bytes`, `${size}`);
    const metadata = header.__metadata__ as Cut | undefined ?? {};
    for (const [name, value] of Object.entries(cut)) {
      if (metadata[name] === value) continue;
      throw this.#refusal(`${name} ${value}, as now`, metadata[name] ?? "none");
    }
    return { rows, vocabSize };
  }

  #parse(bytes: Uint8Array): Record<string, unknown> {
    try {
      const header = JSON.parse(new TextDecoder().decode(bytes));
      if (typeof header === "object" && header !== null) return header;
    } catch {
      // What cannot be parsed is refused as what is no object.
    }
    throw this.#refusal("what --save-logits writes", "another file");
  }

  #read(position: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const count = readSync(this.#file, bytes, at, length - at, position + at);
      if (count === 0) throw this.#refusal("what --save-logits writes", "a shorter file");
      at += count;
    }
    return bytes;
  }

  #refusal(expected: string, found: string): RemoraError {
    return new RemoraError("BAD_FILE", "Cannot use", { file: this.#path, expected, found });
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    const isMissing = hasCode(cause, "ENOENT");
    const found = isMissing ? "no such file" : `${cause}`;
    throw new RemoraError(isMissing ? "FILE_NOT_FOUND" : "BAD_FILE", "Cannot read", {
      file: path,
      found,
      cause,
    });
  }
}
