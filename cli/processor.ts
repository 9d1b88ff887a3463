/**
 * Which processor this is; a figure without one says nothing.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { host } from "./host/current.ts";

/** Instructions that matter to products of integers: what /proc/cpuinfo calls them, and people. */
const INSTRUCTIONS: Readonly<Record<string, string>> = {
  avx2: "AVX2",
  avx512f: "AVX-512",
  avx512_vnni: "AVX-512 VNNI",
  avx_vnni: "AVX-VNNI",
  asimddp: "dot products",
  i8mm: "I8MM",
};

/** The processor's name where the permission is granted; it is not asked for. */
export function processorName(): string {
  return knownProcessorName() ??
    `unknown processor${host.isGranted({ name: "sys", kind: "cpus" }) ? "" : " (pass --allow-sys=cpus)"}`;
}

/** The same; `undefined` where it is not known. */
export function knownProcessorName(): string | undefined {
  if (!host.isGranted({ name: "sys", kind: "cpus" })) return undefined;
  return cpus()[0]?.model.trim() || undefined;
}

/** Instructions of the processor by /proc/cpuinfo, or `undefined` where that is not there or may not be read. */
export function processorInstructions(read = readSystemFile): string[] | undefined {
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(read("/proc/cpuinfo") ?? "")?.[1].trim().split(/\s+/);
  return flags &&
    Object.keys(INSTRUCTIONS).filter((flag) => flags.includes(flag)).map((flag) => INSTRUCTIONS[flag]);
}

/**
 * Processors' worth of time that the process's cgroups let it have, of every one from its own up to the root; `undefined`
 * where they set no limit or it is not known.
 */
export function processorQuota(read = readSystemFile): number | undefined {
  const quotas: number[] = [];
  for (const line of read("/proc/self/cgroup")?.split("\n") ?? []) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers !== "" && !controllers?.split(",").includes("cpu")) continue;
    const folders = path.split("/").filter((name) => name !== "");
    for (let depth = folders.length; depth >= 0; depth--) {
      const below = folders.slice(0, depth).map((name) => `/${name}`).join("");
      const [quota, period] = controllers === ""
        ? read(`/sys/fs/cgroup${below}/cpu.max`)?.trim().split(" ") ?? []
        : ["quota", "period"].map((name) => read(`/sys/fs/cgroup/cpu${below}/cpu.cfs_${name}_us`));
      // No limit is "max" in the second version, -1 in the first.
      if (Number(quota) > 0 && Number(period) > 0) quotas.push(Number(quota) / Number(period));
    }
  }
  return quotas.length > 0 ? Math.min(...quotas) : undefined;
}

/** A file of /proc or /sys. Deno opens these only with all permissions, whatever it says of them, and never asks. */
function readSystemFile(path: string): string | undefined {
  if (!host.isGranted({ name: "read", path })) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
