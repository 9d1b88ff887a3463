/**
 * Modules that tools spell in more than one way: the newer names of transformers, those of published files, decoders inside of
 * larger models and alone.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { Checkpoint } from "./containers/checkpoint.ts";
import type { QuantizationConfig } from "./quantization.ts";
import type { TensorEntry } from "./containers/safetensors.ts";

/** Pairs of prefixes that mean the same: another spelling, and the one that model code uses. */
export type Spellings = readonly (readonly [other: string, ours: string])[];

const EMBEDDING = "embed_tokens.";

/** The module that a tensor belongs to: its name without the last part, or nothing where it has one part. */
export function moduleOf(tensor: string): string {
  return tensor.slice(0, Math.max(0, tensor.lastIndexOf(".")));
}

/**
 * How a file spells a text model: names may begin without `model.` (a model saved without its head) or with the name of a wrapper
 * (`language_model.model.`). Told by where its embedding is.
 */
export function textModelSpellings(tensors: Iterable<string>): Spellings {
  const prefixes = new Set<string>();
  for (const name of tensors) {
    const at = name.indexOf(EMBEDDING);
    if (at >= 0 && !name.slice(at + EMBEDDING.length).includes(".")) prefixes.add(name.slice(0, at));
  }
  const [prefix] = prefixes;
  if (prefixes.size !== 1 || prefix === "model.") return [];
  const wrapper = prefix.replace(/model\.$/, "");
  return [[`${wrapper}lm_head.`, "lm_head."], [prefix, "model."]];
}

/**
 * The checkpoint with its tensors under our names. The entries keep the names of the file, for messages.
 *
 * @throws {RemoraError} BAD_FILE when the file has a tensor in both spellings.
 */
export function respellTensors(checkpoint: Checkpoint, spellings: Spellings): Checkpoint {
  const tensors = new Map<string, TensorEntry>();
  for (const [name, entry] of checkpoint.tensors) {
    const ours = respell(name, spellings);
    const twin = tensors.get(ours);
    if (twin !== undefined) {
      throw new RemoraError("BAD_FILE", "Cannot read", {
        file: entry.file,
        tensor: entry.name,
        expected: "one spelling of its name",
        found: `"${twin.name}" too`,
      });
    }
    tensors.set(ours, entry);
  }
  return { ...checkpoint, tensors };
}

/** The config with rules that match a module when they match any spelling of its name. */
export function respellRules(config: QuantizationConfig, spellings: Spellings): QuantizationConfig {
  const names = (ours: string) => [
    ours,
    ...spellings.filter(([, prefix]) => ours.startsWith(prefix))
      .map(([other, prefix]) => other + ours.slice(prefix.length)),
    // A whole module may be named by its prefix alone, without the dot.
    ...spellings.filter(([, prefix]) => ours === prefix.slice(0, -1)).map(([other]) => other.slice(0, -1)),
  ];
  const rules = config.rules.map((rule) => ({
    ...rule,
    matches: (module: string) => names(module).some((name) => rule.matches(name)),
  }));
  return { ...config, rules };
}

function respell(name: string, spellings: Spellings): string {
  const pair = spellings.find(([other]) => name.startsWith(other));
  return pair ? pair[1] + name.slice(pair[0].length) : name;
}
