/**
 * Reading the command: words of four bytes, the operation's number first.
 */
import { COMMAND_ADDRESS } from "../shared/layout";

/** A whole number. */
// @ts-ignore: decorator
@inline
export function count(word: usize): i32 {
  return load<i32>(<usize>COMMAND_ADDRESS + word * 4);
}

/** An address, or a number of bytes. */
// @ts-ignore: decorator
@inline
export function address(word: usize): usize {
  return <usize>load<u32>(<usize>COMMAND_ADDRESS + word * 4);
}

// @ts-ignore: decorator
@inline
export function real(word: usize): f32 {
  return load<f32>(<usize>COMMAND_ADDRESS + word * 4);
}
