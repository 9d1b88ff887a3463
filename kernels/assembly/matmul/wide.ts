/**
 * Products by the wide tiles (kernels/wide/text.ts): weights of 16 outputs and WIDE_INPUTS inputs are unpacked once, then all tiles
 * of rows pass them. The same integers and the same order of roundings as in tiles.ts, so the same bits.
 */
import {
  CHUNK_INPUTS, UNIT_INPUTS, WIDE_INPUTS, WIDE_PAIRS, WIDE_PLANES_ADDRESS, WIDE_SCALES, WIDE_SCRATCH_BYTES, WIDE_SHORT_SCALES,
  WIDE_TAIL_ADDRESS, WIDE_TILES, WIDE_WEIGHTS, WIDE_ZEROS,
} from "../../shared/layout";
import { shareBegin } from "../share";
import { lane0, lane1, lane2, lane3 } from "../vector";
import { areaOf } from "../wide_area";
import { endRow, ofPanel } from "./group";
import { blockBytes, groupScaleBytes } from "./kernel";
import { biasOf, storePanel } from "./panels";
import { PLANES_BYTES, storePlanes } from "./planes";
import { leftOffsetsOf, leftScalesOf, rightOffsetsOf, rightScalesOf, unitsOf } from "./scales";

// The functions of the module with this thread's area.
@external("wide", "bytes4Group32")
declare function bytes4Group32(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "bytes4Group64")
declare function bytes4Group64(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "bytes4Group128")
declare function bytes4Group128(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "bytes7Group32")
declare function bytes7Group32(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "bytes7Group64")
declare function bytes7Group64(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "bytes7Group128")
declare function bytes7Group128(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "bytes32Group32")
declare function bytes32Group32(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "bytes32Group64")
declare function bytes32Group64(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "bytes32Group128")
declare function bytes32Group128(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "wordsGroup32")
declare function wordsGroup32(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "wordsGroup64")
declare function wordsGroup64(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "wordsGroup128")
declare function wordsGroup128(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "bytes4Offset32")
declare function bytes4Offset32(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "bytes32Offset32")
declare function bytes32Offset32(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "wordsOffset32")
declare function wordsOffset32(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "planesGroup32")
declare function planesGroup32(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "planesGroup64")
declare function planesGroup64(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "planesGroup128")
declare function planesGroup128(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "planesOffset32")
declare function planesOffset32(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "unpackInt4Bytes")
declare function unpackInt4Bytes(w0: usize, w1: usize): void;
@external("wide", "bytes7Group16")
declare function bytes7Group16(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "bytes32Group16")
declare function bytes32Group16(a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32): void;
@external("wide", "unpackInt6Bytes")
declare function unpackInt6Bytes(w0: usize, w1: usize): void;
@external("wide", "unpackInt7Bytes")
declare function unpackInt7Bytes(w0: usize, w1: usize): void;
@external("wide", "unpackInt4Words")
declare function unpackInt4Words(w0: usize, w1: usize): void;
@external("wide", "unpackInt8Words")
declare function unpackInt8Words(w0: usize, w1: usize): void;

const BLOCKS: i32 = WIDE_INPUTS / 8;
const UNIT_BLOCKS: i32 = UNIT_INPUTS / 8;
/** Bytes of the totals of a tile: four rows of 16 outputs. */
const TILE_BYTES: usize = 256;
/** Tiles from which on the activations of all inputs do not stay in the first cache. */
const MANY_TILES: i32 = 8;
/** No zero point of 4-bit codes is larger. */
const ONE_ZERO: i16 = 16;

/** Whether there is a tile for groups of that length; those with offsets are of 32, those of 6-bit codes of 16. */
// @ts-ignore: decorator
@inline
export function hasWideTile<K>(group: i32, hasOffsets: bool): bool {
  if (changetype<K>(0).bits == 6) return true;
  return group == 32 || (group == 64 || group == 128) && !hasOffsets;
}

