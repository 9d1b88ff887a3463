/**
 * Where tests find the reference material that lives beside the checkout, not inside it.
 *
 * @module
 */

const SHARED = new URL("../../shared/", import.meta.url);

/** Path of a file below `../shared`, relative to the checkout. */
export function sharedPath(...parts: string[]): string {
  return decodeURIComponent(new URL(parts.join("/"), SHARED).pathname);
}

/** Whether `../shared` is there; tests that need it are ignored otherwise and say so in their name. */
export const hasShared: boolean = isDirectory(SHARED);

function isDirectory(url: URL): boolean {
  try {
    return Deno.statSync(url).isDirectory;
  } catch {
    return false;
  }
}
