/**
 * Stored codes of 4 and 8 bits → panels of eight outputs, as the matrix products read them. A layer may have any number of
 * outputs; the last panel is filled up with codes 0.
 */
import { storePairs } from "../places";
import { shareBegin } from "../share";
import { firstHalves, firstInTurn, highFields, lastHalves, lastInTurn, loadLanes, lowFields } from "../vector";

/**
 * Words of eight 4-bit codes, packed along the inputs; our word is the stored word, only its place changes.
 *   source   u32 [blockCount, N]: rows `blockBegin` … of [K/8, N]
 *   weights  u32 [N/8, blocks, 8]
 */
export function packInt4(
  source: usize, outputs: i32, blocks: i32, blockBegin: i32, blockCount: i32, weights: usize, rank: i32, size: i32,
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
 * Words of eight 4-bit codes along the inputs, wherever they lie: in the file's order of inputs or another (act-order), and packed
 * for each output or each input side by side.
 *   source   u32: the word of inputs 8 b … 8 b + 7 of output n is the (b · wordStep + n · outputStep)th
 *   order    i32 [blocks · 8]: the stored input of each of ours, −1 for padding (code 0, which meets activation 0); 0 for the
 *            stored order
 *   outputs  of this window, which begins with panel `panelBegin`
 *   weights  u32 [N/8, blocks, 8]
 */
export function packInt4Gathered(
  source: usize, order: usize, wordStep: i32, outputStep: i32, outputs: i32, blocks: i32, panelBegin: i32, weights: usize,
  rank: i32, size: i32,
): void {
  gatherPanels<u32>(source, order, wordStep, outputStep, 0, outputs, blocks, panelBegin, weights, rank, size);
}

/**
 * Words of four 8-bit codes along the inputs, likewise.
 *   isSigned  the codes are signed, around 0 and not around 128
 *   weights   u8 [N/8, blocks, 64], in the order of matmul/w8a16
 */
export function packInt8Gathered(
  source: usize, order: usize, wordStep: i32, outputStep: i32, isSigned: i32, outputs: i32, blocks: i32, panelBegin: i32,
  weights: usize, rank: i32, size: i32,
): void {
  const flip = isSigned ? 0x80808080 : 0;
  gatherPanels<u64>(source, order, wordStep, outputStep, flip, outputs, blocks, panelBegin, weights, rank, size);
}

/** `B` has as many bytes as a code has bits: u32 or u64. */
function gatherPanels<B>(
  source: usize, order: usize, wordStep: i32, outputStep: i32, flip: i32, outputs: i32, blocks: i32, panelBegin: i32,
  weights: usize, rank: i32, size: i32,
): void {
  const panels = (outputs + 7) >> 3, blockBytes = sizeof<B>() * 8, end = shareBegin(panels, rank + 1, size);
  const wordBytes = <usize>wordStep * 4, outputBytes = <usize>outputStep * 4;
  for (let panel = shareBegin(panels, rank, size); panel < end; panel++) {
    let to = weights + <usize>(panelBegin + panel) * <usize>blocks * blockBytes;
    const from = source + <usize>panel * 8 * outputBytes, count = outputs - panel * 8;
    for (let block = 0; block < blocks; block++) {
      gatherQuad<B>(from, order, wordBytes, outputBytes, flip, count, block, to);
      gatherQuad<B>(from + 4 * outputBytes, order, wordBytes, outputBytes, flip, count - 4, block, to + 16);
      to += blockBytes;
    }
  }
}

/** Eight inputs of four outputs, or of `count` if these are fewer, into their block. */
// @ts-ignore: decorator
@inline
function gatherQuad<B>(
  source: usize, order: usize, wordBytes: usize, outputBytes: usize, flip: i32, count: i32, block: i32, to: usize,
): void {
  const bits = <i32>sizeof<B>(), inWord = bits == 4 ? 3 : 2, inWordMask = (1 << inWord) - 1;
  let first = i32x4.splat(0), last = i32x4.splat(0);
  if (!order) {
    const from = source + <usize>(block << (3 - inWord)) * wordBytes;
    first = loadStrided(from, outputBytes, count);
    if (bits == 8) last = loadStrided(from + wordBytes, outputBytes, count);
  } else {
    for (let j = 0; j < 8; j++) {
      const input = load<i32>(order + <usize>(block * 8 + j) * 4);
      if (input < 0) continue;
      const stored = loadStrided(source + <usize>(input >> inWord) * wordBytes, outputBytes, count);
      const codes = v128.and(i32x4.shr_u(stored, (input & inWordMask) * bits), i32x4.splat((1 << bits) - 1));
      const placed = i32x4.shl(codes, (j & inWordMask) * bits);
      if (j <= inWordMask) first = v128.or(first, placed);
      else last = v128.or(last, placed);
    }
  }
  if (bits == 4) {
    v128.store(to, first);
  } else {
    const flips = i32x4.splat(flip);
    storePairs(to, v128.xor(first, flips), v128.xor(last, flips));
  }
}

/** Four words, `step` bytes apart, or `count` if these are fewer. */
// @ts-ignore: decorator
@inline
function loadStrided(from: usize, step: usize, count: i32): v128 {
  if (step == 4) return loadLanes(from, count);
  let words = i32x4.splat(0);
  if (count > 0) words = v128.load32_zero(from);
  if (count > 1) words = i32x4.replace_lane(words, 1, load<i32>(from + step));
  if (count > 2) words = i32x4.replace_lane(words, 2, load<i32>(from + 2 * step));
  if (count > 3) words = i32x4.replace_lane(words, 3, load<i32>(from + 3 * step));
  return words;
}

/**
 * AWQ's words, each with eight 4-bit codes of one input: those of outputs 0 2 4 6 1 3 5 7, low bits first.
 *   source   u32 [blockCount · 8, N/8]: rows `blockBegin` · 8 … of [K, N/8]; N % 8 == 0
 *   weights  u32 [N/8, blocks, 8], as packInt4's
 *
 * @see https://github.com/casper-hansen/AutoAWQ/blob/88e4c76/awq/utils/packing_utils.py
 */
export function packInt4Interleaved(
  source: usize, outputs: i32, blocks: i32, blockBegin: i32, blockCount: i32, weights: usize, rank: i32, size: i32,
): void {
  const panels = outputs >> 3, rowBytes = <usize>panels * 4, panelBytes = <usize>blocks * 32;
  // Four panels lie side by side in a vector.
  const quads = (panels + 3) >> 2, end = shareBegin(quads, rank + 1, size);
  for (let quad = shareBegin(quads, rank, size); quad < end; quad++) {
    let from = source + <usize>quad * 16, to = weights + <usize>quad * 4 * panelBytes + <usize>blockBegin * 32;
    for (let block = 0; block < blockCount; block++) {
      transposeBlock(from, rowBytes, to, panelBytes, panels - quad * 4);
      from += 8 * rowBytes;
      to += 32;
    }
  }
}

/** Words of eight inputs of `count` panels (at most four) → words of eight outputs, `panelBytes` from one panel to the next. */
function transposeBlock(from: usize, rowBytes: usize, to: usize, panelBytes: usize, count: i32): void {
  const nibbles = i32x4.splat(0x0f0f0f0f), bytes = i32x4.splat(0x00ff00ff), halves = i32x4.splat(0x0000ffff);
  const r0 = loadLanes(from, count), r1 = loadLanes(from + rowBytes, count);
  const r2 = loadLanes(from + 2 * rowBytes, count), r3 = loadLanes(from + 3 * rowBytes, count);
  const r4 = loadLanes(from + 4 * rowBytes, count), r5 = loadLanes(from + 5 * rowBytes, count);
  const r6 = loadLanes(from + 6 * rowBytes, count), r7 = loadLanes(from + 7 * rowBytes, count);
  // Nibbles 0 2 4 6 of two inputs in turn, and 1 3 5 7; then 0 4, 2 6, 1 5 and 3 7 of four.
  const even01 = lowFields(r0, r1, 4, nibbles), odd01 = highFields(r0, r1, 4, nibbles);
  const even23 = lowFields(r2, r3, 4, nibbles), odd23 = highFields(r2, r3, 4, nibbles);
  const even45 = lowFields(r4, r5, 4, nibbles), odd45 = highFields(r4, r5, 4, nibbles);
  const even67 = lowFields(r6, r7, 4, nibbles), odd67 = highFields(r6, r7, 4, nibbles);
  const first04 = lowFields(even01, even23, 8, bytes), last04 = lowFields(even45, even67, 8, bytes);
  const first26 = highFields(even01, even23, 8, bytes), last26 = highFields(even45, even67, 8, bytes);
  const first15 = lowFields(odd01, odd23, 8, bytes), last15 = lowFields(odd45, odd67, 8, bytes);
  const first37 = highFields(odd01, odd23, 8, bytes), last37 = highFields(odd45, odd67, 8, bytes);
  // One nibble of all eight inputs is a word. Nibbles 0 4, 1 5, 2 6, 3 7 are outputs 0 1, 2 3, 4 5, 6 7.
  storeQuad(
    to, panelBytes, count,
    lowFields(first04, last04, 16, halves), highFields(first04, last04, 16, halves),
    lowFields(first15, last15, 16, halves), highFields(first15, last15, 16, halves),
  );
  storeQuad(
    to + 16, panelBytes, count,
    lowFields(first26, last26, 16, halves), highFields(first26, last26, 16, halves),
    lowFields(first37, last37, 16, halves), highFields(first37, last37, 16, halves),
  );
}

/** Four words of each panel, those of one panel in one lane of all four vectors. */
// @ts-ignore: decorator
@inline
function storeQuad(to: usize, panelBytes: usize, count: i32, w0: v128, w1: v128, w2: v128, w3: v128): void {
  const first01 = firstInTurn(w0, w1), first23 = firstInTurn(w2, w3);
  const last01 = lastInTurn(w0, w1), last23 = lastInTurn(w2, w3);
  v128.store(to, firstHalves(first01, first23));
  if (count > 1) v128.store(to + panelBytes, lastHalves(first01, first23));
  if (count > 2) v128.store(to + 2 * panelBytes, firstHalves(last01, last23));
  if (count > 3) v128.store(to + 3 * panelBytes, lastHalves(last01, last23));
}
