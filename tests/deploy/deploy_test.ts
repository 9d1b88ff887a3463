/**
 * The files of `deploy` by the programs that read them. `PEERS_PYTHON` names a Python with `tests/server/peers/requirements.txt` and
 * `kserve`; tests whose program is absent are skipped and say so.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const DEPLOY = `${ROOT}deploy`;
const PYTHON = Deno.env.get("PEERS_PYTHON");
const read = (path: string) => Deno.readTextFile(ROOT + path);

async function run(command: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, stdin: "null" }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

const hasSystemd = await run("systemd-analyze", "--version").then(({ code }) => code === 0, () => false);

Deno.test({
  name: `manifests fit Kubernetes' schemas and KServe's SDK${PYTHON ? "" : " (needs PEERS_PYTHON)"}`,
  ignore: PYTHON === undefined,
}, async () => {
  const names = ["deployment", "service", "autoscaler", "disruption-budget", "kserve"];
  const files = names.map((name) => `${DEPLOY}/kubernetes/${name}.yaml`);
  const { code, text } = await run(PYTHON!, `${ROOT}tests/deploy/check_manifests.py`, ...files);
  equal(code, 0, text);
  equal(text.trim().split("\n").length, 6);
});

Deno.test({
  name: `systemd takes the unit, and finds little exposed${hasSystemd ? "" : " (needs systemd-analyze)"}`,
  ignore: !hasSystemd,
}, async () => {
  const folder = await Deno.makeTempDir();
  const unit = `${folder}/remora.service`;
  // The program must be there.
  const text = (await read("deploy/remora.service")).replace("/usr/local/bin/deno", Deno.execPath());
  await Deno.writeTextFile(unit, text);
  const verified = await run("systemd-analyze", "verify", unit);
  equal(verified.code, 0, verified.text);
  // Ten times the exposure: 0 is none, 20 "OK".
  const { code, text: said } = await run(
    "systemd-analyze",
    "security",
    "--offline=true",
    "--threshold=20",
    unit,
  );
  equal(code, 0, said);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("container, unit and KServe give the same permissions, and the container has the gate's Deno", async () => {
  const files = ["deploy/Containerfile", "deploy/remora.service", "deploy/kubernetes/kserve.yaml"];
  for (const file of files) {
    const text = await read(file);
    const start = text.slice(text.lastIndexOf("--v8-flags"));
    deepEqual([...start.matchAll(/--allow-(\w+)/g)].map(([, kind]) => kind), ["read", "net", "sys"], file);
  }
  const [, version] = /deno@([\d.]+)/.exec(await read(".ci/run"))!;
  match(await read("deploy/Containerfile"), new RegExp(`deno@${version.replaceAll(".", "\\.")}\\b`));
});

Deno.test("the command of docs/fallback.md's Compose file answers while its vLLM is not there", async () => {
  const [, written] = /command: >-\n((?: {6}.*\n)+)/.exec(await read("docs/fallback.md"))!;
  using free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = `${free.addr.port}`, model = `${ROOT}models/scenes-mllama-int4`;
  free.close();
  const command = written.replaceAll("/model", model).replaceAll("8080", port).replaceAll(
    "0.0.0.0",
    "127.0.0.1",
  );
  const args = command.replaceAll("vllm:8000", "vllm.invalid:8000").trim().split(/\s+/);
  const child = new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stderr: "piped", stdout: "null" })
    .spawn();
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  for (let said = ""; !said.includes("http://127.0.0.1");) {
    const { value, done } = await reader.read();
    if (done) throw new Error(said);
    said += value;
  }
  const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "any", messages: [{ role: "user", content: "What can you do?" }] }),
  });
  deepEqual([response.status, response.headers.get("x-remora-served-by")], [200, "local"]);
  await response.body?.cancel();
  equal((await fetch(`http://127.0.0.1:${port}/x-remora/health`)).status, 200);
  child.kill("SIGTERM");
  equal((await child.status).code, 0);
  await reader.cancel();
});
