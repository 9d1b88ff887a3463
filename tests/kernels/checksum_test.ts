/** Checksums against Fletcher's definition in whole numbers, word by word. */
import assert from "node:assert/strict";
import type { Kernels } from "../../kernels/host/kernels.ts";
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

/** Both sums, of all threads' shares. */
function sumsOf(kernels: Kernels, source: number, bytes: number): [bigint, bigint] {
  const { memory, threads } = kernels;
  const sums = memory.allocate(16 * threads);
  kernels.checksum({ source, bytes, sums });
  const shares = new BigUint64Array(memory.wasm.buffer, sums, 2 * threads);
  let sum = 0n, weighted = 0n;
  for (let rank = 0; rank < threads; rank++) {
    sum += shares[2 * rank];
    weighted += shares[2 * rank + 1];
  }
  memory.free(sums, 16 * threads);
  return [BigInt.asUintN(64, sum), BigInt.asUintN(64, weighted)];
}

for (const threads of [1, 3]) {
  for (const variant of ["relaxed", "strict"] as const) {
    kernelTest(`checksums, ${threads} threads, ${variant}: Fletcher's sums`, ({ kernels }) => {
      const { memory } = kernels;
      for (const bytes of [64, 128, 192, 4096, 64 * 1001]) {
        const address = memory.allocate(bytes);
        const words = memory.wordsAt(address, bytes / 4);
        for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761);
        assert.deepEqual(sumsOf(kernels, address, bytes), fletcher(words), `${bytes} bytes`);
        words.fill(0xffffffff);
        assert.deepEqual(sumsOf(kernels, address, bytes), fletcher(words), `${bytes} bytes of ones`);
      }
    }, { threads, variant });
  }
}

kernelTest("checksums find any bit that flips and any two words that change places", ({ kernels }) => {
  const { memory } = kernels;
  const bytes = 256, address = memory.allocate(bytes);
  const words = memory.wordsAt(address, bytes / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2654435761);
  const before = sumsOf(kernels, address, bytes);
  const assertFound = (damage: string) =>
    assert.notDeepEqual(sumsOf(kernels, address, bytes), before, damage);
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
