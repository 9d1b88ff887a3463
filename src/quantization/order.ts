/**
 * In which order the inputs of a layer are rounded: those that count most first, while there are others left to make up for their errors.
 *
 * @module
 */
import { naturalOrder } from "./round.ts";

/**
 * - "natural": as they lie.
 * - "groups": groups by their largest input, and inputs within a group by theirs; groups stay together, and files have no index (Gafni et
 *   al. 2025, arXiv 2505.14638).
 * - "activations": all by themselves; files have an index of groups (act-order).
 */
export type OrderRule = "natural" | "groups" | "activations";

/** @param diagonal Of H: the sum of the squares of each input. */
export function orderOf(rule: OrderRule, diagonal: Float32Array, group: number): Uint32Array {
  const natural = naturalOrder(diagonal.length);
  // The order is stable: equal inputs stay as they lie.
  const falling = (a: number, b: number) => diagonal[b] - diagonal[a] || a - b;
  if (rule === "natural") return natural;
  if (rule === "activations") return natural.sort(falling);
  const groups = Array.from(
    { length: diagonal.length / group },
    (_, g) => natural.slice(g * group, (g + 1) * group).sort(falling),
  );
  groups.sort(([a], [b]) => falling(a, b));
  const order = new Uint32Array(diagonal.length);
  groups.forEach((inputs, place) => order.set(inputs, place * group));
  return order;
}
