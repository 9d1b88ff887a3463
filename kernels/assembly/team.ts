/**
 * Lockstep of a team of threads over one memory.
 *
 * The leader (the host's own thread) writes an operation with its arguments into the command, raises SEQUENCE, does its
 * own share, and waits until DONE says that all workers did theirs. A worker waits for SEQUENCE to move, does its share,
 * adds to DONE. Both spin first (a share takes microseconds), then sleep. A team of one has nobody to meet.
 */
import {
  COMMAND_ADDRESS, DONE_ADDRESS, FAILED_ADDRESS, KIND_F32, KIND_INT8, LEADER_ASLEEP_ADDRESS, LEADER_NAPS_ADDRESS, LEADER_PATIENCE_ADDRESS,
  PRODUCT_WORDS, PRODUCTS_WORD, SEQUENCE_ADDRESS, SLEEPERS_ADDRESS,
} from "../shared/layout";
import * as Operation from "../shared/operations";
import { attention, rope, ropeTable, storeKeysValues } from "./attention";
import { attentionCoded, storeCodedKeysValues } from "./attention_coded";
import { attentionWeights } from "./attention_weights";
import { checksum } from "./checksum";
import {
  gptqToMarlin, marlinPermuteScales, marlinToGptq, marlinToPanels, packMarlinScales, unpackCodes,
} from "./marlin";
import { matmulCodes } from "./matmul_codes";
import { matmulDense, matmulInt4Exact, matmulInt8Exact } from "./matmul_exact";
import {
  packDense, packDenseCodes, packInt4, packInt4Gathered, packInt8Gathered, packScales, packZeros, widen,
} from "./pack";
import {
  activation, addScaled, embed, gatedActivation, gatherColumns, layerNorm, quantize, rmsNorm, softmax, spreadColumns,
} from "./rows";
import { touch } from "./touch";

/**
 * How often a thread looks at a flag before it sleeps. Waking costs some 50 µs, a share takes microseconds: with a core for
 * every thread, looking for long is best (200,000 looks, 0.2 ms: 226 tokens per second against 86 with 10,000, 135M model,
 * two threads). Without, whoever looks takes the core from the one it waits for (8 tokens per second). So each thread halves
 * its patience when it had to sleep, and doubles it when it had not. Two threads that both sleep let each other wait too long for
 * little patience ever to suffice (a third of all starts stayed there: 13 GB/s of single rows instead of 33), so every now and
 * then a sleeper tries with more.
 */
const LOOKS_MAX = 200_000;
const LOOKS_MIN = 1_000;
const LOOKS_AGAIN = 50_000;
const NAPS_BETWEEN = 64;
/** A sleeping leader looks this often (nanoseconds) whether a worker has failed. */
const LEADER_NAP_NS: i64 = 20_000_000;

/** How often to look next time, after `looks` looks and the `naps`-th nap if they were not enough. */
// @ts-ignore: decorator
@inline
function nextPatience(patience: i32, looks: i32, naps: i32): i32 {
  if (looks < patience) return min(patience * 2, LOOKS_MAX);
  return naps % NAPS_BETWEEN == 0 ? LOOKS_AGAIN : max(patience / 2, LOOKS_MIN);
}

// @ts-ignore: decorator
@inline
function word(index: usize): i32 {
  return load<i32>(COMMAND_ADDRESS + 4 + index * 4);
}

// @ts-ignore: decorator
@inline
function at(index: usize): usize {
  return <usize>load<u32>(COMMAND_ADDRESS + 4 + index * 4);
}

// @ts-ignore: decorator
@inline
function real(index: usize): f32 {
  return load<f32>(COMMAND_ADDRESS + 4 + index * 4);
}

/** Attention over keys and values of the kind that the command names first. */
function runAttention(rank: i32, size: i32): void {
  const kind = word(0);
  if (kind == KIND_F32) {
    attention(
      at(1), at(2), at(3), at(4), word(5), word(6), word(7), word(8), word(9), word(10), real(11), word(12), at(13), at(14),
      at(15), at(16), rank, size,
    );
  } else if (kind == KIND_INT8) {
    attentionCoded<i8>(
      at(1), at(2), at(3), at(4), word(5), word(6), word(7), word(8), word(9), word(10), real(11), word(12), at(13), at(14),
      at(15), at(16), rank, size,
    );
  } else {
    attentionCoded<i16>(
      at(1), at(2), at(3), at(4), word(5), word(6), word(7), word(8), word(9), word(10), real(11), word(12), at(13), at(14),
      at(15), at(16), rank, size,
    );
  }
}

