/**
 * The printable stand-ins by which byte-level tokenizers write bytes in their vocabularies.
 *
 * Source: `bytes_to_unicode` of GPT-2 (https://github.com/openai/gpt-2/blob/master/src/encoder.py): printable
 * Latin-1 stands for itself, every other byte for a character from U+0100 on.
 *
 * @module
 */

const isPrintable = (byte: number) =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

/** [256] character of each byte. */
const CHARACTERS: string[] = [];
/** Byte of each character code, -1 where there is none. */
const BYTES = new Int16Array(0x144).fill(-1);

for (let byte = 0, spare = 0x100; byte < 256; byte++) {
  const code = isPrintable(byte) ? byte : spare++;
  CHARACTERS.push(String.fromCharCode(code));
  BYTES[code] = byte;
}

const encoder = new TextEncoder();

/** Writes text, as UTF-8, in the byte alphabet. */
export function toByteAlphabet(text: string): string {
  let spelled = "";
  for (const byte of encoder.encode(text)) spelled += CHARACTERS[byte];
  return spelled;
}

/** The bytes that a token spells, or undefined when it has characters outside of the alphabet. */
export function fromByteAlphabet(token: string): Uint8Array | undefined {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = BYTES[token.charCodeAt(i)] ?? -1;
    if (byte < 0) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}
