/**
 * A folder for the time of a test.
 *
 * @module
 */

/** Gives `work` a new folder, which is removed with all that is in it. */
export async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await work(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
