/**
 * Inputs in another order than their own ("act-order"): quantisers visit important channels first, and a group index tells to
 * which group each channel belongs. Kernels want each group's inputs side by side.
 *
 * @module
 */
import { BLOCK_INPUTS, GROUP_INPUTS_MAX } from "../../kernels/shared/layout.ts";
import type { TensorEntry } from "./containers/safetensors.ts";
import type { InputOrder } from "./stored_linear.ts";
import { badTensor } from "./tensor_checks.ts";

/**
 * Sorts inputs by their groups; groups are padded to one length.
 *
 * @param index The group of each input.
 * @param groupSize Inputs of a group where the order is trivial.
 * @returns `undefined` when the index says nothing that input / group size does not: tools write trivial indices, and configs
 * claim act-order where there is none.
 * @throws {RemoraError} `BAD_TENSOR`, naming the first group that does not exist.
 */
export function orderByGroup(
  index: Int32Array,
  groups: number,
  groupSize: number,
  entry: TensorEntry,
): InputOrder | undefined {
  const wrong = index.find((group) => group < 0 || group >= groups);
  if (wrong !== undefined) throw badTensor(entry, `groups 0 to ${groups - 1}`, `${wrong}`);
  if (index.every((group, input) => group === Math.floor(input / groupSize))) return undefined;

  const members: number[][] = Array.from({ length: groups }, () => []);
  index.forEach((group, input) => members[group].push(input));
  const longest = Math.max(...members.map((inputs) => inputs.length));
  const split = Math.ceil(longest / GROUP_INPUTS_MAX);
  const group = Math.ceil(longest / split / BLOCK_INPUTS) * BLOCK_INPUTS;
  const indices = new Int32Array(groups * split * group).fill(-1);
  members.forEach((inputs, g) => indices.set(inputs, g * split * group));
  return { indices, group, split };
}
