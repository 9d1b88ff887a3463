/**
 * README.md of a quantised model: what it is made of, how, and how it is used.
 *
 * @module
 */
import { printable } from "../core/errors.ts";
import type { QuantizedSettings } from "../formats/coded/settings.ts";
import type { ChosenQuantization } from "./options.ts";

/** What the card tells. */
export interface CardSettings extends ChosenQuantization {
  /** Tokens of the calibration. */
  readonly tokens: number;
  /** What it is called. */
  readonly calibration?: string;
  readonly looksAtPictures: boolean;
}

/** The card of a model that was converted. */
export function convertedCard(
  label: string | undefined,
  from: string,
  to: string,
  { bits, groupSize }: QuantizedSettings,
): string {
  const name = printable(label ?? "a model");
  const groups = groupSize === -1 ? "a scale for each output" : `in groups of ${groupSize}`;
  return `# ${name.split("/").at(-1)}, as ${to}

${name}, converted from ${from} by remora: the same codes, scales and zero points, ${bits} bits, ${groups}.
The licence is that of the model it is made of.
`;
}

/** @param label What the dense model is called. */
export function modelCard(label: string | undefined, settings: CardSettings): string {
  const { bits, group, isSymmetric, actOrder, method, damp, sequenceLength, tokens, calibration } = settings;
  const quantised = settings.looksAtPictures
    ? "linear layers of the decoder that see text alone; those that look at pictures, the vision tower, embedding, norms and head are as they were"
    : "all linear layers of the decoder; embedding, norms and head are as they were";
  const name = printable(label ?? "a model");
  const how = method === "rtn"
    ? "each weight rounded to the nearest code"
    : `GPTQ (arXiv 2210.17323) towards the products of the unquantised model (arXiv 2504.02692), damping ${damp}, ` +
      (actOrder ? "act-order" : "groups by activation (arXiv 2505.14638)");
  const by = tokens === 0
    ? "none"
    : `${tokens} tokens in sequences of ${sequenceLength}${
      calibration ? ` of ${printable(calibration)}` : ""
    }`;
  return `---
library_name: transformers
tags:
- gptq
- ${bits}-bit
---

# ${name.split("/").at(-1)}, ${bits} bit

|             |                                                                          |
| ----------- | ------------------------------------------------------------------------ |
| made of     | ${name} |
| format      | GPTQ v1, int32 words |
| bits        | ${bits} |
| group size  | ${group} |
| zero points | ${isSymmetric ? "the middle code" : "of each group"} |
| rounding    | ${how} |
| calibration | ${by} |
| quantised   | ${quantised} |

Made with remora. The licence is that of the model it is made of.
`;
}
