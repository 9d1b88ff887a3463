/**
 * Files of our own that must come back as they were written.
 *
 *     OFFSET  SIZE  DESCRIPTION
 *          0     8  name of the kind, ASCII
 *          8     4  version, u32 little-endian
 *         12     4  bytes of the description D, u32
 *         16     D  description, JSON
 *          …        contents
 *         −32   32  SHA-256 of everything before
 *
 * The checksum finds damage, not malice: who can write the file can write its checksum. So code that reads a description must
 * check all of its numbers.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { DESCRIPTION_BYTES_MAX } from "../core/limits.ts";
import type { Hash } from "../platform/hash.ts";

/** A kind of file. */
export interface SealedKind {
  /** Eight ASCII characters. */
  magic: string;
  version: number;
  /** What messages call it. */
  title: string;
}

/** An opened file; the contents are not copied. */
export interface OpenedFile {
  description: unknown;
  contents: Uint8Array;
}

const VERSION_AT = 8;
const LENGTH_AT = 12;
const DESCRIPTION_AT = 16;
const CHECKSUM_BYTES = 32;

/**
 * Makes the file's bytes.
 *
 * @throws {RemoraError} BAD_ARGUMENT for a description that would not be read again.
 */
export function sealFile(
  { magic, version, title }: SealedKind,
  description: unknown,
  contents: Iterable<Uint8Array>,
  contentBytes: number,
  createHash: () => Hash,
): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(description));
  if (text.length > DESCRIPTION_BYTES_MAX) {
    const expected = `a description of at most ${DESCRIPTION_BYTES_MAX} bytes`;
    throw new RemoraError("BAD_ARGUMENT", `Cannot make ${title}`, { expected, found: `${text.length}` });
  }
  const sealed = new Uint8Array(DESCRIPTION_AT + text.length + contentBytes + CHECKSUM_BYTES);
  const view = new DataView(sealed.buffer);
  sealed.set(new TextEncoder().encode(magic));
  view.setUint32(VERSION_AT, version, true);
  view.setUint32(LENGTH_AT, text.length, true);
  sealed.set(text, DESCRIPTION_AT);
  let at = DESCRIPTION_AT + text.length;
  for (const part of contents) {
    sealed.set(part, at);
    at += part.length;
  }
  sealed.set(createHash().update(sealed.subarray(0, at)).digest(), at);
  return sealed;
}

/** @throws {RemoraError} BAD_FILE, naming `file` and what is wrong with it. */
export function openSealed(
  bytes: Uint8Array,
  kind: SealedKind,
  file: string,
  createHash: () => Hash,
): OpenedFile {
  const refuse = (expected: string, found: string) =>
    new RemoraError("BAD_FILE", "Cannot read", { file, expected, found });
  const magic = new TextEncoder().encode(kind.magic);
  if (!magic.every((byte, i) => bytes[i] === byte)) throw refuse(kind.title, "other bytes");
  if (bytes.length < DESCRIPTION_AT + CHECKSUM_BYTES) {
    throw refuse(kind.title, `${bytes.length} bytes of one`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(VERSION_AT, true);
  if (version !== kind.version) throw refuse(`version ${kind.version}`, `version ${version}`);
  const end = bytes.length - CHECKSUM_BYTES;
  const stored = bytes.subarray(end);
  const found = createHash().update(bytes.subarray(0, end)).digest();
  if (!found.every((byte, i) => byte === stored[i])) {
    throw refuse("its checksum to hold", "damaged or missing bytes");
  }
  const descriptionBytes = view.getUint32(LENGTH_AT, true), contentsAt = DESCRIPTION_AT + descriptionBytes;
  if (descriptionBytes > DESCRIPTION_BYTES_MAX) {
    throw refuse(`a description of at most ${DESCRIPTION_BYTES_MAX} bytes`, `${descriptionBytes}`);
  }
  if (contentsAt > end) throw refuse(`a description of ${descriptionBytes} bytes`, "fewer");
  const description = parseJson(bytes.subarray(DESCRIPTION_AT, contentsAt), file);
  return { description, contents: bytes.subarray(contentsAt, end) };
}