/** Products of the same activations, one after the other: nobody waits between them. */
function runProducts(rank: i32, size: i32): void {
  for (let i = 0, n = PRODUCTS_WORD; i < word(9); i++, n += PRODUCT_WORDS) {
    matmulCodes(
      word(0), word(1), at(2), at(3), at(4), at(n), at(n + 1), at(n + 2), word(n + 3), at(n + 4), at(n + 5), at(n + 6), word(5),
      word(n + 7), word(6), word(7), word(n + 8), word(8), rank, size,
    );
  }
}

/** One thread's share of the operation in the command. */
function execute(rank: i32, size: i32): void {
  switch (load<i32>(COMMAND_ADDRESS)) {
    case Operation.OP_PACK_INT4:
      packInt4(at(0), at(1), word(2), word(3), word(4), word(5), rank, size);
      break;
    case Operation.OP_PACK_INT4_GATHERED:
      packInt4Gathered(at(0), at(1), at(2), word(3), word(4), rank, size);
      break;
    case Operation.OP_PACK_INT8_GATHERED:
      packInt8Gathered(at(0), at(1), at(2), word(3), word(4), rank, size);
      break;
    case Operation.OP_PACK_SCALES:
      packScales(at(0), word(1), at(2), word(3), word(4), word(5), rank, size);
      break;
    case Operation.OP_PACK_ZEROS:
      packZeros(at(0), word(1), word(2), at(3), word(4), word(5), word(6), rank, size);
      break;
    case Operation.OP_PACK_DENSE:
      packDense(at(0), word(1), at(2), word(3), word(4), word(5), rank, size);
      break;
    case Operation.OP_PACK_DENSE_CODES:
      packDenseCodes(at(0), word(1), word(2), at(3), at(4), word(5), word(6), word(7), word(8), rank, size);
      break;
    case Operation.OP_WIDEN:
      widen(at(0), word(1), at(2), word(3), real(4), rank, size);
      break;
    case Operation.OP_EMBED:
      embed(at(0), word(1), at(2), at(3), at(4), real(5), word(6), at(7), word(8), word(9), real(10), rank, size);
      break;
    case Operation.OP_RMS_NORM:
      rmsNorm(at(0), at(1), at(2), at(3), at(4), word(5), word(6), word(7), real(8), rank, size);
      break;
    case Operation.OP_GATHER_COLUMNS:
      gatherColumns(at(0), at(1), at(2), at(3), word(4), word(5), rank, size);
      break;
    case Operation.OP_QUANTIZE:
      quantize(at(0), at(1), at(2), at(3), at(4), word(5), word(6), word(7), word(8), rank, size);
      break;
    case Operation.OP_MATMUL_CODES:
      runProducts(rank, size);
      break;
    case Operation.OP_MATMUL_INT4_EXACT:
      matmulInt4Exact(
        at(0), at(1), at(2), at(3), at(4), real(5), at(6), at(7), at(8), word(9), word(10), word(11), word(12), word(13),
        rank, size,
      );
      break;
    case Operation.OP_MATMUL_INT8_EXACT:
      matmulInt8Exact(
        at(0), at(1), at(2), at(3), at(4), real(5), at(6), at(7), at(8), word(9), word(10), word(11), word(12), word(13),
        rank, size,
      );
      break;
    case Operation.OP_MATMUL_DENSE:
      matmulDense(
        word(0), at(1), at(2), at(3), at(4), at(5), at(6), word(7), word(8), word(9), word(10), rank, size,
      );
      break;
    case Operation.OP_ROPE_TABLE:
      ropeTable(at(0), word(1), at(2), word(3), word(4), real(5), rank, size);
      break;
    case Operation.OP_ROPE:
      rope(at(0), at(1), at(2), word(3), word(4), word(5), word(6), rank, size);
      break;
    case Operation.OP_STORE_KEYS_VALUES:
      if (word(0) == KIND_F32) {
        storeKeysValues(at(1), at(2), at(3), at(4), at(5), word(6), word(7), word(8), word(9), rank, size);
      } else {
        storeCodedKeysValues(
          word(0), at(1), at(2), at(3), at(4), at(5), word(6), word(7), word(8), word(9), rank, size,
        );
      }
      break;
    case Operation.OP_ATTENTION:
      runAttention(rank, size);
      break;
    case Operation.OP_GATED_ACTIVATION:
      gatedActivation(word(0), at(1), at(2), at(3), at(4), at(5), at(6), word(7), word(8), rank, size);
      break;
    case Operation.OP_ADD_SCALED:
      addScaled(at(0), at(1), at(2), word(3), at(4), word(5), word(6), real(7), rank, size);
      break;
    case Operation.OP_SOFTMAX:
      softmax(at(0), word(1), word(2), rank, size);
      break;
    case Operation.OP_LAYER_NORM:
      layerNorm(at(0), at(1), at(2), at(3), at(4), at(5), word(6), word(7), real(8), rank, size);
      break;
    case Operation.OP_ACTIVATION:
      activation(word(0), at(1), word(2), word(3), rank, size);
      break;
    case Operation.OP_SPREAD_COLUMNS:
      spreadColumns(at(0), at(1), at(2), at(3), word(4), word(5), word(6), rank, size);
      break;
    case Operation.OP_GPTQ_TO_MARLIN:
      gptqToMarlin(at(0), at(1), at(2), word(3), word(4), word(5), rank, size);
      break;
    case Operation.OP_MARLIN_TO_GPTQ:
      marlinToGptq(at(0), at(1), at(2), word(3), word(4), word(5), rank, size);
      break;
    case Operation.OP_MARLIN_TO_PANELS:
      marlinToPanels(at(0), at(1), at(2), word(3), word(4), word(5), rank, size);
      break;
    case Operation.OP_MARLIN_PERMUTE_SCALES:
      marlinPermuteScales(at(0), at(1), word(2), word(3), rank, size);
      break;
    case Operation.OP_PACK_MARLIN_SCALES:
      packMarlinScales(at(0), word(1), at(2), word(3), word(4), word(5), word(6), rank, size);
      break;
    case Operation.OP_UNPACK_CODES:
      unpackCodes(at(0), at(1), word(2), word(3), word(4), rank, size);
      break;
    case Operation.OP_ATTENTION_WEIGHTS:
      attentionWeights(word(0), at(1), at(2), at(3), word(4), word(5), word(6), word(7), real(8), at(9), rank, size);
      break;
    case Operation.OP_CHECKSUM:
      checksum(at(0), word(1), at(2), rank, size);
      break;
    case Operation.OP_TOUCH:
      touch(at(0), word(1), rank, size);
      break;
    default:
      unreachable();
  }
}

