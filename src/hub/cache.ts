/**
 * The folder in which Python's `huggingface_hub` keeps what it downloads, so that either finds what the other has.
 *
 * ```text
 * models--OWNER--NAME/
 *   blobs/DIGEST                   each file once, by its SHA-256 or git's SHA-1
 *   refs/REVISION                  the commit that a branch or tag had
 *   snapshots/COMMIT/PATH          links to blobs
 *   trees/COMMIT.json              Python's: what the repository holds at that commit
 * .locks/models--OWNER--NAME/DIGEST.lock
 * ```
 *
 * @see {@link https://huggingface.co/docs/huggingface_hub/guides/manage-cache | how the cache is laid out}
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { HUB_ANSWER_BYTES_MAX, INDEX_BYTES_MAX } from "../core/limits.ts";
import { isSafeFileName } from "../io/file_name.ts";
import { KNOWN_FILES } from "../io/model_files.ts";
import { isObject } from "../io/read.ts";
import type { FileSystem } from "../platform/platform.ts";
import type { Storage } from "../platform/storage.ts";
import { chooseFiles } from "./choose_files.ts";
import type { HubFile } from "./listing.ts";
import { isCommit, type ModelId } from "./model_id.ts";
import { pause } from "./retries.ts";

const FOLDER = /^models--([^/]+)--([^/]+)$/;
/** Bytes of a file in refs: a commit. */
const REF_BYTES_MAX = 64;
/** Milliseconds between two looks at a lock that somebody else has. */
const LOCK_INTERVAL = 100;
/** Files of this program that are not whole yet; Python has other names for its own. */
const PARTIAL_SUFFIX = ".remora.incomplete";

/** A model in the cache. */
export interface FoundModel {
  /** The snapshot's folder. */
  readonly folder: string;
  /** The file in it that is to be opened, where that is one of several models. */
  readonly file?: string;
  readonly commit: string;
}

/** What the cache works with. */
export interface CachePlatform {
  readonly files: Pick<FileSystem, "listFiles">;
  readonly storage: Storage;
}

/**
 * Looks for a model that was downloaded, by this program or by Python's `huggingface_hub`.
 *
 * @returns `undefined` where it is not, not as a whole, or where the cache may not be looked into.
 */
export async function findInCache(
  { files, storage }: Partial<CachePlatform>,
  cache: string | undefined,
  id: ModelId,
): Promise<FoundModel | undefined> {
  if (cache === undefined || storage === undefined || files === undefined) return undefined;
  return await new CachedRepository({ files, storage }, cache, id.repository).find(id);
}

/** One repository's part of the cache. */
export class CachedRepository {
  readonly folder: string;
  readonly #locks: string;
  readonly #platform: CachePlatform;

  constructor(platform: CachePlatform, cache: string, readonly repository: string) {
    const name = `models--${repository.replace("/", "--")}`;
    this.#platform = platform;
    this.folder = `${cache}/${name}`;
    this.#locks = `${cache}/.locks/${name}`;
  }

  /** The repositories of a cache. */
  static all(platform: CachePlatform, cache: string): CachedRepository[] {
    return platform.storage.list(cache).flatMap(({ name, isDirectory }) => {
      const [, owner, rest] = FOLDER.exec(name) ?? [];
      return isDirectory && owner ? [new CachedRepository(platform, cache, `${owner}/${rest}`)] : [];
    }).sort((a, b) => a.repository < b.repository ? -1 : 1);
  }

