/**
 * Taking memory from the operating system, which gives it page by page when it is first written.
 */
import { shareBegin } from "../share";

/** The smallest page of any system we know. */
const PAGE_BYTES: usize = 4096;

/** Writes a zero into every page of the array, whose contents nobody needs yet. */
export function touch(bytes: usize, target: usize, rank: i32, size: i32): void {
  const pages = <i32>((bytes + PAGE_BYTES - 1) / PAGE_BYTES);
  const end = shareBegin(pages, rank + 1, size);
  for (let page = shareBegin(pages, rank, size); page < end; page++) {
    store<u8>(target + <usize>page * PAGE_BYTES, 0);
  }
}
