/**
 * Load-time kernels: stored tensors → the layouts of the matrix kernels. All permuting, widening and zero-point
 * arithmetic of a checkpoint format happens here, once, tensor by tensor; each call covers a window of the stored
 * rows, so that a file never lies in memory a second time.
 */
import { KIND_F16, KIND_F32, KIND_INT7, KIND_INT8, RESULT_ADDRESS } from "../shared/layout";
import { bytesOf, firstPairs, int8Place, isNonFinite, lastPairs, load1, load4, roundScaled, shareBegin } from "./vector";

// @ts-ignore: decorator
@inline
export function reportNonFinite(count: i32): void {
  if (!count) return;
  if (ASC_FEATURE_THREADS) atomic.add<i32>(RESULT_ADDRESS, count);
  else store<i32>(RESULT_ADDRESS, load<i32>(RESULT_ADDRESS) + count);
}

/**
 * Words of eight 4-bit codes, packed along the inputs: source u32 [blockCount, N] (rows `blockBegin`… of [K/8, N]) →
 * weights u32 [N/8, blocks, 8]. Our word is the stored word; only its place changes.
 */
export function packInt4(
  source: usize, weights: usize, outputs: i32, blocks: i32, blockBegin: i32, blockCount: i32, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, rowBytes = <usize>outputs * 4;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    let to = weights + (<usize>panel * <usize>blocks + <usize>blockBegin) * 32;
    let from = source + <usize>panel * 32;
    const whole = outputs - panel * 8 >= 8;
    for (let block = 0; block < blockCount; block++) {
      if (whole) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
      } else {
        for (let n = 0; n < 8; n++) {
          store<u32>(to + <usize>n * 4, panel * 8 + n < outputs ? load<u32>(from + <usize>n * 4) : 0);
        }
      }
      to += 32;
      from += rowBytes;
    }
  }
}

/**
 * As packInt4 with the inputs in another order (act-order): source u32 [K/8, N], whole; `order` i32 [blocks · 8] names
 * the stored input of each of ours, −1 for padding (code 0, which meets activation 0).
 */
export function packInt4Gathered(
  source: usize, order: usize, weights: usize, outputs: i32, blocks: i32, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    for (let block = 0; block < blocks; block++) {
      const to = weights + (<usize>panel * <usize>blocks + <usize>block) * 32;
      for (let n = 0; n < 8; n++) {
        let word: u32 = 0;
        if (panel * 8 + n < outputs) {
          for (let j = 0; j < 8; j++) {
            const input = load<i32>(order + <usize>(block * 8 + j) * 4);
            if (input < 0) continue;
            const stored = load<u32>(source + (<usize>(input >> 3) * <usize>outputs + <usize>(panel * 8 + n)) * 4);
            word |= ((stored >> (<u32>(input & 7) * 4)) & 15) << (<u32>j * 4);
          }
        }
        store<u32>(to + <usize>n * 4, word);
      }
    }
  }
}

/**
 * Words of four 8-bit codes, packed along the inputs: source u32 [K/4, N], whole → weights u8 [N/8, blocks, 64], in the order of matmul_words.
 * `order` as in packInt4Gathered, or 0 for the stored order.
 */
export function packInt8Gathered(
  source: usize, order: usize, weights: usize, outputs: i32, blocks: i32, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    for (let block = 0; block < blocks; block++) {
      const to = weights + (<usize>panel * <usize>blocks + <usize>block) * 64;
      if (!order && panel * 8 + 8 <= outputs) {
        const first = source + (<usize>(block * 2) * <usize>outputs + <usize>panel * 8) * 4;
        const last = first + <usize>outputs * 4;
        for (let quad: usize = 0; quad < 32; quad += 16) {
          const a = v128.load(first + quad), b = v128.load(last + quad);
          v128.store(to + quad, firstPairs(a, b));
          v128.store(to + quad, lastPairs(a, b), 32);
        }
        continue;
      }
      for (let n = 0; n < 8; n++) {
        for (let j = 0; j < 8; j++) {
          let code: u32 = 0;
          const ours = block * 8 + j;
          const input = order ? load<i32>(order + <usize>ours * 4) : ours;
          if (input >= 0 && panel * 8 + n < outputs) {
            const stored = load<u32>(source + (<usize>(input >> 2) * <usize>outputs + <usize>(panel * 8 + n)) * 4);
            code = (stored >> (<u32>(input & 3) * 8)) & 255;
          }
          store<u8>(to + int8Place(j, n), <u8>code);
        }
      }
    }
  }
}

/**
 * Scales [storedGroups, N] f16/bf16/f32 → f32 [N/8, groups, 8]. A stored group longer than GROUP_INPUTS_MAX is cut:
 * our group g takes the scale of stored group g / split. Counts non-finite values at RESULT_ADDRESS.
 */
