/**
 * The address of a thread's area in the code of the wide tiles: always five bytes, so that one can take another's place.
 *
 * @module
 */

/** The module with `to` wherever `from` stands as five bytes. */
export function withAddress(binary: Uint8Array, from: number, to: number): Uint8Array<ArrayBuffer> {
  const copy = binary.slice(), wanted = fiveBytes(from), address = fiveBytes(to);
  for (let at = binary.indexOf(wanted[0]); at >= 0; at = binary.indexOf(wanted[0], at + 1)) {
    if (wanted.every((byte, i) => binary[at + i] === byte)) copy.set(address, at);
  }
  return copy;
}

/** LEB128 in five bytes, whatever the number. */
function fiveBytes(value: number): number[] {
  return Array.from({ length: 5 }, (_, i) => (value >> (7 * i)) & 0x7f | (i < 4 ? 0x80 : 0));
}