// @ts-ignore: decorator
@inline
function addTiles<K>(
  group: i32, hasOffsets: bool, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32,
): void {
  const kernel = changetype<K>(0);
  if (kernel.hasPlanes) {
    // Two rows at a time: the first two of all tiles, then the others.
    addPlanes(group, hasOffsets, a, aStride, f, fStride, t, tStride, p, n);
    addPlanes(group, hasOffsets, a + PLANES_BYTES, aStride, f + 8, fStride, t + 8, tStride, p + TILE_BYTES / 2, n);
  } else if (kernel.bits == 6) {
    if (kernel.isDot32) bytes32Group16(a, aStride, f, fStride, t, tStride, p, n);
    else bytes7Group16(a, aStride, f, fStride, t, tStride, p, n);
  } else if (hasOffsets) {
    if (!kernel.hasFactors) wordsOffset32(a, aStride, f, fStride, t, tStride, p, n);
    else if (kernel.isDot32) bytes32Offset32(a, aStride, f, fStride, t, tStride, p, n);
    else bytes4Offset32(a, aStride, f, fStride, t, tStride, p, n);
  } else if (!kernel.hasFactors) {
    if (group == 32) wordsGroup32(a, aStride, f, fStride, t, tStride, p, n);
    else if (group == 64) wordsGroup64(a, aStride, f, fStride, t, tStride, p, n);
    else wordsGroup128(a, aStride, f, fStride, t, tStride, p, n);
  } else if (kernel.isDot32) {
    if (group == 32) bytes32Group32(a, aStride, f, fStride, t, tStride, p, n);
    else if (group == 64) bytes32Group64(a, aStride, f, fStride, t, tStride, p, n);
    else bytes32Group128(a, aStride, f, fStride, t, tStride, p, n);
  } else if (kernel.vectors == 2) {
    if (group == 32) bytes7Group32(a, aStride, f, fStride, t, tStride, p, n);
    else if (group == 64) bytes7Group64(a, aStride, f, fStride, t, tStride, p, n);
    else bytes7Group128(a, aStride, f, fStride, t, tStride, p, n);
  } else {
    if (group == 32) bytes4Group32(a, aStride, f, fStride, t, tStride, p, n);
    else if (group == 64) bytes4Group64(a, aStride, f, fStride, t, tStride, p, n);
    else bytes4Group128(a, aStride, f, fStride, t, tStride, p, n);
  }
}

function addPlanes(
  group: i32, hasOffsets: bool, a: usize, aStride: usize, f: usize, fStride: usize, t: usize, tStride: usize, p: usize, n: i32,
): void {
  if (hasOffsets) planesOffset32(a, aStride, f, fStride, t, tStride, p, n);
  else if (group == 32) planesGroup32(a, aStride, f, fStride, t, tStride, p, n);
  else if (group == 64) planesGroup64(a, aStride, f, fStride, t, tStride, p, n);
  else planesGroup128(a, aStride, f, fStride, t, tStride, p, n);
}

/** Four outputs of a block of eight inputs, as its steps multiply them; steps are `WIDE_VECTORS` vectors apart. */
// @ts-ignore: decorator
@inline
function unpackBlock<K>(to: usize, w: usize, mask: v128): void {
  const kernel = changetype<K>(0);
  const first = v128.load(w);
  v128.store(to, kernel.unpack0(first, mask));
  if (kernel.steps >= 2) v128.store(to, kernel.unpack1(first, mask), 64);
  if (kernel.steps == 4) {
    v128.store(to, kernel.unpack2(first, mask), 128);
    v128.store(to, kernel.unpack3(first, mask), 192);
  }
  if (kernel.vectors == 2) {
    const second = v128.load(w, 32);
    v128.store(to + kernel.steps * 64, kernel.unpack0(second, mask));
    if (kernel.steps == 2) v128.store(to, kernel.unpack1(second, mask), 192);
  }
}

/** The codes of WIDE_INPUTS inputs of two panels. */
// @ts-ignore: decorator
@inline
function unpackWhole<K>(w0: usize, w1: usize): void {
  const kernel = changetype<K>(0);
  if (kernel.bits == 6) unpackInt6Bytes(w0, w1);
  else if (kernel.vectors == 1) {
    if (kernel.steps == 2) unpackInt4Bytes(w0, w1);
    else unpackInt4Words(w0, w1);
  } else if (kernel.hasFactors) unpackInt7Bytes(w0, w1);
  else unpackInt8Words(w0, w1);
}

