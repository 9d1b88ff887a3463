/**
 * From what a user writes to the place that holds the model.
 *
 * @module
 */

import { RemoraError } from "../core/errors.ts";
import type { Platform } from "../platform/platform.ts";
import { directorySource, fileSource } from "./directory.ts";
import { httpSource, type HttpSourceOptions } from "./http.ts";
import { GGUF_SUFFIX, ggufParts } from "./model_files.ts";
import type { ModelSource } from "./source.ts";

/** How to open a model's place. */
export interface OpenSourceOptions extends Omit<HttpSourceOptions, "label"> {
  /** Refuse everything that would use the network. */
  offline?: boolean;
}

/** What opening needs of the runtime. */
export type OpeningPlatform = Pick<Platform, "files" | "mayReach">;

const HUB = "https://huggingface.co";

/** `owner/name` or `owner/name@revision`, in the characters a hub allows. */
const HUB_ID = /^(\w[\w.-]*\/\w[\w.-]*)(?:@(\w[\w./-]*))?$/;

/**
 * Finds the model: a directory or a GGUF file, an http(s) URL of one, a hub id `owner/name[@revision]` unless a directory of
 * that name exists, or a source of the caller's own, which is returned as it is.
 *
 * Asks for no permission but that to read the given path or to reach the given host.
 *
 * @throws {RemoraError} `FILE_NOT_FOUND` or `BAD_ARGUMENT`.
 */
// deno-lint-ignore require-await -- opening is asynchronous by contract; hub lookups will need it
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
  const hubId = HUB_ID.exec(text);
  return hubId === null
    ? directorySource(platform.files, text)
    : directoryOrHub(platform, text, hubId[1], hubId[2] ?? "main", options);
}

/** One file of a web folder, with the others where it is a part. */
function httpFileSource(url: URL, options: OpenSourceOptions): ModelSource {
  const base = new URL(".", url);
  const names = ggufParts(decodeURIComponent(url.pathname.slice(base.pathname.length)));
  return httpSource(base, { ...options, label: url.origin + url.pathname, names });
}

function directoryOrHub(
  { files, mayReach }: OpeningPlatform,
  text: string,
  id: string,
  revision: string,
  options: OpenSourceOptions,
): ModelSource {
  // Where looking needs a permission that is not there, the name may well mean a hub id.
  const isDirectory = files.isDirectory(text);
  if (isDirectory) return directorySource(files, text);
  const mayLook = isDirectory !== undefined;
  const found = mayLook ? "no such directory" : `no permission to look (run with --allow-read=${text})`;
  if (options.offline) {
    const { host } = new URL(HUB);
    const how = mayReach(host) ? "without --offline" : `with --allow-net=${host} and without --offline`;
    const expected = `a local directory (download the model first), or a name on the hub ${how}`;
    throw new RemoraError("FILE_NOT_FOUND", "Cannot open", { file: text, expected, found });
  }
  if (!mayLook && !mayReach(new URL(HUB).host)) {
    const expected = `--allow-read=${text} if it is a directory, --allow-net=${
      new URL(HUB).host
    } if a hub id`;
    throw new RemoraError("FILE_NOT_FOUND", "Cannot open", { file: text, expected, found: "neither" });
  }
  const base = new URL(`${HUB}/${id}/resolve/${encodeURIComponent(revision)}/`);
  return httpSource(base, { ...options, label: text });
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