export function packScales(
  source: usize, kind: i32, scales: usize, outputs: i32, groups: i32, split: i32, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, bytes = bytesOf(kind);
  let nonFinite = 0;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    for (let g = 0; g < groups; g++) {
      const to = scales + (<usize>panel * <usize>groups + <usize>g) * 32;
      const from = source + (<usize>(g / split) * <usize>outputs + <usize>panel * 8) * bytes;
      if (panel * 8 + 8 <= outputs) {
        v128.store(to, load4(from, kind));
        v128.store(to, load4(from + 4 * bytes, kind), 16);
        const patterns = v128.or(nonFinite4(from, kind), nonFinite4(from + 4 * bytes, kind));
        if (!v128.any_true(patterns)) continue;
      }
      for (let n = 0; n < 8; n++) {
        let value: f32 = 0;
        if (panel * 8 + n < outputs) {
          value = load1(from + <usize>n * bytes, kind);
          if (isNonFinite(from + <usize>n * bytes, kind)) nonFinite++;
        }
        store<f32>(to + <usize>n * 4, value);
      }
    }
  }
  reportNonFinite(nonFinite);
}

/**
 * Zero points, packed along the outputs: u32 [storedGroups, N · bits / 32] → i16 [N/8, groups, 8]. With `addOne` the
 * writer stored z − 1, subtracted from the whole word: adding to the whole word undoes its borrows too.
 */
export function packZeros(
  source: usize, bits: i32, addOne: i32, zeros: usize, outputs: i32, groups: i32, split: i32, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, words = outputs * bits / 32, perWord = 32 / bits, mask = (1 << bits) - 1;
  const one: u32 = !addOne ? 0 : bits == 4 ? 0x11111111 : 0x01010101;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    for (let g = 0; g < groups; g++) {
      const to = zeros + (<usize>panel * <usize>groups + <usize>g) * 16;
      // A panel has one word of zero points of 4 bits, or two of 8.
      let from = source + <usize>(g / split * words + panel * 8 / perWord) * 4;
      for (let n = 0; n < 8; n += perWord) {
        const isThere = panel * 8 + n < outputs;
        let word: u32 = isThere ? load<u32>(from) + one : 0;
        for (let i = n; i < n + perWord; i++) {
          store<i16>(to + <usize>i * 2, <i16>(word & mask));
          word >>= bits;
        }
        from += 4;
      }
    }
  }
}

/** Patterns of four stored values: all ones where one is an infinity or NaN. */
// @ts-ignore: decorator
@inline
function nonFinite4(pointer: usize, kind: i32): v128 {
  const infinity = i32x4.splat(infinityOf(kind));
  return i32x4.eq(v128.and(loadRaw4(pointer, kind), infinity), infinity);
}

/**
 * Eight rows of eight 16-bit values → eight columns, 128 neighbouring bytes. Writes nothing and returns false when a value is not
 * finite.
 */
// @ts-ignore: decorator
@inline
function transposeBlock(from: usize, rowBytes: usize, to: usize, kind: i32): bool {
  const r0 = v128.load(from), r1 = v128.load(from + rowBytes);
  const r2 = v128.load(from + 2 * rowBytes), r3 = v128.load(from + 3 * rowBytes);
  const r4 = v128.load(from + 4 * rowBytes), r5 = v128.load(from + 5 * rowBytes);
  const r6 = v128.load(from + 6 * rowBytes), r7 = v128.load(from + 7 * rowBytes);
  const infinity = i16x8.splat(<i16>(infinityOf(kind) >>> 16));
  let bad = v128.or(i16x8.eq(v128.and(r0, infinity), infinity), i16x8.eq(v128.and(r1, infinity), infinity));
  bad = v128.or(bad, v128.or(i16x8.eq(v128.and(r2, infinity), infinity), i16x8.eq(v128.and(r3, infinity), infinity)));
  bad = v128.or(bad, v128.or(i16x8.eq(v128.and(r4, infinity), infinity), i16x8.eq(v128.and(r5, infinity), infinity)));
  bad = v128.or(bad, v128.or(i16x8.eq(v128.and(r6, infinity), infinity), i16x8.eq(v128.and(r7, infinity), infinity)));
  if (v128.any_true(bad)) return false;
  // Rows 0 and 4, 2 and 6, … side by side, then pairs of pairs.
  const a0 = low16(r0, r4), a1 = high16(r0, r4), b0 = low16(r1, r5), b1 = high16(r1, r5);
  const c0 = low16(r2, r6), c1 = high16(r2, r6), d0 = low16(r3, r7), d1 = high16(r3, r7);
  const e0 = low16(a0, c0), e1 = high16(a0, c0), e2 = low16(a1, c1), e3 = high16(a1, c1);
  const f0 = low16(b0, d0), f1 = high16(b0, d0), f2 = low16(b1, d1), f3 = high16(b1, d1);
  v128.store(to, low16(e0, f0));
  v128.store(to, high16(e0, f0), 16);
  v128.store(to, low16(e1, f1), 32);
  v128.store(to, high16(e1, f1), 48);
  v128.store(to, low16(e2, f2), 64);
  v128.store(to, high16(e2, f2), 80);
  v128.store(to, low16(e3, f3), 96);
  v128.store(to, high16(e3, f3), 112);
  return true;
}

