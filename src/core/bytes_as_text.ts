/**
 * Bytes in hexadecimal and base64. `Uint8Array` has methods for both in engines since 2025; Node 22 and 24 have not.
 *
 * @module
 */

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

/** With padding. */
export function toBase64(bytes: Uint8Array): string {
  let characters = "";
  for (const byte of bytes) characters += String.fromCharCode(byte);
  return btoa(characters);
}
