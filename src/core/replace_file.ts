/**
 * Writing a file of our own so that it is the old one or the new one at any time.
 *
 * @module
 */
import { RemoraError } from "./errors.ts";

/**
 * Writes beside the file's place and renames then. That needs permission to write and read `PATH.partial` too; without it the
 * file is written in place, and its reader must notice one that was not finished.
 *
 * @throws {RemoraError} BAD_FILE when it cannot be written. What `write` throws itself.
 */
export async function replaceFile(path: string, write: (file: Deno.FsFile) => Promise<void>): Promise<void> {
  const partial = `${path}.partial`;
  const mayRename = isGranted("write", partial) && isGranted("read", partial);
  const target = mayRename ? partial : path;
  try {
    {
      using file = await Deno.open(target, { write: true, create: true, truncate: true });
      await write(file);
    }
    if (mayRename) await Deno.rename(partial, path);
  } catch (cause) {
    if (mayRename) await Deno.remove(partial).catch(() => {});
    if (!isOfSystem(cause)) throw cause;
    throw new RemoraError("BAD_FILE", "Cannot write", { file: path, found: `${cause}`, cause });
  }
}

function isGranted(name: "read" | "write", path: string): boolean {
  return Deno.permissions.querySync({ name, path }).state === "granted";
}

/** Whether the error comes from the file system rather than from whoever fills the file. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && !(error instanceof RemoraError) &&
    (Object.values(Deno.errors).some((kind) => error instanceof kind) ||
      "code" in error && typeof error.code === "string");
}