/** The codes of fewer inputs, and zeros. */
function unpackSome<K>(to: usize, w: usize, panelBytes: usize, blocks: i32): void {
  const kernel = changetype<K>(0), mask = kernel.mask(blocks);
  const blockBytes = kernel.vectors * 32, unpackedBytes = kernel.vectors * kernel.steps * 64;
  for (let block = 0; block < blocks; block++) {
    unpackBlock<K>(to, w, mask);
    unpackBlock<K>(to + 16, w + 16, mask);
    unpackBlock<K>(to + 32, w + panelBytes, mask);
    unpackBlock<K>(to + 48, w + panelBytes + 16, mask);
    to += unpackedBytes;
    w += blockBytes;
  }
  memory.fill(to, 0, <usize>(BLOCKS - blocks) * unpackedBytes);
}

/**
 * Weights, scales and zero points (or in their place offsets; units have a quarter of the scales' bytes, of 6-bit codes an eighth) of two panels and up to
 * BLOCKS blocks into the thread's area, with groups of `groupBlocks`. Tiles of bytes have one zero point for all: codes with zero
 * points of their own are moved to ONE_ZERO.
 */
// @ts-ignore: decorator
@inline
function unpackPanels<K>(
  area: usize, w: usize, panelBytes: usize, scale: usize, scaleBytes: usize, zeros: usize, zero: i32, offsets: usize, units: usize, blocks: i32, groups: i32,
  groupBlocks: i32,
): void {
  const kernel = changetype<K>(0), isMoved = kernel.isDot32 && zeros != 0;
  if (kernel.bits == 6 || blocks == BLOCKS) unpackWhole<K>(w, w + panelBytes);
  else unpackSome<K>(area + WIDE_WEIGHTS, w, panelBytes, blocks);
  const same = i32x4.splat(isMoved ? ONE_ZERO : zero);
  for (let g = 0; g < groups; g++) {
    for (let panel: usize = 0; panel < 2; panel++) {
      const to = area + <usize>g * 64 + panel * 32, place = panel * scaleBytes + <usize>g * groupScaleBytes<K>();
      const unit = units ? units + panel * (scaleBytes / (kernel.bits == 6 ? 8 : 4)) : 0;
      const scalesTo = to + (kernel.bits == 6 ? WIDE_SHORT_SCALES : WIDE_SCALES);
      v128.store(scalesTo, leftScalesOf<K>(scale + place, unit));
      v128.store(scalesTo, rightScalesOf<K>(scale + place, unit), 16);
      let low = same, high = same;
      if (kernel.mayHaveOffsets && (offsets || units)) {
        low = leftOffsetsOf<K>(offsets + place, scale + place, unit);
        high = rightOffsetsOf<K>(offsets + place, scale + place, unit);
      } else if (zeros) {
        const own = v128.load(zeros + place);
        if (isMoved) {
          moveCodes(area + WIDE_WEIGHTS + <usize>(g * groupBlocks) * 128 + panel * 32, own, groupBlocks);
        } else {
          low = i32x4.extend_low_i16x8_s(own);
          high = i32x4.extend_high_i16x8_s(own);
        }
      }
      v128.store(to, low, WIDE_ZEROS);
      v128.store(to, high, WIDE_ZEROS + 16);
    }
  }
  if (groups * groupBlocks < BLOCKS) {
    const none = area + <usize>groups * 64, bytes = <usize>(BLOCKS / groupBlocks - groups) * 64;
    memory.fill(none + WIDE_SCALES, 0, bytes);
    memory.fill(none + WIDE_ZEROS, 0, bytes);
  }
}

/** Unpacked codes of a panel and a group, whose zero points (i16 [8]) become ONE_ZERO; they stay below 32. */
function moveCodes(at: usize, zeros: v128, blocks: i32): void {
  const distance = i16x8.mul(i16x8.sub(i16x8.splat(ONE_ZERO), zeros), i16x8.splat(0x0101));
  const left = v128.shuffle<i16>(distance, distance, 0, 0, 1, 1, 2, 2, 3, 3);
  const right = v128.shuffle<i16>(distance, distance, 4, 4, 5, 5, 6, 6, 7, 7);
  // Of a block two steps.
  for (let step = 0; step < blocks * 2; step++) {
    v128.store(at, i8x16.add(v128.load(at), left));
    v128.store(at, i8x16.add(v128.load(at, 16), right), 16);
    at += 64;
  }
}