  get #storage(): Storage {
    return this.#platform.storage;
  }

  blobPath(file: Pick<HubFile, "digest">): string {
    return `${this.folder}/blobs/${file.digest}`;
  }

  partialPath(file: Pick<HubFile, "digest">): string {
    return this.blobPath(file) + PARTIAL_SUFFIX;
  }

  snapshotFolder(commit: string): string {
    return `${this.folder}/snapshots/${commit}`;
  }

  /** Whether a file is there, and whole. */
  hasBlob(file: HubFile): boolean {
    const status = this.#storage.status(this.blobPath(file));
    return status !== undefined && status.isFile && status.bytes === file.bytes;
  }

  /** Whether a snapshot has a file, by whatever way. */
  hasFile(commit: string, file: HubFile): boolean {
    const status = this.#storage.status(`${this.snapshotFolder(commit)}/${file.path}`);
    return status !== undefined && status.isFile && status.bytes === file.bytes;
  }

  /** The commits of which there are snapshots. */
  commits(): string[] {
    const entries = this.#storage.list(`${this.folder}/snapshots`);
    return entries.filter(({ name, isDirectory }) => isDirectory && isCommit(name)).map(({ name }) => name);
  }

  /** Branches and tags by their commits. */
  refs(): Map<string, string> {
    const found = new Map<string, string>();
    const visit = (below: string) => {
      for (const { name, isDirectory } of this.#storage.list(`${this.folder}/refs/${below}`)) {
        if (isDirectory) visit(`${below}${name}/`);
        else {
          const commit = this.commitOf(below + name);
          if (commit !== undefined) found.set(below + name, commit);
        }
      }
    };
    visit("");
    return found;
  }

  /** The commit that a revision had when it was asked for last. */
  commitOf(revision: string): string | undefined {
    if (isCommit(revision)) return revision;
    const text = this.#storage.readText(`${this.folder}/refs/${revision}`, REF_BYTES_MAX)?.trim();
    return text !== undefined && isCommit(text) ? text : undefined;
  }

  /** A model that is whole; `undefined` where there is none, or only a part of it. */
  async find({ revision, quantization }: Pick<ModelId, "revision" | "quantization">): Promise<
    FoundModel | undefined
  > {
    const commit = this.commitOf(revision);
    if (commit === undefined) return undefined;
    const folder = this.snapshotFolder(commit);
    const names = this.fileNames(commit);
    if (names.length === 0) return undefined;
    try {
      // As the listing of the repository would be chosen from: what it chooses must be there.
      const wanted = this.#listedByPython(commit) ?? names;
      const readIndex = (name: string) => Promise.resolve(this.#json(`${folder}/${name}`, INDEX_BYTES_MAX));
      const { names: chosen, file } = await chooseFiles(this.repository, wanted, quantization, readIndex);
      if (!chosen.every((name) => names.includes(name))) return undefined;
      return { folder, commit, ...(file !== undefined && { file }) };
    } catch (error) {
      // No model is whole there, or several are and none was named: only the hub's own listing says more.
      if (error instanceof RemoraError) return undefined;
      throw error;
    }
  }

  /** The files of a snapshot that lead somewhere. */
  fileNames(commit: string): string[] {
    const folder = this.snapshotFolder(commit);
    if (this.#storage.list(folder).length === 0) return [];
    return this.#platform.files.listFiles(folder).map(({ name }) => name);
  }

  /**
   * The repository's own files as far as Python noted them: weights that are here already, and those files beside them that it may
   * still be downloading.
   */
  #listedByPython(commit: string): string[] | undefined {
    const tree = this.#json(`${this.folder}/trees/${commit}.json`, HUB_ANSWER_BYTES_MAX);
    if (!isObject(tree) || !isObject(tree.files)) return undefined;
    const here = this.fileNames(commit);
    // What a user left out on purpose, other weights say, is not missed.
    return Object.keys(tree.files).filter((name) => KNOWN_FILES.includes(name) || here.includes(name));
  }

  #json(path: string, bytesMax: number): unknown {
    const text = this.#storage.readText(path, bytesMax);
    try {
      return text === undefined ? undefined : parseJson(new TextEncoder().encode(text), path);
    } catch {
      return undefined;
    }
  }

  /**
   * Runs while nobody else downloads the same file.
   *
   * @param onWait Told once, when somebody else does.
   */
  async whileLocked(
    file: Pick<HubFile, "digest">,
    run: () => Promise<void>,
    { onWait, signal }: { onWait?: () => void; signal?: AbortSignal },
  ): Promise<void> {
    this.#storage.makeDirectory(this.#locks);
    const path = `${this.#locks}/${file.digest}.lock`;
    let lock = this.#storage.tryLock(path);
    if (lock === undefined) onWait?.();
    while (lock === undefined) {
      await pause(LOCK_INTERVAL, signal);
      lock = this.#storage.tryLock(path);
    }
    using _ = lock;
    await run();
  }

  /** Makes the folders of a snapshot. */
  prepare(commit: string): void {
    this.#storage.makeDirectory(`${this.folder}/blobs`);
    this.#storage.makeDirectory(this.snapshotFolder(commit));
  }

  /** Gives a file its name in a snapshot. */
  linkFile(commit: string, file: HubFile): void {
    if (!isSafeFileName(file.path)) throw new RemoraError("BAD_FILE", "Cannot keep", { file: file.path });
    if (this.hasFile(commit, file)) return;
    const path = `${this.snapshotFolder(commit)}/${file.path}`;
    const depth = file.path.split("/").length;
    if (depth > 1) this.#storage.makeDirectory(path.slice(0, path.lastIndexOf("/")));
    this.#storage.link(`${"../".repeat(depth + 1)}blobs/${file.digest}`, path);
  }

  /** Notes which commit a branch or tag has. */
  writeRef(revision: string, commit: string): void {
    if (isCommit(revision) || this.commitOf(revision) === commit) return;
    const path = `${this.folder}/refs/${revision}`;
    this.#storage.makeDirectory(path.slice(0, path.lastIndexOf("/")));
    this.#storage.writeText(path, commit);
  }

  /** Bytes of a snapshot's files, of each once. */
  snapshotBytes(commit: string): number {
    const blobs = new Map(
      this.#statuses(`snapshots/${commit}`).map(({ identity, bytes }) => [identity, bytes]),
    );
    return [...blobs.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /**
   * Removes snapshots, and with them the names of their commits, what Python noted of them, and blobs that no other snapshot has. With
   * the last snapshot the repository goes.
   *
   * @returns Bytes that the disk has back.
   * @throws {RemoraError} BAD_FILE while something of it is being downloaded, FILE_NOT_FOUND where a snapshot that stays may not be read.
   */
  remove(commits: readonly string[]): number {
    using _ = this.#lockAll();
    const storage = this.#storage;
    const before = this.#blobs();
    const kept = this.commits().filter((commit) => !commits.includes(commit));
    // What one of these has must be known before anything goes.
    for (const commit of kept) this.#platform.files.listFiles(this.snapshotFolder(commit));
    const used = new Set(
      kept.flatMap((commit) => this.#statuses(`snapshots/${commit}`).map(({ identity }) => identity)),
    );
    for (const [name, commit] of this.refs()) {
      if (commits.includes(commit)) storage.remove(`${this.folder}/refs/${name}`);
    }
    for (const commit of commits) {
      storage.remove(this.snapshotFolder(commit));
      storage.remove(`${this.folder}/trees/${commit}.json`);
    }
    for (const [name, { identity }] of before) {
      if (!used.has(identity)) storage.remove(`${this.folder}/blobs/${name}`);
    }
    if (kept.length === 0) {
      storage.remove(this.folder);
      storage.remove(this.#locks);
    }
    const after = this.#blobs();
    return [...before].reduce((sum, [name, { bytes }]) => sum + (after.has(name) ? 0 : bytes), 0);
  }

  /** Holds the locks of all files that may be downloaded now. */
  #lockAll(): Disposable {
    const held: Disposable[] = [];
    const all = { [Symbol.dispose]: () => held.forEach((lock) => lock[Symbol.dispose]()) };
    for (const { name } of this.#storage.list(this.#locks).filter(({ name }) => name.endsWith(".lock"))) {
      const lock = this.#storage.tryLock(`${this.#locks}/${name}`);
      if (lock !== undefined) held.push(lock);
      else {
        all[Symbol.dispose]();
        throw new RemoraError("BAD_FILE", "Cannot remove", {
          file: this.repository,
          expected: "a model of which nothing is being downloaded",
          found: `another process that holds ${name}`,
        });
      }
    }
    return all;
  }

  #blobs(): Map<string, { identity: string; bytes: number }> {
    return new Map(
      this.#storage.list(`${this.folder}/blobs`).flatMap(({ name }) => {
        const status = this.#storage.status(`${this.folder}/blobs/${name}`);
        return status?.isFile ? [[name, status]] : [];
      }),
    );
  }

  /** All files below a folder: other programs' snapshots have folders in folders, which no model is read from. */
  #statuses(below: string): { identity: string; bytes: number }[] {
    return this.#storage.list(`${this.folder}/${below}`).flatMap(({ name, isDirectory }) => {
      if (isDirectory) return this.#statuses(`${below}/${name}`);
      const status = this.#storage.status(`${this.folder}/${below}/${name}`);
      return status?.isFile ? [status] : [];
    });
  }
}
