/**
 * Repacked weights in a file, in the model's folder or another, so that the next load only reads them.
 *
 * The file is identified by a SHA-256 over the `CheckpointDigest` of the checkpoint and the plan: the place, size and type of every
 * tensor, how it is quantised and what it becomes in memory, which is all that loading depends on. The digest notices another
 * revision; it may miss a few weights changed by hand.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import { RemoraError } from "../core/errors.ts";
import { REPACKED_FILE } from "../io/model_files.ts";
import type { HostEvents } from "../platform/events.ts";
import type { Platform } from "../platform/platform.ts";
import type { CheckpointDigest } from "./checkpoint_digest.ts";
import { type LoadProgress, loadWeights } from "./load.ts";
import type { WeightPlan } from "./plan.ts";
import { readRepacked, type RepackedFile, writeRepacked } from "./repacked_file.ts";

/** What is loaded, and how. */
export interface CachedLoad {
  platform: Platform;
  plan: WeightPlan;
  digest: CheckpointDigest;
  /** The parsed config.json. */
  config: unknown;
  events: HostEvents;
  kernelsOf(part: string): Kernels;
  onProgress?(progress: LoadProgress): void;
  onNotice?(text: string): void;
  signal?: AbortSignal;
}

/** The file's place in a model's folder. */
export function cachePathIn(folder: string): string {
  return `${folder}/${REPACKED_FILE}`;
}

/**
 * Loads the weights from the file where it holds them; else from the checkpoint, and then writes the file. A file that cannot be
 * used or written is reported in one line and does not stop the load.
 *
 * @param isNamed Whether the caller named the file: then one that holds anything else is refused, not overwritten.
 * @throws {RemoraError} As `loadWeights`; BAD_FILE for a named file that holds anything else.
 */
export async function loadThroughCache(path: string, isNamed: boolean, load: CachedLoad): Promise<void> {
  const { onNotice, digest, plan } = load;
  const notice = (error: unknown) => {
    if (!(error instanceof RemoraError) || error.code !== "BAD_FILE") throw error;
    onNotice?.(error.message);
  };
  const missing = missingPermission(load, path, "read");
  if (missing) {
    onNotice?.(missing.message);
    return await loadWeights(plan, digest.checkpoint, load);
  }
  await digest.sample(plan.storedTensors());
  const file = fileAt(path, load);
  try {
    return await readRepacked(file, load);
  } catch (error) {
    const isMissing = error instanceof RemoraError && error.code === "FILE_NOT_FOUND";
    if (isNamed && !isMissing) throw error;
    if (!isMissing) notice(error);
  }
  await loadWeights(plan, digest.checkpoint, load);
  const unwritable = missingPermission(load, path, "write");
  if (unwritable) onNotice?.(unwritable.message);
  else await writeRepacked(file, { ...load, onProgress: undefined }).catch(notice);
}

/**
 * Repacks the checkpoint into the file and replaces what is there.
 *
 * @throws {RemoraError} As `loadWeights`; BAD_FILE or FILE_NOT_FOUND when the file cannot or may not be written.
 */
export async function repackInto(path: string, load: CachedLoad): Promise<number> {
  const missing = missingPermission(load, path, "write");
  if (missing) throw missing;
  await loadWeights(load.plan, load.digest.checkpoint, load);
  return await writeRepacked(fileAt(path, load), { ...load, onProgress: undefined });
}

/** To be called when the digest has seen all tensors. */
function fileAt(path: string, { platform, digest, config, plan, kernelsOf }: CachedLoad): RepackedFile {
  const planned = [
    [...plan.linearLayers()].map(({ name, part, stored, planned: form }) => {
      const { format, bits, groupSize, settings, zeroPoint, tensors } = stored;
      return { name, part, format, bits, groupSize, settings, form, zeroPoint, tensors };
    }),
    [...plan.vectors.values()].map(({ name, part, stored, length, offset }) => ({
      name,
      part,
      stored,
      length,
      offset,
    })),
    [...plan.arrays.values()].map(({ name, part, stored }) => ({ name, part, stored })),
  ];
  const text = digest.name(config) + JSON.stringify(planned);
  const name = platform.createHash().update(new TextEncoder().encode(text)).digest();
  return { platform, path, name, plan, kernelsOf };
}

/** The error where the permission is not granted; none is asked for. */
function missingPermission(
  { platform }: CachedLoad,
  path: string,
  access: "read" | "write",
): RemoraError | undefined {
  if (platform.files.isPermitted(access, path)) return undefined;
  return new RemoraError("FILE_NOT_FOUND", `Cannot ${access}`, {
    file: path,
    expected: `the permission to ${access} it: pass --allow-${access}=${path} to deno run`,
    found: "none",
  });
}