// @ts-ignore: decorator
@inline
function low16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: decorator
@inline
function high16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** Rows of an unquantised matrix: source [rowCount, K] (rows `panelBegin` · 8 …) → weights [N/8, K, 8], same kind. */
export function packDense(
  source: usize, kind: i32, weights: usize, rowCount: i32, inputs: i32, panelBegin: i32, rank: i32, size: i32,
): void {
  const panels = (rowCount + 7) >> 3, bytes = bytesOf(kind);
  let nonFinite = 0;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    const to = weights + <usize>(panelBegin + panel) * <usize>inputs * 8 * bytes;
    // Whole blocks of eight rows and eight inputs of 16 bits, as long as all values are finite.
    let done = 0;
    if (bytes == 2 && panel * 8 + 8 <= rowCount) {
      const from = source + <usize>(panel * 8) * <usize>inputs * 2;
      while (done + 8 <= inputs) {
        if (!transposeBlock(from + <usize>done * 2, <usize>inputs * 2, to + <usize>done * 16, kind)) break;
        done += 8;
      }
    }
    for (let n = 0; n < 8; n++) {
      const row = panel * 8 + n;
      const from = source + <usize>row * <usize>inputs * bytes;
      for (let k = done; k < inputs; k++) {
        const at = to + (<usize>k * 8 + <usize>n) * bytes;
        if (row >= rowCount) {
          if (kind == KIND_F32) store<u32>(at, 0);
          else store<u16>(at, 0);
          continue;
        }
        const value = from + <usize>k * bytes;
        if (isNonFinite(value, kind)) nonFinite++;
        if (kind == KIND_F32) store<u32>(at, load<u32>(value));
        else store<u16>(at, load<u16>(value));
      }
    }
  }
  reportNonFinite(nonFinite);
}

/**
 * Rows of an unquantised matrix → codes with one scale per group, max |w| / L: `codeKind` KIND_INT8, 1 … 255 around 128, L = 127,
 * in the order of matmul_words, or KIND_INT7, 1 … 127 around 64, L = 63, in that of matmul_sevens.
 *   source [rowCount, K] (rows `panelBegin` · 8 …) → weights u8 [N/8, ceil(K/8), 64], scales f32 [N/8, groups, 8]
 */
export function packDenseCodes(
  source: usize, kind: i32, codeKind: i32, weights: usize, scales: usize, rowCount: i32, inputs: i32, group: i32,
  panelBegin: i32, rank: i32, size: i32,
): void {
  const panels = (rowCount + 7) >> 3, bytes = bytesOf(kind);
  const groups = (inputs + group - 1) / group, blocks = (inputs + 7) >> 3;
  const zero = codeKind == KIND_INT8 ? 128 : 64, zeros = i32x4.splat(zero);
  const limit: f32 = codeKind == KIND_INT8 ? 127 : 63;
  let nonFinite = 0;
  const end = shareBegin(panels, rank + 1, size);
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    const to = weights + <usize>(panelBegin + panel) * <usize>blocks * 64;
    const scaleTo = scales + <usize>(panelBegin + panel) * <usize>groups * 32;
    for (let n = 0; n < 8; n++) {
      const row = panel * 8 + n;
      const from = source + <usize>row * <usize>inputs * bytes;
      for (let g = 0; g < groups; g++) {
        const begin = g * group, stop = min(begin + group, inputs);
        if (row >= rowCount) {
          store<f32>(scaleTo + <usize>(g * 8 + n) * 4, 0);
          for (let k = begin; k < stop; k += 8) storeCodes(codeKind, to + <usize>(k >> 3) * 64, n, zeros, zeros);
          continue;
        }
        // Magnitudes as bit patterns: infinity and NaN come out on top, so one look tells whether there was any.
        let largest4 = i32x4.splat(0);
        const magnitude = i32x4.splat(0x7fffffff);
        let k = begin;
        for (; k + 4 <= stop; k += 4) {
          largest4 = i32x4.max_s(largest4, v128.and(loadRaw4(from + <usize>k * bytes, kind), magnitude));
        }
        let bits = max(
          max(i32x4.extract_lane(largest4, 0), i32x4.extract_lane(largest4, 1)),
          max(i32x4.extract_lane(largest4, 2), i32x4.extract_lane(largest4, 3)),
        );
        for (; k < stop; k++) bits = max(bits, loadRaw1(from + <usize>k * bytes, kind) & 0x7fffffff);
        const largest = magnitudeOf(bits, kind);
        if (bits >= infinityOf(kind)) {
          for (k = begin; k < stop; k++) if (isNonFinite(from + <usize>k * bytes, kind)) nonFinite++;
        }
        const factor = f32x4.splat(largest > 0 ? limit / largest : 0);
        store<f32>(scaleTo + <usize>(g * 8 + n) * 4, largest / limit);
        for (k = begin; k + 8 <= stop; k += 8) {
          const at = from + <usize>k * bytes;
          const a = i32x4.add(roundScaled(load4(at, kind), factor), zeros);
          const b = i32x4.add(roundScaled(load4(at + 4 * bytes, kind), factor), zeros);
          storeCodes(codeKind, to + <usize>(k >> 3) * 64, n, a, b);
        }
        if (k >= stop) continue;
        const block = to + <usize>(k >> 3) * 64;
        storeCodes(codeKind, block, n, zeros, zeros);
        for (; k < stop; k++) {
          const value = f32x4.splat(load1(from + <usize>k * bytes, kind));
          const code = zero + i32x4.extract_lane(roundScaled(value, factor), 0);
          store<u8>(block + (codeKind == KIND_INT8 ? int8Place(k & 7, n) : int7Place(k & 7, n)), <u8>code);
        }
      }
    }
  }
  reportNonFinite(nonFinite);
}

