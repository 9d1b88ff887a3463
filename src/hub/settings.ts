/**
 * Where the hub is, where its files are kept, and who is asking: by the variables of the environment that Python's `huggingface_hub`
 * reads, as far as they may be read.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { HUB_TOKEN_BYTES_MAX } from "../core/limits.ts";
import type { Platform } from "../platform/platform.ts";

/** What is set. */
export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** The folder of the cache; absent where a variable that may say so may not be read. */
  readonly cache?: string;
  /** That variable. */
  readonly unreadable?: string;
  /** HF_HUB_OFFLINE, or TRANSFORMERS_OFFLINE. */
  readonly isOffline: boolean;
}

/** What settings are read from. */
export type SettingsPlatform = Pick<Platform, "environment" | "storage">;

const ENDPOINT = "https://huggingface.co";

/** @throws {RemoraError} BAD_ARGUMENT for an HF_ENDPOINT that is no http(s) URL. */
export function readHubSettings(platform: SettingsPlatform): HubSettings {
  const { environment } = platform;
  const isOffline = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].some((name) =>
    /^(1|on|yes|true)$/i.test(environment(name) ?? "")
  );
  return {
    endpoint: readEndpoint(environment("HF_ENDPOINT") || ENDPOINT),
    isOffline,
    ...findCache(platform),
  };
}

/**
 * The token to ask with, from HF_TOKEN or the file that `hf auth login` writes.
 *
 * @throws {RemoraError} BAD_ARGUMENT for one that no header can hold.
 */
export function readToken({ environment, storage }: SettingsPlatform): string | undefined {
  if (/^(1|on|yes|true)$/i.test(environment("HF_HUB_DISABLE_IMPLICIT_TOKEN") ?? "")) return undefined;
  const home = findHome(environment);
  const file = environment("HF_TOKEN_PATH") || ("home" in home ? `${home.home}/token` : undefined);
  const text = environment("HF_TOKEN") ||
    (file === undefined ? "" : storage?.readText(expand(file, environment), HUB_TOKEN_BYTES_MAX)) || "";
  const token = text.trim();
  if (token === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new RemoraError("BAD_ARGUMENT", "Cannot use the hub's token (HF_TOKEN, or its file)", {
    expected: "printable characters without spaces",
    found: "others",
  });
}

function readEndpoint(text: string): string {
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === "") {
    return url.href.replace(/\/+$/, "");
  }
  throw new RemoraError("BAD_ARGUMENT", "Cannot use HF_ENDPOINT", {
    expected: "an http(s) URL",
    found: `"${text}"`,
  });
}

/** The cache, or the first variable on the way to it that may not be read: a guess could be another cache than Python's. */
function findCache(
  { environment, storage }: SettingsPlatform,
): Pick<HubSettings, "cache" | "unreadable"> {
  if (storage === undefined) return {};
  const named = environment("HF_HUB_CACHE");
  if (named === undefined) return { unreadable: "HF_HUB_CACHE" };
  // The second is the name of former years.
  const folder = named || environment("HUGGINGFACE_HUB_CACHE");
  if (folder) return { cache: expand(folder, environment) };
  const home = findHome(environment);
  return "home" in home ? { cache: `${home.home}/hub` } : home;
}

/** HF_HOME. */
function findHome(environment: Platform["environment"]): { home: string } | { unreadable: string } {
  const own = environment("HF_HOME");
  if (own === undefined) return { unreadable: "HF_HOME" };
  if (own !== "") return { home: expand(own, environment) };
  const caches = environment("XDG_CACHE_HOME");
  if (caches === undefined) return { unreadable: "XDG_CACHE_HOME" };
  if (caches !== "") return { home: `${expand(caches, environment)}/huggingface` };
  const home = environment("HOME") || environment("USERPROFILE");
  return home ? { home: `${home}/.cache/huggingface` } : { unreadable: "HOME" };
}

/** The user's folder for the `~` at the beginning. */
function expand(path: string, environment: Platform["environment"]): string {
  const home = environment("HOME") || environment("USERPROFILE");
  return home && /^~(?=$|[/\\])/.test(path) ? home + path.slice(1) : path;
}
