/**
 * The models that a cache holds.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { GGUF_SUFFIX, ggufParts, WEIGHTS_SUFFIX } from "../io/model_files.ts";
import type { FileSystem } from "../platform/platform.ts";
import { CachedRepository } from "./cache.ts";
import { quantizationOf } from "./choose_files.ts";
import { type HubPlatform, openCache, requireModelId } from "./pull.ts";

/** A model of the hub that is on the disk. */
export interface InstalledModel {
  /** `owner/name`, with the quantisation where a folder has several: what `loadModel` takes. */
  name: string;
  /** Branches and tags that had this commit when they were asked for last. */
  revisions: string[];
  /** Its 40 digits. */
  commit: string;
  /** The snapshot's folder. */
  folder: string;
  /** "safetensors", "GGUF" with its quantisation, or "other": nothing that can be loaded. */
  format: string;
  /** Bytes on the disk; of a snapshot with several models those of its own files. */
  bytes: number;
  /** Whether all its files are there and may be read. */
  isWhole: boolean;
}

/** All models of the cache, by name. */
export async function installedModels(platform: Omit<HubPlatform, "mayReach">): Promise<InstalledModel[]> {
  const { cache, platform: opened } = openCache(platform);
  const models: InstalledModel[] = [];
  for (const repository of CachedRepository.all(opened, cache)) {
    const refs = [...repository.refs()];
    for (const commit of repository.commits()) {
      const revisions = refs.filter(([, of]) => of === commit).map(([name]) => name);
      const place = { revisions, commit, folder: repository.snapshotFolder(commit) };
      const sizes = sizesIn(opened.files, place.folder);
      if (sizes === undefined) {
        const name = nameOf(repository.repository, place), bytes = repository.snapshotBytes(commit);
        models.push({ name, ...place, format: "other", bytes, isWhole: false });
        continue;
      }
      const names = [...sizes.keys()];
      const firsts = [...new Set(names.filter(isGguf).map((name) => ggufParts(name)[0]))];
      if (names.some((name) => name.endsWith(WEIGHTS_SUFFIX)) || firsts.length === 0) {
        const isWhole = await repository.find({ revision: commit }) !== undefined;
        const format = names.some((name) => name.endsWith(WEIGHTS_SUFFIX)) ? "safetensors" : "other";
        const name = nameOf(repository.repository, place);
        models.push({ name, ...place, format, bytes: repository.snapshotBytes(commit), isWhole });
        continue;
      }
      for (const first of firsts) {
        const quantization = quantizationOf(first), parts = ggufParts(first);
        models.push({
          name: nameOf(repository.repository, place, quantization === first ? undefined : quantization),
          ...place,
          format: quantization === first ? "GGUF" : `GGUF ${quantization}`,
          bytes: parts.reduce((sum, part) => sum + (sizes.get(part) ?? 0), 0),
          isWhole: parts.every((part) => sizes.has(part)),
        });
      }
    }
  }
  return models;
}

/** Files by name; `undefined` where the system does not let it be known: one such snapshot hides no other. */
function sizesIn(files: Pick<FileSystem, "listFiles">, folder: string): Map<string, number> | undefined {
  try {
    return new Map(files.listFiles(folder).map(({ name, size }) => [name, size]));
  } catch (error) {
    if (error instanceof RemoraError) return undefined;
    throw error;
  }
}

/** A way to name it that means this snapshot. */
function nameOf(
  repository: string,
  { revisions, commit }: Pick<InstalledModel, "revisions" | "commit">,
  quantization?: string,
): string {
  const revision = revisions.includes("main") ? "" : `@${revisions[0] ?? commit}`;
  return repository + revision + (quantization === undefined ? "" : `:${quantization}`);
}

function isGguf(name: string): boolean {
  return name.toLowerCase().endsWith(GGUF_SUFFIX) && !/mmproj|imatrix/i.test(name);
}

/** What removing a model takes away. */
export interface Removal {
  /** The commits of the snapshots. */
  commits: string[];
  /** Bytes that the disk has back; of a dry run those of the snapshots. */
  bytes: number;
}

/** @throws {RemoraError} See `removeModel`. */
export function removeInstalled(
  platform: Omit<HubPlatform, "mayReach">,
  name: string,
  { dryRun = false }: { dryRun?: boolean } = {},
): Removal {
  const id = requireModelId(name);
  if (id.quantization !== undefined) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot remove", {
      file: name,
      expected: "owner/name or owner/name@revision (a snapshot goes with all its quantisations)",
      found: id.quantization,
    });
  }
  const { cache, platform: opened } = openCache(platform);
  const repository = new CachedRepository(opened, cache, id.repository);
  const isNamed = name.includes("@");
  const commits = repository.commits().filter((commit) =>
    !isNamed || commit === repository.commitOf(id.revision)
  );
  // A download that never came to its end has no snapshot.
  const hasOthers = !isNamed && opened.storage.list(repository.folder).length > 0;
  if (commits.length === 0 && !hasOthers) {
    throw new RemoraError("FILE_NOT_FOUND", "Cannot remove", {
      file: name,
      expected: `a model in ${cache}`,
      found: isNamed ? "no such model or revision" : "no such model",
    });
  }
  const bytes = dryRun
    ? commits.reduce((sum, commit) => sum + repository.snapshotBytes(commit), 0)
    : repository.remove(commits);
  return { commits, bytes };
}
