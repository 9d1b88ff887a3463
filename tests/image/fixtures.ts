/**
 * The files of fixtures/, which fixtures/make.py writes.
 *
 * @module
 */

/** Bytes of a file of fixtures/. */
export function fixture(name: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(`fixtures/${name}`, import.meta.url));
}
