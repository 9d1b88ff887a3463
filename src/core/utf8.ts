/**
 * Text as UTF-8, where many short texts must not become as many strings.
 *
 * @module
 */

/** Text that grows in a buffer, which is used again for the next one. */
export class Utf8Buffer {
  /** Its first `length` bytes are the text. */
  bytes: Uint8Array;
  length = 0;

  /** @param capacity Bytes for a start. */
  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Makes room for so many more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.bytes.length));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /**
   * Appends a text. Half a character (an unpaired surrogate) becomes bytes that no text in UTF-8 has, so it equals
   * nothing that was read from a file; `TextEncoder` would make it the character U+FFFD, which may be there.
   */
  append(text: string): void {
    this.reserve(3 * text.length);
    for (let i = 0; i < text.length; i++) {
      let code = text.charCodeAt(i);
      if (code >= 0xd800 && code < 0xdc00) {
        const low = text.charCodeAt(i + 1);
        if (isLowSurrogate(low)) {
          code = joinSurrogates(code, low);
          i++;
        }
      }
      this.length = writeCodePoint(code, this.bytes, this.length);
    }
  }

  /** Its text, or that of a part. */
  toString(begin = 0, end: number = this.length): string {
    return decoder.decode(this.bytes.subarray(begin, end));
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Writes a character, or half a one, at a place; returns the place after it. */
export function writeCodePoint(code: number, bytes: Uint8Array, at: number): number {
  if (code < 0x80) {
    bytes[at++] = code;
    return at;
  }
  if (code < 0x800) bytes[at++] = 0xc0 | code >> 6;
  else {
    if (code < 0x10000) bytes[at++] = 0xe0 | code >> 12;
    else {
      bytes[at++] = 0xf0 | code >> 18;
      bytes[at++] = 0x80 | code >> 12 & 0x3f;
    }
    bytes[at++] = 0x80 | code >> 6 & 0x3f;
  }
  bytes[at++] = 0x80 | code & 0x3f;
  return at;
}

/** Bytes of the character beyond ASCII that begins at a place, or 0 where none does (The Unicode Standard, table 3-7). */
export function sequenceLength(bytes: Uint8Array, at: number): 0 | 2 | 3 | 4 {
  const lead = bytes[at], second = bytes[at + 1];
  if (lead < 0xc2 || lead > 0xf4 || !isContinuation(second)) return 0;
  if (lead < 0xe0) return 2;
  if (!isContinuation(bytes[at + 2])) return 0;
  // Longer than need be, or half a character.
  if (lead < 0xf0) return (lead === 0xe0 && second < 0xa0) || (lead === 0xed && second > 0x9f) ? 0 : 3;
  // Longer than need be, or beyond U+10FFFF.
  if ((lead === 0xf0 && second < 0x90) || (lead === 0xf4 && second > 0x8f)) return 0;
  return isContinuation(bytes[at + 3]) ? 4 : 0;
}

/** Whether this is the second half of a character in UTF-16. */
export function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** The character of two halves. */
export function joinSurrogates(high: number, low: number): number {
  return 0x10000 + (high - 0xd800 << 10) + (low - 0xdc00);
}

/** Beyond the end there is none. */
function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
