/**
 * What a repository of the hub holds at one commit.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { HUB_FILE_BYTES_MAX, HUB_FILES_MAX, HUB_PAGES_MAX } from "../core/limits.ts";
import { isSafeFileName } from "../io/file_name.ts";
import { describeJson, isObject } from "../io/read.ts";
import type { HubClient } from "./client.ts";
import { isCommit, type ModelId } from "./model_id.ts";

/** A file of a repository. */
export interface HubFile {
  readonly path: string;
  readonly bytes: number;
  /** What its content must hash to, and what the cache calls it. */
  readonly digest: string;
  /** "sha256": of the content, for files of Git LFS. "git": SHA-1 as git makes it, with a header before the content. */
  readonly hash: "sha256" | "git";
}

/** A repository at one commit. */
export interface Listing {
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/**
 * Asks for a repository's files.
 *
 * @throws {RemoraError} FILE_NOT_FOUND when there is no such repository or revision, or it may not be read; BAD_FILE when the answer is
 * none or has names that no repository can have.
 */
export async function fetchListing(
  client: HubClient,
  { repository, revision }: ModelId,
): Promise<Listing> {
  const base = `${client.endpoint}/api/models/${repository}`;
  const { value: about } = await client.json(
    new URL(`${base}/revision/${encodeURIComponent(revision)}`),
    `${repository}@${revision}`,
  );
  const commit = isObject(about) ? about.sha : undefined;
  if (typeof commit !== "string" || !isCommit(commit)) {
    throw damaged(repository, "the 40 digits of a commit as sha", describeJson(commit));
  }
  if (isCommit(revision) && revision !== commit) throw damaged(repository, `commit ${revision}`, commit);
  const files: HubFile[] = [];
  let entries = 0;
  let next: URL | undefined = new URL(`${base}/tree/${commit}?recursive=true`);
  for (let page = 0; next !== undefined; page++) {
    if (page === HUB_PAGES_MAX) throw damaged(repository, `at most ${HUB_PAGES_MAX} pages`, "another");
    const { value, headers } = await client.json(next, `${repository}, its files`);
    if (!Array.isArray(value)) throw damaged(repository, "an array of files", describeJson(value));
    entries += value.length;
    if (entries > HUB_FILES_MAX) throw damaged(repository, `at most ${HUB_FILES_MAX} files`, "more");
    for (const entry of value) {
      const file = readEntry(repository, entry);
      if (file) files.push(file);
    }
    next = nextPage(repository, next, headers.get("link"));
  }
  if (new Set(files.map(({ path }) => path)).size < files.length) {
    throw damaged(repository, "each file once", "one twice");
  }
  return { commit, files };
}

/** `undefined` for what is no file: a folder. */
function readEntry(repository: string, entry: unknown): HubFile | undefined {
  if (!isObject(entry)) throw damaged(repository, "an object for each file", describeJson(entry));
  if (entry.type !== "file") return undefined;
  const { path, size, oid, lfs } = entry;
  if (typeof path !== "string" || !isSafeFileName(path)) {
    throw damaged(repository, "a name inside the repository", describeJson(path));
  }
  const isLarge = isObject(lfs);
  const bytes = isLarge ? lfs.size : size, digest = isLarge ? lfs.oid : oid;
  if (typeof bytes !== "number" || !Number.isSafeInteger(bytes) || bytes < 0 || bytes > HUB_FILE_BYTES_MAX) {
    throw damaged(path, `a size up to ${HUB_FILE_BYTES_MAX}`, describeJson(bytes));
  }
  const digits = isLarge ? 64 : 40;
  if (typeof digest !== "string" || digest.length !== digits || !/^[0-9a-f]+$/.test(digest)) {
    throw damaged(path, `${digits} hexadecimal digits as oid`, describeJson(digest));
  }
  return { path, bytes, digest, hash: isLarge ? "sha256" : "git" };
}

/**
 * The next page, from the header Link.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc8288#section-3 | RFC 8288}
 */
function nextPage(repository: string, page: URL, link: string | null): URL | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link ?? "")?.[1];
  if (target === undefined) return undefined;
  const next = URL.parse(target, page.href);
  if (next?.origin === page.origin) return next;
  throw damaged(repository, "its next page at the same place", "another");
}

function damaged(file: string, expected: string, found: string): RemoraError {
  return new RemoraError("BAD_FILE", "Cannot use the hub's listing of", { file, expected, found });
}