/**
 * Leader: runs the operation in the command on all `size` threads and returns when all are done: 1, or 0 when a worker
 * has failed.
 */
export function run(size: i32): i32 {
  if (!ASC_FEATURE_THREADS || size == 1) {
    execute(0, 1);
    return 1;
  }
  if (ASC_FEATURE_THREADS) {
    release();
    execute(0, size);
    let looks = 0;
    const patience = max(load<i32>(LEADER_PATIENCE_ADDRESS), LOOKS_MIN);
    while (true) {
      const done = atomic.load<i32>(DONE_ADDRESS);
      if (done == size - 1) {
        const naps = load<i32>(LEADER_NAPS_ADDRESS) + i32(looks >= patience);
        store<i32>(LEADER_NAPS_ADDRESS, naps);
        store<i32>(LEADER_PATIENCE_ADDRESS, nextPatience(patience, looks, naps));
        return 1;
      }
      if (atomic.load<i32>(FAILED_ADDRESS)) return 0;
      if (++looks < patience) continue;
      atomic.store<i32>(LEADER_ASLEEP_ADDRESS, 1);
      atomic.wait<i32>(DONE_ADDRESS, done, LEADER_NAP_NS);
      atomic.store<i32>(LEADER_ASLEEP_ADDRESS, 0);
    }
  }
  return 1;
}

/** Leader: hands the command to the workers without waiting for them (used by `run`, and to send them home). */
export function release(): void {
  if (ASC_FEATURE_THREADS) {
    atomic.store<i32>(DONE_ADDRESS, 0);
    atomic.add<i32>(SEQUENCE_ADDRESS, 1);
    // A worker counts itself asleep before it compares SEQUENCE; either it sees the new value or we see it asleep.
    if (atomic.load<i32>(SLEEPERS_ADDRESS)) atomic.notify(SEQUENCE_ADDRESS, -1);
  }
}

/**
 * Worker: does its share of every command behind the first `seen` ones, until told to exit or to go to another memory.
 *
 * @returns The number of the memory to go to, or −1: exit.
 */
export function serve(rank: i32, size: i32, seen: i32): i32 {
  if (ASC_FEATURE_THREADS) {
    let patience = LOOKS_AGAIN, naps = 0;
    while (true) {
      let looks = 0;
      while (atomic.load<i32>(SEQUENCE_ADDRESS) == seen) {
        if (++looks < patience) continue;
        atomic.add<i32>(SLEEPERS_ADDRESS, 1);
        atomic.wait<i32>(SEQUENCE_ADDRESS, seen, -1);
        atomic.sub<i32>(SLEEPERS_ADDRESS, 1);
      }
      if (looks >= patience) naps++;
      patience = nextPatience(patience, looks, naps);
      seen++;
      const operation = load<i32>(COMMAND_ADDRESS);
      if (operation == Operation.OP_EXIT) return -1;
      if (operation == Operation.OP_MOVE) return load<i32>(COMMAND_ADDRESS + 4);
      execute(rank, size);
      atomic.add<i32>(DONE_ADDRESS, 1);
      if (atomic.load<i32>(LEADER_ASLEEP_ADDRESS)) atomic.notify(DONE_ADDRESS, 1);
    }
  }
  return -1;
}