/** `bytes` of each of `tiles` records that lie `stride` apart, into records of `length`, zeros after them. */
function copyRecords(to: usize, from: usize, stride: usize, bytes: usize, length: usize, tiles: i32): void {
  for (let tile = 0; tile < tiles; tile++) {
    memory.copy(to, from, bytes);
    memory.fill(to + bytes, 0, length - bytes);
    to += length;
    from += stride;
  }
}

/** The product of the first `rows` rows, a multiple of four; operands as in codes.ts. `scratch` is that of all threads. */
export function multiplyWide<K>(
  scratch: usize, codes: usize, sums: usize, activationScales: usize, factors: usize, rows: i32, inputs: i32, group: i32,
  weights: usize, scales: usize, zeros: usize, zero: i32, offsets: usize, units: usize, bias: usize, outputs: i32, accumulate: i32, output: usize,
  outputStride: usize, rank: i32, size: i32,
): void {
  const kernel = changetype<K>(0);
  const panels = (outputs + 7) >> 3, blocks = (inputs + 7) >> 3, groups = (inputs + group - 1) / group;
  const chunks = groups * ((group + CHUNK_INPUTS - 1) / CHUNK_INPUTS);
  const blockGroups = WIDE_INPUTS / group, panelBytes = <usize>blocks * blockBytes<K>(), scaleBytes = <usize>groups * groupScaleBytes<K>();
  // Of a tile: its records, and what the inputs of one pass take of them.
  const codeStride = <usize>blocks * kernel.activationBytes * 4, sumStride = <usize>groups * 16;
  const factorStride = kernel.hasFactors ? <usize>chunks * 16 : sumStride;
  const codeBytes = <usize>BLOCKS * kernel.activationBytes * 4, sumBytes = <usize>blockGroups * 16;
  const factorBytes = kernel.hasFactors ? <usize>(WIDE_INPUTS / min(group, CHUNK_INPUTS)) * 16 : sumBytes;
  const area = areaOf(rank);
  scratch += <usize>rank * WIDE_SCRATCH_BYTES;
  const tailCodes = scratch + WIDE_TAIL_ADDRESS, tailFactors = tailCodes + codeBytes * WIDE_TILES;
  const tailSums = tailFactors + factorBytes * WIDE_TILES;
  const planes = scratch + WIDE_PLANES_ADDRESS;
  const begin = shareBegin(panels, rank, size), end = shareBegin(panels, rank + 1, size), pairs = (end - begin + 1) >> 1;
  const tailBlocks = blocks & (BLOCKS - 1);
  for (let row = 0; row < rows; row += WIDE_TILES * 4) {
    const tiles = min(WIDE_TILES, (rows - row) >> 2), tile = <usize>row >> 2;
    const a = codes + tile * codeStride, t = sums + tile * sumStride;
    const f = (kernel.hasFactors ? factors : activationScales) + tile * factorStride;
    if (tailBlocks) {
      // Beyond the last inputs are another tile's: zeros stand there for this.
      const block = blocks - tailBlocks, passes = <usize>(block / BLOCKS);
      const chunk = passes * factorBytes, sum = passes * sumBytes;
      copyRecords(tailCodes, a + passes * codeBytes, codeStride, codeStride - passes * codeBytes, codeBytes, tiles);
      copyRecords(tailFactors, f + chunk, factorStride, min(factorStride - chunk, factorBytes), factorBytes, tiles);
      copyRecords(tailSums, t + sum, sumStride, sumStride - sum, sumBytes, tiles);
    }
    // Many tiles: neighbouring panels, whose outputs fill cache lines, and as many pairs as let totals and activations stay in the second
    // cache. Few tiles wait for their weights, which come fastest as four long streams (see ROW_PANELS): two pairs of panels, all
    // a quarter of the share apart.
    const isFew = tiles < MANY_TILES;
    const apart = isFew ? pairs : 1, step = isFew ? 1 : 2;
    const runs = isFew ? (pairs + 1) >> 1 : pairs, together = isFew ? 1 : WIDE_PAIRS;
    for (let first = 0; first < runs; first += together) {
      const last = min(first + together, runs);
      memory.fill(scratch, 0, <usize>(isFew ? 2 : last - first) * tiles * TILE_BYTES);
      for (let block = 0; block < blocks; block += BLOCKS) {
        const pass = <usize>(block / BLOCKS), left = min(BLOCKS, blocks - block), g = <i32>pass * blockGroups;
        if (kernel.hasPlanes) {
          for (let tile: usize = 0; tile < <usize>tiles; tile++) {
            storePlanes(planes + tile * codeBytes, left == BLOCKS ? a + pass * codeBytes + tile * codeStride : tailCodes + tile * codeBytes);
          }
        }
        let totals = scratch;
        for (let pair = first; pair < pairs; pair = nextPair(pair, last, runs, isFew)) {
          const panel = begin + pair * step;
          // A last panel without a partner stands for both; the second is not written.
          const partner = <usize>(panel + apart < end ? apart : 0), scale = scales + <usize>panel * scaleBytes + <usize>g * groupScaleBytes<K>();
          const zeroRow = ofPanel(zeros, panel, groups), offsetRow = ofPanel(offsets, panel, groups), unitRow = unitsOf<K>(units, panel, inputs);
          unpackPanels<K>(
            area, weights + <usize>panel * panelBytes + <usize>block * blockBytes<K>(), partner * panelBytes, scale,
            partner * scaleBytes, zeroRow ? zeroRow + <usize>g * 16 : 0, zero,
            offsetRow ? offsetRow + <usize>g * 16 : 0, unitRow ? unitRow + <usize>(block / UNIT_BLOCKS) * 2 * groupScaleBytes<K>() : 0, left,
            min(blockGroups, groups - g), group >> 3,
          );
          if (left == BLOCKS) {
            addTiles<K>(
              group, (offsets | units) != 0, kernel.hasPlanes ? planes : a + pass * codeBytes, kernel.hasPlanes ? codeBytes : codeStride,
              f + pass * factorBytes, factorStride, t + pass * sumBytes, sumStride, totals, tiles,
            );
          } else addTiles<K>(group, (offsets | units) != 0, kernel.hasPlanes ? planes : tailCodes, codeBytes, tailFactors, factorBytes, tailSums, sumBytes, totals, tiles);
          totals += TILE_BYTES * tiles;
        }
      }
      // Row by row: neighbouring panels fill neighbouring cache lines.
      for (let tile = 0; tile < tiles; tile++) {
        const rowScales = v128.load(activationScales + <usize>(row + tile * 4) * 4);
        const to = output + <usize>(row + tile * 4) * outputStride;
        let totals = scratch + <usize>tile * TILE_BYTES;
        for (let pair = first; pair < pairs; pair = nextPair(pair, last, runs, isFew)) {
          const panel = begin + pair * step;
          storeTile<K>(to, outputStride, panel, bias, accumulate, outputs, totals, rowScales);
          if (panel + apart < end) {
            storeTile<K>(to, outputStride, panel + apart, bias, accumulate, outputs, totals + 32, rowScales);
          }
          totals += TILE_BYTES * tiles;
        }
      }
    }
  }
}

