/**
 * What must be known before a model is opened: where it is, and that files may be read and written without asking for permission.
 *
 * @module
 */
import { RemoraError } from "../mod.ts";
import { fileURLToPath } from "node:url";
import type { Options } from "./options.ts";
import { UsageError } from "./usage_error.ts";

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

/**
 * Refuses what would make the runtime ask for a permission.
 *
 * @returns Whether the library must stay off the network: asked for, or not permitted.
 * @throws {RemoraError} FILE_NOT_FOUND naming the flag to pass.
 */
export function checkAccess(model: string, isOffline: boolean): { offline: boolean } {
  const url = /^[a-z]+:\/\//i.test(model) ? URL.parse(model) : null;
  if (url?.protocol === "http:" || url?.protocol === "https:") {
    if (!isOffline && !isGranted({ name: "net", host: url.host })) {
      throw refusal(model, `--allow-net=${url.host}`);
    }
    return { offline: isOffline };
  }
  if (url === null || url.protocol === "file:") requireRead(url ? fileURLToPath(url) : model);
  return { offline: isOffline || !isGranted({ name: "net", host: "huggingface.co" }) };
}

/** @throws {RemoraError} FILE_NOT_FOUND when the file may not be read. */
export function requireRead(path: string): void {
  if (!isGranted({ name: "read", path })) throw refusal(path, `--allow-read=${path}`);
}

/**
 * Makes sure that a file can be written, before anything that takes time.
 *
 * @throws {RemoraError} FILE_NOT_FOUND when it may not be written.
 */
export function requireWrite(path: string): void {
  if (isGranted({ name: "write", path })) return;
  throw new RemoraError("FILE_NOT_FOUND", "Cannot write", {
    file: path,
    expected: `the permission to write it: pass --allow-write=${path} to deno run`,
    found: "none",
  });
}

/** Whether a permission is there without asking. */
export function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

function refusal(file: string, flag: string): RemoraError {
  return new RemoraError("FILE_NOT_FOUND", "Cannot open", {
    file,
    expected: `the permission to read it: pass ${flag} to deno run`,
    found: "none",
  });
}
