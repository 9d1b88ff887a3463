/**
 * Counting values that are no numbers.
 */
import { RESULT_ADDRESS } from "../../shared/layout";

/** Adds what one thread counted to the count of all, at RESULT_ADDRESS. */
// @ts-ignore: decorator
@inline
export function reportNonFinite(count: i32): void {
  if (!count) return;
  if (ASC_FEATURE_THREADS) atomic.add<i32>(RESULT_ADDRESS, count);
  else store<i32>(RESULT_ADDRESS, load<i32>(RESULT_ADDRESS) + count);
}