/** The pair after `pair` of those that pass together: the neighbour, or of few tiles the one `runs` on. */
// @ts-ignore: decorator
@inline
function nextPair(pair: i32, last: i32, runs: i32, isFew: bool): i32 {
  if (isFew) return pair < runs ? pair + runs : i32.MAX_VALUE;
  return pair + 1 < last ? pair + 1 : i32.MAX_VALUE;
}

/** One panel of four rows. */
// @ts-ignore: decorator
@inline
function storeTile<K>(
  rows: usize, stride: usize, panel: i32, bias: usize, accumulate: i32, outputs: i32, totals: usize, rowScales: v128,
): void {
  storeRow<K>(rows, panel, bias, accumulate, outputs, totals, lane0(rowScales));
  storeRow<K>(rows + stride, panel, bias, accumulate, outputs, totals + 64, lane1(rowScales));
  storeRow<K>(rows + 2 * stride, panel, bias, accumulate, outputs, totals + 128, lane2(rowScales));
  storeRow<K>(rows + 3 * stride, panel, bias, accumulate, outputs, totals + 192, lane3(rowScales));
}

/** One panel of one row. */
function storeRow<K>(
  row: usize, panel: i32, bias: usize, accumulate: i32, outputs: i32, totals: usize, rowScale: v128,
): void {
  storePanel(
    row + <usize>panel * 32, biasOf(bias, panel), accumulate, outputs - panel * 8, endRow<K>(v128.load(totals), rowScale),
    endRow<K>(v128.load(totals, 16), rowScale),
  );
}
