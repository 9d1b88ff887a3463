/**
 * From a model's name to its files in the cache.
 *
 * @module
 */
import { printable, RemoraError } from "../core/errors.ts";
import { describeBytes } from "../core/figures.ts";
import { parseJson } from "../core/json.ts";
import { INDEX_BYTES_MAX } from "../core/limits.ts";
import type { Platform } from "../platform/platform.ts";
import { CachedRepository, type CachePlatform, findInCache, type FoundModel } from "./cache.ts";
import { chooseFiles } from "./choose_files.ts";
import { HubClient, type HubClientOptions } from "./client.ts";
import { downloadFile, type DownloadOptions } from "./download.ts";
import { fetchListing, type HubFile, type Listing } from "./listing.ts";
import { type ModelId, parseModelId } from "./model_id.ts";
import { type HubSettings, readHubSettings, readToken } from "./settings.ts";

/** How far a download is. */
export interface PullProgress {
  /** The file that is being downloaded, by its path in the repository. */
  file: string;
  /** Bytes of the model that are on the disk or in memory, those of earlier runs included. */
  doneBytes: number;
  /** Of these, bytes that came over the network since the call. */
  fetchedBytes: number;
  /** Bytes of the whole model. */
  totalBytes: number;
}

/** How to download a model. */
export interface PullOptions {
  /** Take what is in the cache, or fail. */
  offline?: boolean;
  /** Called as bytes come. */
  onProgress?(progress: PullProgress): void;
  /** Told in one line about a choice that was made, or why nothing seems to happen. */
  onNotice?(text: string): void;
  /** Ends the download; what came so far stays for the next. */
  signal?: AbortSignal;
}

/** What only tests set. */
export interface PullInternals
  extends
    Pick<HubClientOptions, "fetch" | "firstWait" | "silenceMax" | "answerTimeMax">,
    Pick<DownloadOptions, "partBytes" | "partsAtOnce"> {}

/** What downloading needs of the runtime. */
export type HubPlatform = Pick<Platform, "environment" | "files" | "storage" | "mayReach">;

/** A cache that is known and may be written. */
interface OpenCache {
  settings: HubSettings;
  platform: CachePlatform;
  cache: string;
}

/**
 * Brings a model into the cache, as far as it is not there.
 *
 * @throws {RemoraError} See `pullModel`.
 */
export async function pull(
  platform: HubPlatform,
  name: string,
  given: PullOptions & PullInternals = {},
): Promise<FoundModel> {
  // What is told has names that the hub gave.
  const options = { ...given, onNotice: (text: string) => given.onNotice?.(printable(text)) };
  const id = requireModelId(name);
  const opened = openCache(platform);
  const { settings } = opened;
  const repository = new CachedRepository(opened.platform, opened.cache, id.repository);
  if (options.offline || settings.isOffline) return await findOffline(repository, id, name);
  const { endpoint } = settings;
  const { signal, fetch, firstWait, silenceMax, answerTimeMax, onNotice: onWait } = options;
  const { mayReach } = platform, token = readToken(platform);
  const asking = { signal, fetch, firstWait, silenceMax, answerTimeMax, onWait };
  const client = new HubClient({ endpoint, token, mayReach, ...asking });
  const listing = await fetchListing(client, id);
  return await new Pull(opened, repository, { id, client, listing, options }).run();
}

/** See `findModel`. */
export async function findModelOf(
  platform: Omit<HubPlatform, "mayReach">,
  name: string,
): Promise<string | undefined> {
  const found = await findInCache(platform, readHubSettings(platform).cache, requireModelId(name));
  return found && (found.file === undefined ? found.folder : `${found.folder}/${found.file}`);
}

/** @throws {RemoraError} BAD_ARGUMENT for what is no name of a model on the hub. */
export function requireModelId(name: string): ModelId {
  const id = parseModelId(name);
  if (id !== undefined) return id;
  throw new RemoraError("BAD_ARGUMENT", "Cannot find on the hub", {
    file: name,
    expected: "owner/name, owner/name@revision or owner/name:QUANTISATION",
    found: "another form",
  });
}

/** @throws {RemoraError} FILE_NOT_FOUND where the cache's place is not known, UNSUPPORTED on hosts without files. */
export function openCache({ environment, files, storage }: Omit<HubPlatform, "mayReach">): OpenCache {
  const settings = readHubSettings({ environment, storage });
  if (storage === undefined) {
    const details = { expected: "a host with files", found: "none" };
    throw new RemoraError("UNSUPPORTED", "Cannot keep downloads", details);
  }
  if (settings.cache !== undefined) return { settings, platform: { files, storage }, cache: settings.cache };
  throw new RemoraError("FILE_NOT_FOUND", "Cannot find the cache of the hub's models", {
    expected:
      `${settings.unreadable} or a variable before it (run with --allow-env=HOME,XDG_CACHE_HOME,HF_*)`,
    found: "no permission, or none of them set",
  });
}

async function findOffline(repository: CachedRepository, id: ModelId, name: string): Promise<FoundModel> {
  const found = await repository.find(id);
  if (found !== undefined) return found;
  throw new RemoraError("FILE_NOT_FOUND", "Cannot download", {
    file: name,
    expected: `the whole model in ${repository.folder}, or to be online`,
    found: "neither",
  });
}

