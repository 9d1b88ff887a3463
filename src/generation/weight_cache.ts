/**
 * Repacked weights beside the model, so that the next load only reads them.
 *
 * They are known by a SHA-256 over the `ModelDigest` of the checkpoint and the plan: the place, size and type of every tensor,
 * how it is quantised and what it becomes in memory, which is all that loading depends on. Another revision is noticed as the
 * digest notices it; a few weights changed by hand may not be.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Kernels } from "../../kernels/host/kernels.ts";
import { RemoraError } from "../core/errors.ts";
import { type LoadProgress, loadWeights } from "../weights/load.ts";
import type { LoadedWeights } from "../weights/loaded_weights.ts";
import type { WeightPlan } from "../weights/plan.ts";
import { readRepacked, type RepackedFile, writeRepacked } from "../weights/repacked_file.ts";
import type { ModelDigest } from "./model_digest.ts";

/** The file in a model's folder. */
const CACHE_NAME = "repacked.remora";

/** What is loaded, and how. */
export interface WeightLoad {
  plan: WeightPlan;
  digest: ModelDigest;
  /** The parsed config.json. */
  config: unknown;
  kernelsOf(part: string): Kernels;
  onProgress?(progress: LoadProgress): void;
  onNotice?(text: string): void;
  signal?: AbortSignal;
}

/** The file's place in a model's folder. */
export function cachePathIn(folder: string): string {
  return `${folder}/${CACHE_NAME}`;
}

/**
 * The weights from the file where it holds them; else from the checkpoint, and then the file is written. What is in the way is
 * told in one line and stops nothing.
 *
 * @param isNamed Whether the caller named the file: one that holds anything else is refused then, not written over.
 * @throws {RemoraError} As `loadWeights`; BAD_FILE for a named file that holds anything else.
 */
export async function loadThroughCache(
  path: string,
  isNamed: boolean,
  load: WeightLoad,
): Promise<LoadedWeights> {
  const { onNotice, digest, plan } = load;
  const notice = (error: unknown) => {
    if (!(error instanceof RemoraError) || error.code !== "BAD_FILE") throw error;
    onNotice?.(error.message);
  };
  const missing = missingPermission(path, "read");
  if (missing) {
    onNotice?.(missing.message);
    return await loadWeights(plan, digest.checkpoint, load.kernelsOf, load);
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
  const weights = await loadWeights(plan, digest.checkpoint, load.kernelsOf, load);
  const unwritable = missingPermission(path, "write");
  if (unwritable) onNotice?.(unwritable.message);
  else await writeRepacked(file, weights, { signal: load.signal }).catch(notice);
  return weights;
}

/**
 * Repacks the checkpoint into the file, whatever is there.
 *
 * @throws {RemoraError} As `loadWeights`; BAD_FILE or FILE_NOT_FOUND when the file cannot or may not be written.
 */
export async function repackInto(path: string, load: WeightLoad): Promise<void> {
  const { plan, digest, signal } = load;
  const missing = missingPermission(path, "write");
  if (missing) throw missing;
  const weights = await loadWeights(plan, digest.checkpoint, load.kernelsOf, load);
  await writeRepacked(fileAt(path, load), weights, { signal });
}

/** The digest has seen all tensors. */
function fileAt(path: string, { digest, config, plan, kernelsOf }: WeightLoad): RepackedFile {
  const planned = [plan.tables, plan.linears, plan.vectors, plan.arrays].map((items) => [...items.values()]);
  const name = createHash("sha256").update(digest.name(config)).update(JSON.stringify(planned)).digest();
  return { path, name, plan, kernelsOf };
}

/** Nobody is asked for a permission. */
function missingPermission(path: string, name: "read" | "write"): RemoraError | undefined {
  if (Deno.permissions.querySync({ name, path }).state === "granted") return undefined;
  return new RemoraError("FILE_NOT_FOUND", `Cannot ${name}`, {
    file: path,
    expected: `the permission to ${name} it: pass --allow-${name}=${path} to deno run`,
    found: "none",
  });
}
