/**
 * How much memory this process may take in all: what it has taken and what is still available.
 *
 * No permission is asked for: those that were granted are used. The most trustworthy source comes first:
 *
 * | what is granted                      | what is known                                                             |
 * | ------------------------------------ | ------------------------------------------------------------------------- |
 * | everything (Deno guards /proc, /sys) | the limits of the process's cgroup and those above it, and MemAvailable   |
 * | `--allow-sys=systemMemoryInfo`       | what the system has available, and the limit of the innermost cgroup      |
 * | nothing                              | the size of a machine of less than 8 GiB; of a larger one nothing         |
 *
 * Without a permission V8's heap limit is used: Deno 2.9.6 gives the heap half of the machine's memory, 4 GiB at most, and up to
 * 96 MiB more for young objects (measured with sysinfo(2) replaced: 1 GiB gives 536 MiB, 2 GiB 1,072, 4 GiB 2,144, from 8 GiB on
 * 4,192). That limit does not follow cgroups, so a container's limit is known only with one of the first two rows.
 *
 * @module
 */

/** A bound on what may be taken. */
export interface MemoryLimit {
  /** In all, including what the process has already. */
  bytes: number;
  /** Where it comes from, in a few words. */
  source: string;
}

/** What the host tells; `undefined` where it does not. */
export interface MemoryReadings {
  readFile(path: string): string | undefined;
  /** Bytes that the system has available. */
  available(): number | undefined;
  /** Bytes that the process's cgroup may take. */
  constrained(): number | undefined;
  /** Bytes that the process takes; 0 where the host does not tell. */
  resident(): number;
  /** Bytes that V8's heap may take. */
  heapLimit(): number | undefined;
  /** What the runtime itself is known to allow a program. */
  readonly ofRuntime?: MemoryLimit;
  /** Bytes that the runtime takes besides the model: with this library, compiled kernels, and a tokenizer of 49,152 tokens. */
  readonly runtimeBytes: number;
}

/** From here on, V8's heap has the size that it has on every machine of 8 GiB or more. */
const TELLING_HEAP_BYTES_END = 4192 * 2 ** 20;
/** Share of the machine's memory that Deno gives to V8's heap at least. */
const HEAP_SHARE = 0.5;
/** An unlimited cgroup v1 reports the largest number of pages; no machine has a pebibyte. */
const UNLIMITED_BYTES = 2 ** 50;

/** The smallest limit that is known, or `undefined`. */
export function memoryLimit(readings: MemoryReadings): MemoryLimit | undefined {
  const limits = [...groupLimits(readings), ...systemLimits(readings)];
  if (readings.ofRuntime) limits.push(readings.ofRuntime);
  if (limits.length > 0) return limits.reduce((least, limit) => limit.bytes < least.bytes ? limit : least);
  const heap = readings.heapLimit();
  if (heap === undefined || heap >= TELLING_HEAP_BYTES_END) return undefined;
  return { bytes: heap / HEAP_SHARE, source: "the machine has, by V8's heap limit" };
}

function systemLimits(readings: MemoryReadings): MemoryLimit[] {
  const limits: MemoryLimit[] = [];
  const kilobytes = numberOf(/^MemAvailable:\s*(\d+) kB$/m, readings.readFile("/proc/meminfo"));
  const available = kilobytes === undefined ? readings.available() : kilobytes * 1024;
  if (available !== undefined) {
    limits.push({ bytes: available + readings.resident(), source: "available in the system" });
  }
  const constrained = readings.constrained();
  if (constrained !== undefined && constrained > 0 && constrained < UNLIMITED_BYTES) {
    limits.push({ bytes: constrained, source: "available in the cgroup" });
  }
  return limits;
}

/** The limits of the process's cgroups: of every one from its own up to the root, each binds. */
function groupLimits({ readFile, resident }: MemoryReadings): MemoryLimit[] {
  const limits: MemoryLimit[] = [];
  for (const line of readFile("/proc/self/cgroup")?.split("\n") ?? []) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    const files = controllers === ""
      ? GROUP_FILES.v2
      : controllers?.split(",").includes("memory")
      ? GROUP_FILES.v1
      : undefined;
    if (!files) continue;
    // In a container the path may be the host's, which is not there: its root is then the container's group.
    for (let group: string | undefined = path; group !== undefined; group = parentOf(group)) {
      const read = (name: string) => readFile(`${files.root}${group === "/" ? "" : group}/${name}`);
      const limit = numberOf(/^(\d+)$/m, read(files.limit));
      const used = numberOf(/^(\d+)$/m, read(files.used));
      if (limit === undefined || used === undefined || limit >= UNLIMITED_BYTES) continue;
      // Cached file contents are counted as used, but the system frees them when memory is needed.
      const cached = files.cached.reduce(
        (sum, field) => sum + (numberOf(field, read("memory.stat")) ?? 0),
        0,
      );
      const free = Math.max(0, limit - used + cached);
      limits.push({ bytes: free + resident(), source: "available in the cgroup" });
    }
  }
  return limits;
}

const GROUP_FILES = {
  v1: {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cached: [/^total_inactive_file (\d+)$/m, /^total_active_file (\d+)$/m],
  },
  v2: {
    root: "/sys/fs/cgroup",
    limit: "memory.max",
    used: "memory.current",
    cached: [/^inactive_file (\d+)$/m, /^active_file (\d+)$/m],
  },
};

function parentOf(group: string): string | undefined {
  if (group === "/") return undefined;
  return group.slice(0, group.lastIndexOf("/")) || "/";
}

function numberOf(pattern: RegExp, text: string | undefined): number | undefined {
  const digits = text === undefined ? undefined : pattern.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
