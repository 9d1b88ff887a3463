/**
 * Hashes.
 *
 * @module
 */

/** A hash of bytes that come piece by piece. */
export interface Hash {
  update(bytes: Uint8Array): Hash;
  digest(): Uint8Array;
}
