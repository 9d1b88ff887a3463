/**
 * GPTQ's words, written from the description of the format.
 *
 * @module
 */

/** codes [inputs][outputs] → words [inputs · bits / 32][outputs], the first input in the lowest bits. */
export function packAlongInputs(codes: ArrayLike<number>, inputs: number, outputs: number, bits: 4 | 8): Uint32Array {
  const perWord = 32 / bits;
  const words = new Uint32Array(Math.ceil(inputs / perWord) * outputs);
  for (let input = 0; input < inputs; input++) {
    for (let output = 0; output < outputs; output++) {
      const word = Math.floor(input / perWord) * outputs + output;
      words[word] += codes[input * outputs + output] * 2 ** (bits * (input % perWord));
    }
  }
  return words;
}

/** values [groups][outputs] → words [groups][outputs · bits / 32]; outputs fill whole words. */
export function packAlongOutputs(values: ArrayLike<number>, groups: number, outputs: number, bits: 4 | 8): Uint32Array {
  const perWord = 32 / bits, words = new Uint32Array(groups * outputs / perWord);
  for (let i = 0; i < groups * outputs; i++) {
    words[Math.floor(i / perWord)] += values[i] * 2 ** (bits * (i % perWord));
  }
  return words;
}

/** What version 1 files store: one less in each field, subtracted from the whole word, borrows included. */
export function lessOne(words: Uint32Array, bits: 4 | 8): Uint32Array {
  return words.map((word) => word - (bits === 4 ? 0x11111111 : 0x01010101));
}

/** A fixed matrix of codes whose words were computed with another program. */
export function fixedCode(input: number, output: number): number {
  let x = (Math.imul(input, 2654435761) + Math.imul(output, 40503) + 12345) >>> 0;
  x = (x ^ (x >>> 15)) >>> 0;
  return (x >>> 3) % 16;
}

/** CRC-32 as zlib computes it, over words in little-endian order. */
export function checksum(words: Uint32Array): number {
  let crc = 0xffffffff;
  for (const byte of new Uint8Array(words.buffer, words.byteOffset, words.byteLength)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
