/**
 * Pictures from files.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { RemoraError } from "../mod.ts";
import { hasCode } from "./files.ts";
import { requireRead } from "./model_access.ts";

/**
 * The bytes of a picture file.
 *
 * @throws {RemoraError} FILE_NOT_FOUND when it is not there or may not be read, BAD_IMAGE when reading fails.
 */
export async function readPicture(path: string): Promise<Uint8Array> {
  requireRead(path);
  try {
    return await readFile(path);
  } catch (cause) {
    const isMissing = hasCode(cause, "ENOENT");
    throw new RemoraError(isMissing ? "FILE_NOT_FOUND" : "BAD_IMAGE", "Cannot read the picture", {
      file: path,
      found: isMissing ? "no such file" : `${cause}`,
      cause,
    });
  }
}

/** The same refusal, saying which files it is about: the library knows pictures only as bytes. */
export function namePictures(error: unknown, paths: readonly string[]): unknown {
  const isAboutThem = paths.length > 0 && error instanceof RemoraError &&
    ["BAD_IMAGE", "UNSUPPORTED"].includes(error.code);
  if (!isAboutThem) return error;
  return new RemoraError(error.code, `${paths.join(", ")}: ${error.message}`, { cause: error });
}
