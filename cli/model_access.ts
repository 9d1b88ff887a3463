/**
 * What must be known before a model is opened: where it is, and that files may be read and written without asking for permission.
 *
 * @module
 */
import { closeSync, existsSync, openSync, unlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ModelSource, RemoraError } from "../mod.ts";
import { hasCode } from "./files.ts";
import { host } from "./host/current.ts";
import type { Options } from "./options.ts";
import { UsageError } from "./usage_error.ts";

/** What may be a name on the hub, and a folder too. */
const HUB_ID = /^\w[\w.-]*\/\w[\w.-]*([@:]|$)/;

/** A model on the command line. */
export interface ModelArgument {
  model: string;
  /** Arguments after it. */
  rest: readonly string[];
}

/** @throws {UsageError} When there is none. */
export function takeModel(options: Options): ModelArgument {
  const [first, ...others] = options.positionals;
  const named = options.text("model");
  const model = named ?? first;
  if (!model) throw new UsageError("expected MODEL, found none; see --help");
  return { model, rest: named === undefined ? others : options.positionals };
}

/** Whether a model is one of the hub: what looks like a name there, and is no folder. */
export function isHubName(model: string): boolean {
  if (!HUB_ID.test(model) || model.toLowerCase().endsWith(".gguf")) return false;
  return !host.isGranted({ name: "read", path: model }) || !existsSync(model);
}

/**
 * Refuses a path where nothing is, and what would make the runtime ask for a permission.
 *
 * @param hint What else the argument may have been meant as.
 * @returns Whether the library must stay off the network.
 * @throws {RemoraError} FILE_NOT_FOUND saying what MODEL may be, or naming the flag to pass.
 */
export function checkAccess(
  model: string | ModelSource,
  isOffline: boolean,
  hint = "",
): { offline: boolean } {
  if (typeof model !== "string") return { offline: true };
  const url = /^[a-z]+:\/\//i.test(model) ? URL.parse(model) : null;
  if (url?.protocol === "http:" || url?.protocol === "https:") {
    if (!isOffline && !host.isGranted({ name: "net", host: url.host })) {
      throw refusal(model, `--allow-net=${url.host}`);
    }
    return { offline: isOffline };
  }
  // What may be a name on the hub the library looks for in both places, and says which permissions are missing.
  const path = url?.protocol === "file:" ? fileURLToPath(url) : model;
  if (path === model && (url !== null || HUB_ID.test(model))) return { offline: isOffline };
  const isReadable = host.isGranted({ name: "read", path });
  if (!isReadable && hint === "") requireRead(path);
  if (isReadable && existsSync(path)) return { offline: isOffline };
  throw new RemoraError("FILE_NOT_FOUND", "Cannot open", {
    file: path,
    expected: `a folder, a GGUF file, a URL, or owner/name of the hub${hint}`,
    found: isReadable ? "no such file or directory" : `no permission to read it (--allow-read=${path})`,
  });
}

/** @throws {RemoraError} FILE_NOT_FOUND when the file may not be read. */
export function requireRead(path: string): void {
  if (!host.isGranted({ name: "read", path })) throw refusal(path, `--allow-read=${path}`);
}

/**
 * Makes sure that a file can be written, before anything that takes time. What is there is left as it is.
 *
 * @param ending What its name must end with, where the content asks for one.
 * @throws {RemoraError} FILE_NOT_FOUND when it may not be written or its folder is not there, BAD_FILE when it is no file or cannot be
 * written.
 */
export function requireWrite(path: string, ending?: string): void {
  if (ending !== undefined && !path.toLowerCase().endsWith(ending)) {
    throw new UsageError(`Cannot write "${path}": expected a name that ends with ${ending}`);
  }
  if (!host.isGranted({ name: "write", path })) {
    throw new RemoraError("FILE_NOT_FOUND", "Cannot write", {
      file: path,
      expected: `the permission to write it: pass --allow-write=${path} to deno run`,
      found: "none",
    });
  }
  typedWrite(path, () => {
    try {
      // One that can be made is taken away again; whether one is there may not be asked without the permission to read.
      closeSync(openSync(path, "wx"));
      unlinkSync(path);
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
      closeSync(openSync(path, "a"));
    }
  });
}

/** @throws {RemoraError} BAD_FILE when it cannot be written: the disk is full, say. */
export function writeOutput(path: string, content: Uint8Array | string): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  typedWrite(path, () => writeFileSync(path, bytes));
}

function typedWrite(path: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    const isMissing = hasCode(cause, "ENOENT");
    throw new RemoraError(isMissing ? "FILE_NOT_FOUND" : "BAD_FILE", "Cannot write", {
      file: path,
      found: isMissing ? "no such folder" : cause instanceof Error ? cause.message : `${cause}`,
      cause,
    });
  }
}

function refusal(file: string, flag: string): RemoraError {
  return new RemoraError("FILE_NOT_FOUND", "Cannot open", {
    file,
    expected: `the permission to read it: pass ${flag} to deno run`,
    found: "none",
  });
}
