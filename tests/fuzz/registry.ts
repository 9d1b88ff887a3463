/**
 * The parsers that the fuzzer knows: an import and a line each.
 *
 * @module
 */
import type { FuzzTarget } from "./target.ts";
import { ggufTarget } from "./targets/gguf.ts";
import { hubTarget } from "./targets/hub.ts";
import {
  autoRoundTarget,
  awqTarget,
  compressedTensorsTarget,
  configTarget,
  gptqTarget,
  indexTarget,
  marlinTarget,
  safetensorsTarget,
} from "./targets/models.ts";
import { conversationTarget, repackedTarget, snapshotTarget } from "./targets/own_files.ts";
import { jpegTarget, pngTarget, webpTarget } from "./targets/pictures.ts";
import { bytePairTarget, settingsTarget, templateTarget, unigramTarget } from "./targets/text.ts";

export const TARGETS: readonly FuzzTarget[] = [
  safetensorsTarget,
  indexTarget,
  configTarget,
  gptqTarget,
  awqTarget,
  compressedTensorsTarget,
  marlinTarget,
  autoRoundTarget,
  ggufTarget,
  bytePairTarget,
  unigramTarget,
  templateTarget,
  settingsTarget,
  pngTarget,
  jpegTarget,
  webpTarget,
  snapshotTarget,
  conversationTarget,
  repackedTarget,
  hubTarget,
];

/** @throws {Error} Where there is none of that name. */
export function targetNamed(name: string): FuzzTarget {
  const target = TARGETS.find((target) => target.name === name);
  if (target) return target;
  throw new Error(`no target ${name}: ${TARGETS.map(({ name }) => name).join(", ")}`);
}
