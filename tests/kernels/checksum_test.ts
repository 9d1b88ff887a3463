/** Checksums against Fletcher's definition in whole numbers, word by word. */
import assert from "node:assert/strict";
import { kernelTest } from "./harness.ts";

/** Σ w[j] and Σ (N − j) · w[j] modulo 2^64: the running sum, and the running sum of running sums. */
function fletcher(words: Uint32Array): [bigint, bigint] {
  let sum = 0n, weighted = 0n;
  for (const word of words) {
    sum += BigInt(word);
    weighted += sum;
  }
  return [BigInt.asUintN(64, sum), BigInt.asUintN(64, weighted)];
}

for (const threads of [1, 3]) {
  for (const variant of ["relaxed", "strict"] as const) {
    kernelTest(`checksums, ${threads} threads, ${variant}: Fletcher's sums`, ({ kernels }) => {
      const { heap } = kernels;
      const sums = heap.allocate(16 * threads);
      for (const bytes of [64, 128, 192, 4096, 64 * 1001]) {
        const address = heap.allocate(bytes);
        const words = heap.wordsAt(address, bytes / 4);
        for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761);
        assert.deepEqual(kernels.checksum(address, bytes, sums), fletcher(words), `${bytes} bytes`);
        words.fill(0xffffffff);
        assert.deepEqual(kernels.checksum(address, bytes, sums), fletcher(words), `${bytes} bytes of ones`);
      }
    }, { threads, variant });
  }
}

kernelTest("checksums find any bit that flips and any two words that change places", ({ kernels }) => {
  const { heap } = kernels;
  const bytes = 256, sums = heap.allocate(16), address = heap.allocate(bytes);
  const words = heap.wordsAt(address, bytes / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761);
  const before = kernels.checksum(address, bytes, sums);
  const assertFound = (damage: string) =>
    assert.notDeepEqual(kernels.checksum(address, bytes, sums), before, damage);
  for (let i = 0; i < words.length; i++) {
    for (let bit = 0; bit < 32; bit++) {
      words[i] ^= 1 << bit;
      assertFound(`bit ${bit} of word ${i}`);
      words[i] ^= 1 << bit;
    }
    for (let j = 0; j < i; j++) {
      [words[i], words[j]] = [words[j], words[i]];
      assertFound(`words ${i} and ${j}`);
      [words[i], words[j]] = [words[j], words[i]];
    }
  }
});
