/** `remora doctor` with the permissions that it is given and no more, against what the machine and the files are. */
import assert from "node:assert/strict";
import { processorInstructions, processorQuota } from "../../cli/processor.ts";
import { goldenPath } from "../shared.ts";
import { hasPermissions, remora } from "./remora.ts";

const MODEL = goldenPath("gptq-v1-sym-g32");

interface Found {
  subject: string;
  state: string;
  found: string;
  advice?: string;
}

async function examine(args: string[], options: Parameters<typeof remora>[1] = {}) {
  const { code, stdout, stderr } = await remora(["doctor", ...args, "--json"], options);
  assert.equal(stderr, "");
  const { canRun, machine, permissions, model } = JSON.parse(stdout);
  assert.equal(code, canRun ? 0 : 1);
  const bySubject = (findings: Found[]) => new Map(findings.map((finding) => [finding.subject, finding]));
  return {
    canRun,
    machine: bySubject(machine),
    permissions: bySubject(permissions),
    model: bySubject(model),
  };
}

Deno.test({
  name: "doctor: without permissions every line is there, and says which would tell more",
  ignore: !hasPermissions,
  async fn() {
    const { canRun, machine, permissions, model } = await examine([]);
    assert.ok(canRun);
    assert.deepEqual([...machine.keys()], [
      "runtime",
      "processor",
      "relaxed SIMD",
      "vectors",
      "threads",
      "trial",
      "memory",
    ]);
    assert.equal(machine.get("runtime")!.found.startsWith(`Deno ${Deno.version.deno}, V8 `), true);
    assert.match(machine.get("processor")!.advice!, /--allow-sys=cpus/);
    assert.match(machine.get("trial")!.found, /\d+ tokens of a prompt, \d+ of an answer/);
    assert.deepEqual([...permissions.keys()], ["read", "write", "net", "sys", "env"]);
    for (const { state, advice } of permissions.values()) {
      assert.equal(state, "note");
      assert.match(advice!, /--allow-/);
    }
    assert.equal(model.size, 0);
  },
});

Deno.test("doctor: what is permitted is told", async () => {
  const { machine } = await examine([], { allowSys: "cpus,systemMemoryInfo" });
  assert.match(machine.get("memory")!.found, /[\d.]+ [MG]B available/);
  assert.ok(!/not known/.test(machine.get("processor")!.found));
});

Deno.test("doctor: a model's files, what it is and takes; one line each for people", async () => {
  const { model } = await examine([MODEL], { allowRead: MODEL });
  assert.equal(model.get("config.json")!.state, "ok");
  assert.match(model.get("model")!.found, /^llama, .*gptq 4 bit g32/);
  const { code, stdout } = await remora(["doctor", "-m", MODEL], { allowRead: MODEL });
  assert.equal(code, 0);
  for (const line of stdout.split("\n")) assert.match(line, /^([✓·!✗] {2}\S.*)?$/);
});

Deno.test("doctor: a GGUF file, and a folder with one, need nothing else", async () => {
  const folder = goldenPath("gguf-q4_0");
  for (const place of [folder, `${folder}/model.gguf`]) {
    const { canRun, model } = await examine([place], { allowRead: folder });
    assert.ok(canRun);
    assert.deepEqual([...model.keys()], ["model.gguf", "model", "size"]);
    assert.match(model.get("model.gguf")!.found, /^[\d.]+ [kM]B$/);
  }
});

Deno.test("doctor: what keeps a model from running is a problem, and the exit code 1", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    for (const { name } of Deno.readDirSync(MODEL)) {
      Deno.writeFileSync(`${folder}/${name}`, Deno.readFileSync(`${MODEL}/${name}`));
    }
    Deno.truncateSync(`${folder}/model.safetensors`, 1000);
    Deno.removeSync(`${folder}/tokenizer.json`);
    const { canRun, model } = await examine([folder], { allowRead: folder });
    assert.equal(canRun, false);
    const problems = [...model.values()].filter(({ state }) => state === "problem");
    assert.deepEqual(problems.map(({ subject }) => subject), ["model.safetensors", "tokenizer.json"]);
    for (const { advice } of problems) assert.equal(advice, "download it again");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
  assert.equal((await examine(["/nowhere"], { allowRead: "/nowhere" })).model.get("model")!.state, "problem");
  const large = await examine([MODEL, "-c", "100000000"], { allowRead: MODEL });
  assert.match(large.model.get("model")!.found, /contextSize/);
});

Deno.test({
  name: "doctor: a model that may not be read is a problem that names the flag",
  ignore: !hasPermissions,
  async fn() {
    const { model } = await examine([MODEL]);
    assert.match(model.get("model")!.found, /pass --allow-read=/);
  },
});

Deno.test("doctor: wrong command lines are refused", async () => {
  for (const args of [["a", "b"], ["--nope"], ["-m", "a", "b"]]) {
    const { code, stderr } = await remora(["doctor", ...args]);
    assert.equal(code, 2);
    assert.match(stderr, /^remora: [^\n]+\n$/);
  }
});

Deno.test("instructions are those that the system tells", () => {
  const of = (text: string) => processorInstructions(() => text);
  assert.deepEqual(of("processor : 0\nflags\t\t: fpu avx avx2 avx_vnni\n\nprocessor : 1\n"), [
    "AVX2",
    "AVX-VNNI",
  ]);
  assert.deepEqual(of("flags : avx512f avx2 avx512_vnni"), ["AVX2", "AVX-512", "AVX-512 VNNI"]);
  assert.deepEqual(of("Features\t: fp asimd asimddp i8mm"), ["dot products", "I8MM"]);
  assert.deepEqual(of("flags : sse2"), []);
  assert.equal(processorInstructions(() => undefined), undefined);
});

Deno.test("the least quota of the cgroups counts, in both versions", () => {
  const of = (files: Record<string, string>) => processorQuota((path) => files[path]);
  assert.equal(
    of({
      "/proc/self/cgroup": "0::/a/b\n",
      "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
      "/sys/fs/cgroup/a/cpu.max": "150000 100000\n",
      "/sys/fs/cgroup/cpu.max": "400000 100000\n",
    }),
    1.5,
  );
  const v1 = { "/proc/self/cgroup": "4:memory:/m\n1:cpu,cpuacct:/c\n0::/\n" };
  assert.equal(
    of({
      ...v1,
      "/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us": "50000\n",
      "/sys/fs/cgroup/cpu/c/cpu.cfs_period_us": "100000\n",
    }),
    0.5,
  );
  assert.equal(
    of({
      ...v1,
      "/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us": "-1\n",
      "/sys/fs/cgroup/cpu/c/cpu.cfs_period_us": "100000\n",
    }),
    undefined,
  );
  assert.equal(of({}), undefined);
});
