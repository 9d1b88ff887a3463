/**
 * The library's hub with a stand-in for the real one and a cache of its own.
 *
 * @module
 */
import { pull, type PullInternals, type PullOptions } from "../../src/hub/pull.ts";
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { type StandIn, type StandInSettings, startStandIn } from "./stand_in.ts";

/** A stand-in, a cache, and a platform whose environment names both. */
export interface Surroundings {
  hub: StandIn;
  home: string;
  platform: Platform;
  /** Small parts and short waits, so that a small file comes in many. */
  pull(name: string, options?: PullOptions & PullInternals): Promise<string>;
}

/** Deno's platform with other variables of the environment. */
export function platformWith(variables: Record<string, string>, other: Partial<Platform> = {}): Platform {
  return { ...denoPlatform, environment: (name) => variables[name] ?? "", ...other };
}

/** Runs with them; the cache goes afterwards. */
export async function withHub(
  settings: StandInSettings,
  work: (surroundings: Surroundings) => Promise<void>,
  variables: Record<string, string> = {},
): Promise<void> {
  const home = Deno.makeTempDirSync();
  try {
    await using hub = startStandIn(settings);
    const platform = platformWith({ HF_HOME: home, HF_ENDPOINT: hub.hub, ...variables });
    await work({
      hub,
      home,
      platform,
      pull: async (name, options) =>
        (await pull(platform, name, { partBytes: 100_000, firstWait: 1, ...options })).folder,
    });
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
}

/** Requests for files. */
export function fileRequests({ requests }: StandIn): string[] {
  return requests.filter(({ path }) => !path.startsWith("/api/")).map(({ path }) => path);
}
