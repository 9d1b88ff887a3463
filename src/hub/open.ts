/**
 * From what a user writes to the place that holds the model.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";
import type { FileSystem, Platform } from "../platform/platform.ts";
import { decodePath, directorySource, fileSource } from "../io/directory.ts";
import { httpSource, type HttpSourceOptions } from "../io/http.ts";
import { GGUF_SUFFIX, ggufParts } from "../io/model_files.ts";
import type { ModelSource } from "../io/source.ts";
import { findInCache } from "./cache.ts";
import { type ModelId, parseModelId } from "./model_id.ts";
import { type HubSettings, readHubSettings, readToken } from "./settings.ts";

/** How to open a model's place. */
export interface OpenSourceOptions extends Omit<HttpSourceOptions, "label"> {
  /** Refuse everything that would use the network. */
  offline?: boolean;
}

/** What opening needs of the runtime. */
export type OpeningPlatform = Pick<Platform, "environment" | "files" | "mayReach" | "storage">;

/**
 * Finds the model: a directory or a GGUF file, an http(s) URL of one, a hub id `owner/name[@revision][:quantisation]` unless a
 * directory or file of that name exists, or a source of the caller's own, which is returned as it is.
 *
 * Asks for no permission but that to read the given path or to reach the given host.
 *
 * @throws {RemoraError} `FILE_NOT_FOUND` or `BAD_ARGUMENT`.
 */
export async function openSource(
  platform: OpeningPlatform,
  source: string | URL | ModelSource,
  options: OpenSourceOptions = {},
): Promise<ModelSource> {
  if (typeof source !== "string" && !(source instanceof URL)) return callersSource(source);

  const text = String(source);
  const url = typeof source !== "string" || /^[a-z]+:\/\//i.test(source) ? URL.parse(text) : null;
  const isFile = (url?.pathname ?? text).toLowerCase().endsWith(GGUF_SUFFIX);
  if (url?.protocol === "file:") return (isFile ? fileSource : directorySource)(platform.files, url);
  if (url?.protocol === "http:" || url?.protocol === "https:") {
    if (options.offline) throw refusal(text, "a local directory, as offline is set", "a URL");
    return isFile ? httpFileSource(url, options) : httpSource(url, options);
  }
  if (url !== null || /^https?:/i.test(text)) {
    throw refusal(text, "a directory, an http(s) URL or a hub id", "another kind of URL");
  }
  if (isFile && platform.files.isDirectory(text) !== true) return fileSource(platform.files, text);
  const id = parseModelId(text);
  if (id === undefined || isThere(platform.files, text)) return directorySource(platform.files, text);
  return await hubSource(platform, text, id, options);
}

/** Whether a directory or file has this name; a name at which nobody may look is taken for none. */
function isThere(files: FileSystem, path: string): boolean {
  const isDirectory = files.isDirectory(path);
  if (isDirectory !== false) return isDirectory === true;
  try {
    using file = files.open(path);
    return file.isFile;
  } catch (error) {
    if (error instanceof RemoraError) return false;
    throw error;
  }
}

/** One file of a web folder, with the others where it is a part. */
function httpFileSource(url: URL, options: OpenSourceOptions): ModelSource {
  const base = new URL(".", url);
  const names = ggufParts(decodePath(url, url.pathname.slice(base.pathname.length)));
  return httpSource(base, { ...options, label: url.origin + url.pathname, names });
}

/** A model of the hub: from the cache, or else by ranges from the hub itself. */
async function hubSource(
  platform: OpeningPlatform,
  text: string,
  id: ModelId,
  options: OpenSourceOptions,
): Promise<ModelSource> {
  const { files, mayReach } = platform;
  const settings = readHubSettings(platform);
  const found = await findInCache(platform, settings.cache, id);
  if (found !== undefined) {
    const { folder, file } = found;
    return file === undefined ? directorySource(files, folder) : fileSource(files, `${folder}/${file}`);
  }
  const { host } = new URL(settings.endpoint);
  // Where looking needs a permission that is not there, the name may well mean a directory.
  const mayLook = files.isDirectory(text) !== undefined;
  const isOffline = options.offline || settings.isOffline || (mayLook && !mayReach(host));
  if (isOffline || id.quantization !== undefined) {
    const how = mayReach(host) ? "without --offline" : `with --allow-net=${host} and without --offline`;
    const expected = id.quantization === undefined
      ? `a local directory, a model that was downloaded (remora pull ${text}), or a name on the hub ${how}`
      : "a model that was downloaded (remora pull)";
    const here = mayLook ? "no such directory" : `no permission to look (run with --allow-read=${text})`;
    throw new RemoraError("FILE_NOT_FOUND", "Cannot open", {
      file: text,
      expected,
      found: `${here}, and ${describeAbsence(settings)}`,
    });
  }
  if (!mayLook && !mayReach(host)) {
    const expected =
      `--allow-read=${text} if it is a directory, --allow-net=${host} if a hub id (or first remora pull ${text})`;
    const neither = `neither, and ${describeAbsence(settings)}`;
    throw new RemoraError("FILE_NOT_FOUND", "Cannot open", { file: text, expected, found: neither });
  }
  const base = new URL(
    `${settings.endpoint}/${id.repository}/resolve/${encodeURIComponent(id.revision)}/`,
  );
  const token = readToken(platform);
  const headers = { ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  return httpSource(base, { headers, ...options, label: text });
}

function describeAbsence({ cache, unreadable }: HubSettings): string {
  if (cache !== undefined) return `no whole model of that name in ${cache}`;
  return unreadable === undefined
    ? "no cache"
    : `no permission to know the cache (--allow-env=${unreadable})`;
}

function callersSource(source: ModelSource): ModelSource {
  if (typeof source?.list === "function" && typeof source.read === "function") return source;
  throw new RemoraError("BAD_ARGUMENT", "Cannot open the model", {
    expected: "a path, a URL or an object with list() and read()",
    found: source === null ? "null" : typeof source,
  });
}

function refusal(text: string, expected: string, found: string): RemoraError {
  return new RemoraError("BAD_ARGUMENT", "Cannot open", { file: text, expected, found });
}
