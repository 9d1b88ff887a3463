/**
 * Bytes in hexadecimal and base64. `Uint8Array` has methods for both in engines since 2025; Node 22 and 24 have not.
 *
 * @module
 */

/** A multiple of 3, so that only the last piece has padding; arguments of one call, of which engines take some 100,000. */
const PIECE_BYTES = 3 << 12;

/** Two digits a byte. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * White space and missing padding are taken, as everywhere on the web.
 *
 * @throws {DOMException} When there are other characters.
 */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

/** The bytes that were deflated, without a header, and written as base64. */
export async function inflateBase64(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([fromBase64(text)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** With padding. */
export function toBase64(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    pieces.push(btoa(String.fromCharCode(...bytes.subarray(at, at + PIECE_BYTES))));
  }
  return pieces.join("");
}