/** One model on its way. */
class Pull {
  readonly #storage;
  readonly #totals = { done: 0, fetched: 0, bytes: 0 };

  constructor(
    opened: OpenCache,
    readonly repository: CachedRepository,
    readonly task: { id: ModelId; client: HubClient; listing: Listing; options: PullOptions & PullInternals },
  ) {
    this.#storage = opened.platform.storage;
  }

  async run(): Promise<FoundModel> {
    const { repository, task: { id, listing: { commit, files }, options } } = this;
    const byPath = new Map(files.map((file) => [file.path, file]));
    const { names, file, notice } = await chooseFiles(
      id.quantization === undefined ? id.repository : `${id.repository}:${id.quantization}`,
      [...byPath.keys()],
      id.quantization,
      (name) => this.#readIndex(byPath.get(name)!),
    );
    if (notice) options.onNotice?.(notice);
    const wanted = names.map((name) => byPath.get(name)!);
    this.#totals.bytes = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#requireRoom(wanted);
    for (const file of wanted) {
      if (this.#isThere(file)) this.#count(file, file.bytes, false);
      else await this.#fetch(file);
    }
    // Names come when all files are there, those of the weights last: a snapshot that has its weights is whole.
    repository.prepare(commit);
    for (const file of wanted) repository.linkFile(commit, file);
    const lost = wanted.find((file) => !repository.hasFile(commit, file));
    if (lost !== undefined) {
      const found = "none: somebody removed it meanwhile";
      throw new RemoraError("BAD_FILE", "Cannot keep", {
        file: lost.path,
        expected: "what was downloaded",
        found,
      });
    }
    repository.writeRef(id.revision, commit);
    return { folder: repository.snapshotFolder(commit), commit, ...(file !== undefined && { file }) };
  }

  /** A file that a snapshot has in its own right is as good as a blob: so it is where there are no links. */
  #isThere(file: HubFile): boolean {
    const { repository, task: { listing: { commit } } } = this;
    return repository.hasBlob(file) || repository.hasFile(commit, file);
  }

  async #readIndex(file: HubFile): Promise<unknown> {
    const { repository, task: { listing } } = this;
    if (file.bytes > INDEX_BYTES_MAX) {
      const details = {
        file: file.path,
        expected: `at most ${INDEX_BYTES_MAX} bytes`,
        found: `${file.bytes}`,
      };
      throw new RemoraError("BAD_FILE", "Cannot read", details);
    }
    if (!this.#isThere(file)) await this.#fetch(file, false);
    const places = [repository.blobPath(file), `${repository.snapshotFolder(listing.commit)}/${file.path}`];
    const [text = ""] = places.flatMap((path) => this.#storage.readText(path, INDEX_BYTES_MAX) ?? []);
    return parseJson(new TextEncoder().encode(text), file.path);
  }

  async #fetch(file: HubFile, isCounted = true): Promise<void> {
    const { repository, task: { client, id, listing: { commit }, options } } = this;
    repository.prepare(commit);
    const path = file.path.split("/").map(encodeURIComponent).join("/");
    const url = new URL(`${client.endpoint}/${id.repository}/resolve/${commit}/${path}`);
    let isOnDisk = true;
    const onBytes = (count: number) => {
      // The first are those that an earlier run left.
      if (isCounted) this.#count(file, count, !isOnDisk);
      isOnDisk = false;
    };
    await repository.whileLocked(file, async () => {
      // Whoever had the lock may have brought it.
      if (repository.hasBlob(file)) return onBytes(file.bytes);
      const { partBytes, partsAtOnce } = options;
      const target = repository.blobPath(file), partial = repository.partialPath(file);
      const how = { client, storage: this.#storage, url, file, onBytes, partBytes, partsAtOnce };
      await downloadFile(target, partial, how);
    }, {
      signal: options.signal,
      onWait: () => options.onNotice?.(`another process downloads ${file.path}; waiting for it`),
    });
  }

  #count(file: HubFile, bytes: number, isFetched: boolean): void {
    const totals = this.#totals;
    totals.done += bytes;
    if (isFetched && bytes > 0) totals.fetched += bytes;
    this.task.options.onProgress?.({
      file: file.path,
      doneBytes: totals.done,
      fetchedBytes: totals.fetched,
      totalBytes: totals.bytes,
    });
  }

  /** @throws {RemoraError} BAD_FILE where what is missing does not fit on the disk. */
  #requireRoom(wanted: readonly HubFile[]): void {
    const { repository } = this;
    const missing = wanted.filter((file) => !this.#isThere(file)).reduce((sum, file) => {
      const begun = this.#storage.status(repository.partialPath(file))?.bytes ?? 0;
      return sum + Math.max(0, file.bytes - begun);
    }, 0);
    if (missing === 0) return;
    repository.prepare(this.task.listing.commit);
    const free = this.#storage.freeBytes(repository.folder);
    if (free === undefined || missing <= free) return;
    throw new RemoraError("BAD_FILE", "Cannot download", {
      file: repository.repository,
      expected: `${describeBytes(missing)} of room at ${repository.folder}`,
      found: describeBytes(free),
    });
  }
}