/** Stored bit patterns of four values, ordered like their magnitudes when the sign is masked away: 16-bit ones shifted to the top. */
// @ts-ignore: decorator
@inline
function loadRaw4(pointer: usize, kind: i32): v128 {
  if (kind == KIND_F32) return v128.load(pointer);
  return i32x4.shl(i32x4.extend_low_i16x8_u(v128.load64_zero(pointer)), 16);
}

// @ts-ignore: decorator
@inline
function loadRaw1(pointer: usize, kind: i32): i32 {
  return kind == KIND_F32 ? load<i32>(pointer) : <i32>load<u16>(pointer) << 16;
}

/** The value that a pattern of loadRaw4, its sign masked away, stands for. */
// @ts-ignore: decorator
@inline
function magnitudeOf(bits: i32, kind: i32): f32 {
  if (kind != KIND_F16) return reinterpret<f32>(bits);
  return reinterpret<f32>(bits >> 3) * reinterpret<f32>(0x77800000);
}

/** The pattern of infinity. */
// @ts-ignore: decorator
@inline
function infinityOf(kind: i32): i32 {
  return kind == KIND_F16 ? 0x7c000000 : 0x7f800000;
}

/** Where the 7-bit code of input `k` and output `n` lies in the 64 bytes of a block; see matmul_sevens. */
// @ts-ignore: decorator
@inline
function int7Place(k: i32, n: i32): usize {
  return <usize>((k & 1) * 32 + n * 4 + (k >> 1));
}

/** Codes of eight inputs of one output, i32 [4] each in `a` and `b`, into their block. */
// @ts-ignore: decorator
@inline
function storeCodes(codeKind: i32, block: usize, n: i32, a: v128, b: v128): void {
  const words = i16x8.narrow_i32x4_s(a, b);
  const codes = i8x16.narrow_i16x8_u(words, words);
  if (codeKind == KIND_INT7) {
    const halves = v128.shuffle<i8>(codes, codes, 0, 2, 4, 6, 1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7);
    v128.store32_lane(block + int7Place(0, n), halves, 0);
    v128.store32_lane(block + int7Place(1, n), halves, 1);
    return;
  }
  const pairs = v128.shuffle<i8>(codes, codes, 0, 4, 1, 5, 2, 6, 3, 7, 0, 4, 1, 5, 2, 6, 3, 7);
  v128.store16_lane(block + int8Place(0, n), pairs, 0);
  v128.store16_lane(block + int8Place(1, n), pairs, 1);
  v128.store16_lane(block + int8Place(2, n), pairs, 2);
  v128.store16_lane(block + int8Place(3, n), pairs, 3);
}

/** Vector [count] f16/bf16/f32 → f32, plus `offset` (norms that store w − 1). */
export function widen(
  source: usize, kind: i32, target: usize, count: i32, offset: f32, rank: i32, size: i32,
): void {
  const bytes = bytesOf(kind);
  let nonFinite = 0;
  const end = shareBegin(count, rank + 1, size);
  for (let i = shareBegin(count, rank, size); i < end; i++) {
    const from = source + <usize>i * bytes;
    if (isNonFinite(from, kind)) nonFinite++;
    store<f32>(target + <usize>i * 4, load1(from, kind) + offset);
  }
  reportNonFinite(nonFinite);
}
