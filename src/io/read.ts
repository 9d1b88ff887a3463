/**
 * Reading from any {@linkcode ModelSource} without trusting it: what comes back has the length asked for, and
 * every failure is typed.
 *
 * @module
 */

import { type ErrorCode, RemoraError } from "../core/errors.ts";
import { parseJson, type ParseJsonOptions } from "../core/json.ts";
import { CONFIG_BYTES_MAX, COPY_WINDOW_BYTES } from "../core/limits.ts";
import type { ModelSource } from "./source.ts";

/**
 * Bytes `begin` up to and not including `end` of a file.
 *
 * @throws {RemoraError} `BAD_FILE` if the source returns another number of bytes or fails in its own way.
 */
export async function readBytes(
  source: ModelSource,
  name: string,
  begin: number,
  end: number,
): Promise<Uint8Array> {
  const bytes = await typed(name, () => source.read(name, begin, end));
  if (bytes.byteLength !== end - begin) throw shortRead(name, begin, end, bytes.byteLength);
  return bytes;
}

/**
 * Fills `target` from `begin` on, straight into place where the source can, through small windows elsewhere.
 *
 * @throws {RemoraError} As {@linkcode readBytes}.
 */
export async function readBytesInto(
  source: ModelSource,
  name: string,
  begin: number,
  target: Uint8Array,
): Promise<void> {
  if (source.readInto !== undefined) {
    await typed(name, () => source.readInto!(name, begin, target));
    return;
  }
  for (let filled = 0; filled < target.byteLength; filled += COPY_WINDOW_BYTES) {
    const length = Math.min(COPY_WINDOW_BYTES, target.byteLength - filled);
    target.set(await readBytes(source, name, begin + filled, begin + filled + length), filled);
  }
}

/** How a file that is no config is read. */
export interface ObjectFileOptions extends Pick<ParseJsonOptions, "asPython"> {
  /** Refused unread above this; default: what a config may have. */
  readonly maxBytes?: number;
  /** Default: BAD_CONFIG. */
  readonly code?: ErrorCode;
}

/**
 * Reads and parses a JSON object file.
 *
 * @param files The source's listing.
 * @returns `undefined` if the file is not there.
 * @throws {RemoraError} `code`, naming the file.
 */
export async function readJsonObject(
  source: ModelSource,
  files: ReadonlyMap<string, number>,
  name: string,
  { maxBytes = CONFIG_BYTES_MAX, code = "BAD_CONFIG", asPython = true }: ObjectFileOptions = {},
): Promise<Record<string, unknown> | undefined> {
  const size = files.get(name);
  if (size === undefined) return undefined;
  if (size > maxBytes) {
    throw new RemoraError(code, "Cannot read", {
      file: name,
      expected: `at most ${maxBytes} bytes`,
      found: `${size}`,
    });
  }
  const value = parseJson(await readBytes(source, name, 0, size), name, { code, asPython });
  if (!isObject(value)) {
    throw new RemoraError(code, "Cannot read", {
      file: name,
      expected: "a JSON object",
      found: describeJson(value),
    });
  }
  return value;
}

/** Whether a parsed JSON value is an object in JSON's sense. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A parsed JSON value as an error message shows it. */
export function describeJson(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return isObject(value) ? "an object" : JSON.stringify(value) ?? "nothing";
}

/**
 * Checks that a file is listed and holds the range; for implementations of {@linkcode ModelSource}.
 *
 * @throws {RemoraError} `FILE_NOT_FOUND` or `BAD_FILE`.
 */
export function requireRange(
  files: ReadonlyMap<string, number>,
  name: string,
  begin: number,
  end: number,
): void {
  const size = files.get(name);
  if (size === undefined) throw new RemoraError("FILE_NOT_FOUND", "Cannot read", { file: name });
  if (Number.isSafeInteger(begin) && begin >= 0 && begin <= end && end <= size) return;
  throw new RemoraError("BAD_FILE", "Cannot read", {
    file: name,
    expected: `a range within ${size} bytes`,
    found: `${begin} to ${end}`,
  });
}

/** The error for a file that ends before its listed size. */
export function shortRead(name: string, begin: number, end: number, found: number): RemoraError {
  return new RemoraError("BAD_FILE", "Cannot read", {
    file: name,
    expected: `${end - begin} bytes from ${begin} on`,
    found: `${found} (truncated while it was read?)`,
  });
}

async function typed<Result>(file: string, run: () => Promise<Result> | Result): Promise<Result> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof RemoraError) throw cause;
    throw new RemoraError("BAD_FILE", "Cannot read", { file, found: String(cause), cause });
  }
}
