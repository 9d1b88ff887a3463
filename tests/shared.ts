/**
 * Where tests find reference material: in the repository (tests/goldens), or in `../shared`, which is not part of it.
 *
 * @module
 */
import { deepEqual } from "node:assert/strict";

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

const COMMITTED = new URL("goldens/", import.meta.url);

/** Path of a golden: the one in the repository, or that in `../shared`. */
export function goldenPath(name: string): string {
  return isCommitted(name)
    ? decodeURIComponent(new URL(name, COMMITTED).pathname)
    : sharedPath("goldens", name);
}

/**
 * A test that needs a golden: skipped, and counted so, where that is not there. Those that are not in the repository say so in
 * their name.
 */
export function goldenTest(name: string, title: string, fn: () => void | Promise<void>): void {
  const needs = isCommitted(name) ? "" : " (needs ../shared)";
  Deno.test({
    name: `${name}: ${title}${needs}`,
    ignore: !isDirectory(new URL(`file://${goldenPath(name)}`)),
    fn,
  });
}

function isCommitted(name: string): boolean {
  return isDirectory(new URL(name, COMMITTED));
}

/**
 * What a folder of `../shared` says about its cases. The repository has a copy (tests/cases), so that each is a test by name
 * where the folder itself is absent; where it is there, the copy must be equal.
 */
// deno-lint-ignore no-explicit-any -- of another shape for each folder
export function caseList(copy: string, ...original: string[]): any {
  const list = JSON.parse(Deno.readTextFileSync(new URL(`cases/${copy}.json`, import.meta.url)));
  if (hasShared) deepEqual(JSON.parse(Deno.readTextFileSync(sharedPath(...original))), list);
  return list;
}
