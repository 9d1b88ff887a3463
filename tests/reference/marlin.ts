/**
 * Marlin's order by its published tables: the matrix in tiles of 16 × 16, 64 outputs of them in one row of 1024 codes, that row
 * reordered, codes packed low bits first. No closed form and no words: logical codes in, stored words out.
 *
 * @see {@link https://github.com/IST-DASLab/marlin/blob/2f6d7c1/marlin/__init__.py | `_get_perms` and `Layer.pack`}
 *
 * @module
 */

/** Codes [K, N], one a byte. */
export interface Codes {
  k: number;
  n: number;
  bits: 4 | 8;
  values: Uint8Array;
}

/** The row of 1024 codes in Marlin's order: entry i is the place of the code that comes i-th. */
export function weightOrder(bits: 4 | 8): number[] {
  const order: number[] = [];
  for (let thread = 0; thread < 32; thread++) {
    const first: number[] = [];
    for (const block of [0, 1]) {
      for (const row of [0, 1, 8, 9]) {
        first.push(16 * (2 * (thread % 4) + row) + Math.floor(thread / 4) + 8 * block);
      }
    }
    for (let tile = 0; tile < 4; tile++) order.push(...first.map((place) => place + 256 * tile));
  }
  const interleave = bits === 4 ? [0, 2, 4, 6, 1, 3, 5, 7] : [0, 2, 1, 3];
  const run = interleave.length;
  return order.map((_, i) => order[i - i % run + interleave[i % run]]);
}

/** i32 [K / 16, N · bits / 2]. */
export function marlinWords({ k, n, bits, values }: Codes): Int32Array {
  const tiled: number[] = [];
  for (let tileRow = 0; tileRow < k / 16; tileRow++) {
    for (let tileColumn = 0; tileColumn < n / 16; tileColumn++) {
      for (let row = 0; row < 16; row++) {
        for (let column = 0; column < 16; column++) {
          tiled.push(values[(tileRow * 16 + row) * n + tileColumn * 16 + column]);
        }
      }
    }
  }
  const order = weightOrder(bits), perWord = 32 / bits;
  const words = new Int32Array(tiled.length / perWord);
  tiled.forEach((_, i) => {
    words[Math.floor(i / perWord)] |= tiled[i - i % 1024 + order[i % 1024]] << (i % perWord * bits);
  });
  return words;
}

/** i32 [K · bits / 32, N]: GPTQ's words. */
export function gptqWords({ k, n, bits, values }: Codes): Int32Array {
  const perWord = 32 / bits;
  const words = new Int32Array(k / perWord * n);
  values.forEach((code, i) => {
    const input = Math.floor(i / n), output = i % n;
    words[Math.floor(input / perWord) * n + output] |= code << (input % perWord * bits);
  });
  return words;
}

/** i32 [N/8, K/8, 8] or, for 8 bits, [N/8, K/8, 2, 8]: remora's panels. */
export function panelWords({ k, n, bits, values }: Codes): Int32Array {
  // Fields of a block in their order in memory, as [input, output].
  const eight = [0, 1, 2, 3, 4, 5, 6, 7];
  const fields = bits === 4
    ? eight.flatMap((o) => eight.map((i) => [i, o]))
    : [[0, 1], [2, 3]].flatMap((pairs) =>
      [0, 4].flatMap((quad) =>
        pairs.flatMap((pair) => [0, 1, 2, 3].flatMap((o) => [[pair, quad + o], [pair + 4, quad + o]]))
      )
    );
  const words = new Int32Array(k * n * bits / 32);
  let place = 0;
  for (let output = 0; output < n; output += 8) {
    for (let input = 0; input < k; input += 8) {
      for (const [i, o] of fields) {
        words[Math.floor(place / 32)] |= values[(input + i) * n + output + o] << (place % 32);
        place += bits;
      }
    }
  }
  return words;
}

/** The codes with input `order[i]` at i. */
export function reordered(codes: Codes, order: ArrayLike<number>): Codes {
  const values = codes.values.map((_, i) => {
    return codes.values[order[Math.floor(i / codes.n)] * codes.n + i % codes.n];
  });
  return { ...codes, values };
}

/** Order of the scales within 64 outputs, or within 32 where one group spans all inputs. */
export function scaleOrder(isSingle: boolean): number[] {
  const order: number[] = [];
  if (isSingle) {
    for (let i = 0; i < 4; i++) for (const j of [0, 1, 8, 9, 16, 17, 24, 25]) order.push(2 * i + j);
  } else {
    for (let i = 0; i < 8; i++) for (let j = 0; j < 8; j++) order.push(i + 8 * j);
  }
  return order;
}

/** Scales in Marlin's order, as many as there are. */
export function permutedScales(scales: Uint16Array, isSingle: boolean): Uint16Array {
  const order = scaleOrder(isSingle), block = order.length;
  return scales.map((_, i) => scales[i - i % block + order[i % block]]);
}
