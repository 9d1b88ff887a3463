/**
 * Inputs in another order than their own ("act-order"): quantisers visit important channels first, and a group index tells to
 * which group each channel belongs. Kernels want each group's inputs side by side.
 *
 * @module
 */
import { printable } from "../core/errors.ts";
import { GROUPS_SHARE_MAX } from "../core/limits.ts";
import { BLOCK_INPUTS, GROUP_INPUTS_MAX } from "../../kernels/shared/layout.ts";
import type { TensorEntry } from "./containers/safetensors.ts";
import type { InputOrder } from "./stored_linear.ts";
import { badTensor } from "./tensor_checks.ts";

/** What an index is read with. */
export interface OrderSettings {
  groups: number;
  /** Inputs of a group where the order is trivial. */
  groupSize: number;
  /** The index, for messages. */
  entry: TensorEntry;
  onNotice?(text: string): void;
}

/**
 * Sorts inputs by their groups; groups are padded to one length.
 *
 * @param index The group of each input.
 * @returns `undefined` when the index says nothing that input / group size does not: tools write trivial indices, and configs
 * claim act-order where there is none. One of zeros alone, where there are several groups, is none: no tool puts all inputs into one
 * group and writes scales for the others.
 * @throws {RemoraError} `BAD_TENSOR`, naming the first group that does not exist, or the length of one that would make all too long.
 */
export function orderByGroup(
  index: ArrayLike<number>,
  { groups, groupSize, entry, onNotice }: OrderSettings,
): InputOrder | undefined {
  const groupOf = Array.from(index);
  const wrong = groupOf.find((group) => group < 0 || group >= groups);
  if (wrong !== undefined) throw badTensor(entry, `groups 0 to ${groups - 1}`, `${wrong}`);
  if (groupOf.every((group, input) => group === Math.floor(input / groupSize))) return undefined;
  if (groups > 1 && groupOf.every((group) => group === 0)) {
    onNotice?.(
      `"${printable(entry.name)}" in ${
        printable(entry.file)
      } is not used: all zeros, though there are ${groups} groups`,
    );
    return undefined;
  }

  const members: number[][] = Array.from({ length: groups }, () => []);
  groupOf.forEach((group, input) => members[group].push(input));
  const longest = Math.max(...members.map((inputs) => inputs.length));
  const most = Math.floor(GROUPS_SHARE_MAX * groupOf.length / groups);
  if (longest > most) {
    throw badTensor(entry, `at most ${most} inputs in one of ${groups} groups`, `${longest}`);
  }
  const split = Math.ceil(longest / GROUP_INPUTS_MAX);
  const group = Math.ceil(longest / split / BLOCK_INPUTS) * BLOCK_INPUTS;
  const indices = new Int32Array(groups * split * group).fill(-1);
  members.forEach((inputs, g) => indices.set(inputs, g * split * group));
  return { indices, group, split };
}
