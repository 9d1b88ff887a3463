/**
 * The lockstep of threads over one memory.
 *
 * The leading thread (the host's own) writes an operation with its arguments into the command, raises SEQUENCE, does its own
 * share, and waits until DONE says that all workers did theirs. A worker waits for SEQUENCE to move, does its share, adds to
 * DONE. Both look first (a share takes microseconds), then sleep. A single thread has nobody to meet.
 */
import {
  COMMAND_ADDRESS, DONE_ADDRESS, FAILED_ADDRESS, LEADER_ASLEEP_ADDRESS, LEADER_NAPS_ADDRESS, LEADER_PATIENCE_ADDRESS,
  SEQUENCE_ADDRESS, SLEEPERS_ADDRESS,
} from "../shared/layout";
import { execute, OPERATION_EXIT, OPERATION_MOVE } from "./dispatch";
import { beginShares } from "./share";

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
/** The sleeping leading thread looks this often (nanoseconds) whether a worker has failed. */
const LEADER_NAP_NS: i64 = 20_000_000;

/** How often to look next time, after `looks` looks and the `naps`-th nap if they were not enough. */
// @ts-ignore: decorator
@inline
function nextPatience(patience: i32, looks: i32, naps: i32): i32 {
  if (looks < patience) return min(patience * 2, LOOKS_MAX);
  return naps % NAPS_BETWEEN == 0 ? LOOKS_AGAIN : max(patience / 2, LOOKS_MIN);
}

/**
 * Of the leading thread: runs the operation in the command on all `size` threads and returns when all are done: 1, or 0 when a
 * worker has failed.
 */
export function run(size: i32): i32 {
  if (size > 1) release();
  else beginShares();
  return finish(size);
}

/** Of the leading thread: what is left of the operation that was released. */
export function finish(size: i32): i32 {
  execute(0, size);
  if (ASC_FEATURE_THREADS && size > 1) {
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

/** Of the leading thread: hands the command to the workers without waiting for them. */
export function release(): void {
  beginShares();
  if (ASC_FEATURE_THREADS) {
    atomic.store<i32>(DONE_ADDRESS, 0);
    atomic.add<i32>(SEQUENCE_ADDRESS, 1);
    // A worker counts itself asleep before it compares SEQUENCE; either it sees the new value or we see it asleep.
    if (atomic.load<i32>(SLEEPERS_ADDRESS)) atomic.notify(SEQUENCE_ADDRESS, -1);
  }
}

/**
 * Of a worker: does its share of every command after the first `seen` ones, until told to exit or to go to another memory.
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
      if (operation == OPERATION_EXIT) return -1;
      if (operation == OPERATION_MOVE) return load<i32>(COMMAND_ADDRESS + 4);
      execute(rank, size);
      atomic.add<i32>(DONE_ADDRESS, 1);
      if (atomic.load<i32>(LEADER_ASLEEP_ADDRESS)) atomic.notify(DONE_ADDRESS, 1);
    }
  }
  return -1;
}
