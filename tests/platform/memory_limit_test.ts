/** What is learned of a machine's memory, from the files and numbers that hosts give. */
import assert from "node:assert/strict";
import { memoryLimit, type MemoryReadings } from "../../src/platform/memory_limit.ts";

const GIB = 2 ** 30;

/** A host that tells only what it is given. */
function host(files: Record<string, string>, told: Partial<Record<keyof MemoryReadings, number>> = {}) {
  return {
    readFile: (path: string) => files[path],
    available: () => told.available,
    constrained: () => told.constrained,
    resident: () => told.resident ?? 0,
    heapLimit: () => told.heapLimit,
    runtimeBytes: 0,
  };
}

const bytesOf = (...args: Parameters<typeof host>) => memoryLimit(host(...args))?.bytes;

Deno.test("memoryLimit(): what is available by /proc/meminfo counts, not what is free", () => {
  const meminfo = "MemTotal:       24684084 kB\nMemFree:        13537948 kB\nMemAvailable:   23673580 kB\n";
  assert.equal(bytesOf({ "/proc/meminfo": meminfo }), 23673580 * 1024);
  assert.equal(
    bytesOf({ "/proc/meminfo": meminfo }, { resident: 5 }),
    23673580 * 1024 + 5,
    "and what we have",
  );
});

Deno.test("memoryLimit(): a cgroup of version 2 binds, and so does every one above it; cached files are free", () => {
  const files = {
    "/proc/self/cgroup": "0::/outer/inner\n",
    "/sys/fs/cgroup/outer/inner/memory.max": `${4 * GIB}\n`,
    "/sys/fs/cgroup/outer/inner/memory.current": `${GIB}\n`,
    "/sys/fs/cgroup/outer/inner/memory.stat": "anon 5\ninactive_file 1000\nactive_file 24\n",
    "/sys/fs/cgroup/outer/memory.max": "max\n",
    "/sys/fs/cgroup/outer/memory.current": `${GIB}\n`,
  };
  assert.equal(bytesOf(files), 3 * GIB + 1024);
  assert.equal(bytesOf(files, { resident: 7 }), 3 * GIB + 1024 + 7, "what we have is ours");
  const tight = { ...files, "/sys/fs/cgroup/outer/memory.max": `${2 * GIB}\n` };
  assert.equal(bytesOf(tight), GIB);
  assert.equal(memoryLimit(host(tight))!.source, "available in the cgroup");
});

Deno.test("memoryLimit(): a cgroup of version 1, found at the root where a container hides the host's path", () => {
  const files = {
    "/proc/self/cgroup": "9:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/docker/1\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": `${2 * GIB}\n`,
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": `${GIB}\n`,
    "/sys/fs/cgroup/memory/memory.stat": "inactive_file 7\ntotal_inactive_file 100\ntotal_active_file 1\n",
  };
  assert.equal(bytesOf(files), GIB + 101);
  const unlimited = { ...files, "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n" };
  assert.equal(bytesOf(unlimited), undefined);
});

Deno.test("memoryLimit(): what the host tells of system and cgroup; the smaller counts", () => {
  assert.equal(bytesOf({}, { available: 5 * GIB }), 5 * GIB);
  assert.equal(bytesOf({}, { available: 5 * GIB, constrained: 3 * GIB, resident: GIB }), 3 * GIB);
  assert.equal(bytesOf({}, { available: 5 * GIB, constrained: 2 ** 63 }), 5 * GIB);
  assert.equal(bytesOf({}, { available: 5 * GIB, constrained: 0 }), 5 * GIB);
});

Deno.test("memoryLimit(): V8's heap limit tells a small machine's size when nothing else does", () => {
  assert.equal(bytesOf({}, { heapLimit: GIB }), 2 * GIB);
  assert.equal(bytesOf({}, { heapLimit: 4192 * 2 ** 20 }), undefined, "8 GiB or more");
  assert.equal(
    bytesOf({}, { heapLimit: GIB, available: 20 * GIB }),
    20 * GIB,
    "it may have been set by hand",
  );
  assert.equal(bytesOf({}), undefined);
});

Deno.test("memoryLimit(): files of another shape tell nothing", () => {
  const files = {
    "/proc/self/cgroup": "nonsense\n0::relative\n4:memory:/\n",
    "/proc/meminfo": "MemAvailable: many kB\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "-5\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": "\n",
  };
  assert.equal(bytesOf(files), undefined);
});

Deno.test({
  name: "memoryLimit(): without a permission nothing is asked for; with one the system is",
  async fn() {
    const moduleAt = (name: string) =>
      JSON.stringify(new URL(`../../src/platform/${name}.ts`, import.meta.url));
    const program = `
      import { platform as denoPlatform } from ${moduleAt("deno")};
      import { memoryLimit } from ${moduleAt("memory_limit")};
      console.log(memoryLimit(denoPlatform.memory)?.source ?? "");`;
    const run = async (...permissions: string[]) => {
      const path = await Deno.makeTempFile({ suffix: ".ts" });
      try {
        await Deno.writeTextFile(path, program);
        const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "--no-prompt", "--quiet", ...permissions, path],
        }).output();
        assert.equal(code, 0, new TextDecoder().decode(stderr));
        return new TextDecoder().decode(stdout).trim();
      } finally {
        await Deno.remove(path);
      }
    };
    assert.ok(["", "the machine has, by V8's heap limit"].includes(await run()));
    assert.match(await run("--allow-sys=systemMemoryInfo"), /^available in the (system|cgroup)$/);
  },
});
