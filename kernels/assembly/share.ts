/**
 * How the threads share the units of an operation.
 */
import { NEXT_SHARE_ADDRESS } from "../shared/layout";

/** First unit of `rank`'s share when `count` units are dealt to `size` threads in contiguous runs. */
// @ts-ignore: decorator
@inline
export function shareBegin(count: i32, rank: i32, size: i32): i32 {
  return <i32>(<i64>count * rank / size);
}

/** Shares for each thread of an operation whose shares go to whoever is free. */
const SHARES_EACH = 8;

/**
 * How many shares such an operation has. They are for work during which the system holds threads up: while a model loads, one core also
 * reads the next window of its file, and fresh pages do not cost all threads the same.
 */
// @ts-ignore: decorator
@inline
export function sharesOf(size: i32): i32 {
  return size > 1 ? size * SHARES_EACH : 1;
}

/** The next share that nobody has taken. */
// @ts-ignore: decorator
@inline
export function takeShare(): i32 {
  if (ASC_FEATURE_THREADS) return atomic.add<i32>(NEXT_SHARE_ADDRESS, 1);
  const share = load<i32>(NEXT_SHARE_ADDRESS);
  store<i32>(NEXT_SHARE_ADDRESS, share + 1);
  return share;
}

/** Of the leading thread, before each operation. */
// @ts-ignore: decorator
@inline
export function beginShares(): void {
  store<i32>(NEXT_SHARE_ADDRESS, 0);
}
