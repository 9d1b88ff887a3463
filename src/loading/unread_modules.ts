/**
 * What a file has and nothing asks for: layers beyond `num_hidden_layers`, scales of a key/value cache, the weights of another head.
 *
 * @module
 */
import { printable } from "../core/errors.ts";
import type { Checkpoint } from "../formats/containers/checkpoint.ts";
import { moduleOf } from "../formats/names.ts";
import type { WeightPlan } from "../weights/plan.ts";

/**
 * Tensors that say nothing a config does not say: tables of positions, which older tools saved with their models (GGUF's are read with the
 * config), and a head that is the embedding.
 */
const REDUNDANT = /(^|\.)(inv_freq|position_ids|masked_bias)$|^rope_(freqs|factors_\w+)\.weight$|^lm_head\./;

/** One line about modules of which no tensor is read; `undefined` where there are none. Placeholders without elements do not count. */
export function noticeOfUnread(plan: WeightPlan, { tensors }: Checkpoint): string | undefined {
  const read = new Set([...plan.storedTensors()].map(({ name }) => moduleOf(name)));
  const unread = new Set<string>();
  for (const [name, { name: stored, shape }] of tensors) {
    const module = moduleOf(stored);
    if (!read.has(module) && !shape.includes(0) && !REDUNDANT.test(name)) unread.add(module || stored);
  }
  const [first, ...others] = unread;
  if (first === undefined) return undefined;
  const more = others.length > 0 ? ` and ${others.length} more modules` : "";
  return `the file has "${
    printable(first)
  }"${more}, which are not used: config.json describes a model without ` +
    "them (are num_hidden_layers and the like right?)";
}
