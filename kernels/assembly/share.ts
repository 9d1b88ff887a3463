/**
 * How the threads share the units of an operation.
 */

/** First unit of `rank`'s share when `count` units are dealt to `size` threads in contiguous runs. */
// @ts-ignore: decorator
@inline
export function shareBegin(count: i32, rank: i32, size: i32): i32 {
  return <i32>(<i64>count * rank / size);
}
