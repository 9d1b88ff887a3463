/**
 * Texts that commands are given as files.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { RemoraError } from "../mod.ts";
import { hasCode } from "./files.ts";
import { requireRead } from "./model_access.ts";

/** @throws {RemoraError} FILE_NOT_FOUND, or BAD_FILE for what is no text in UTF-8. */
export async function readText(file: string): Promise<string> {
  requireRead(file);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
  } catch (cause) {
    if (hasCode(cause, "ENOENT")) {
      throw new RemoraError("FILE_NOT_FOUND", "Cannot read", { file, found: "no such file", cause });
    }
    const found = cause instanceof TypeError ? "other bytes" : `${cause}`;
    throw new RemoraError("BAD_FILE", "Cannot read", { file, expected: "a text in UTF-8", found, cause });
  }
}
