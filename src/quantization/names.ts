/**
 * What files call modules; elsewhere they have the names of this library.
 *
 * @module
 */
import { moduleOf } from "../formats/names.ts";
import type { Linear } from "../weights/linear.ts";

/** A module's name as the file has it. */
export function nameInFile({ stored: { tensors, bias } }: Linear): string {
  return moduleOf(tensors.find((tensor) => tensor !== bias)!.name);
}
