/**
 * What files call modules; elsewhere they have the names of this library.
 *
 * @module
 */
import type { Linear } from "../weights/linear.ts";

/** A module's name as the file has it. */
export function nameInFile({ stored: { tensors, bias } }: Linear): string {
  const { name } = tensors.find((tensor) => tensor !== bias)!;
  return name.slice(0, name.lastIndexOf("."));
}
