/**
 * Whether zero points are the middle code, as a config says: tools label asymmetric files so, and engines that believe the label answer
 * nonsense, where those that read the tensors (the reference among them) do not.
 *
 * @module
 */
import { printable } from "../../core/errors.ts";
import type { Checkpoint } from "../containers/checkpoint.ts";
import { elementCount, type TensorEntry } from "../containers/safetensors.ts";
import type { QuantizationConfig } from "../quantization.ts";

/** Tensors that are looked at, from the first to the last: one more decides nothing. */
const TENSORS_MAX = 8;
/** Bytes of each: zero points of a thousand outputs or more. */
const BYTES_MAX = 4096;

/** The config, without a claim of symmetry that the zero points contradict. */
export async function checkSymmetry(
  checkpoint: Checkpoint,
  config: QuantizationConfig,
  onNotice?: (text: string) => void,
): Promise<QuantizationConfig> {
  if (config.symmetric !== true) return config;
  for (const entry of chosen(checkpoint)) {
    const bytes = new Uint8Array(Math.min(BYTES_MAX, entry.end - entry.begin));
    await checkpoint.readTensorInto(entry, 0, bytes);
    if (isMiddle(bytes)) continue;
    onNotice?.(
      `"sym": true in ${config.file} is not believed: "${printable(entry.name)}" in ${
        printable(entry.file)
      } has other zero points ` +
        "than the middle code, and they are used",
    );
    return { ...config, symmetric: undefined };
  }
  return config;
}

/** Zero points of modules from everywhere in the model. */
function chosen({ tensors }: Checkpoint): TensorEntry[] {
  const all = [...tensors.values()].filter(({ name, shape, dtype }) =>
    name.endsWith(".qzeros") && elementCount(shape) > 0 && (dtype === "I32" || dtype === "U32")
  );
  const step = Math.max(1, all.length / TENSORS_MAX);
  return Array.from({ length: Math.min(TENSORS_MAX, all.length) }, (_, i) => all[Math.floor(i * step)]);
}

/** Bytes of zero points that are the middle code of 4 or 8 bits (modules may differ), stored as it is or less one. */
const MIDDLES = [0x88, 0x77, 0x80, 0x7f];

function isMiddle(bytes: Uint8Array): boolean {
  return MIDDLES.includes(bytes[0]) && bytes.every((byte) => byte === bytes[0]);
}
