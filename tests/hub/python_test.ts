/**
 * The cache against Python's `huggingface_hub`: what either downloads the other finds, links and names of revisions are the same, and a
 * lock that one has keeps the other out. `PEERS_PYTHON` names a Python with tests/server/peers/requirements.txt; skipped without it.
 *
 * That it downloads from the stand-in also says that the stand-in answers as the hub does.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { findModelOf } from "../../src/hub/pull.ts";
import { COMMIT, sceneFiles, scenesRepository } from "./fixture.ts";
import { fileRequests, type Surroundings, withHub } from "./hub.ts";

const PYTHON = Deno.env.get("PEERS_PYTHON");

function testWithPython(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `${name}${PYTHON ? "" : " (needs PEERS_PYTHON)"}`, ignore: PYTHON === undefined, fn });
}

const SCENES = { repositories: [{ ...scenesRepository(), token: "hf_secret" }], faults: { pageFiles: 5 } };
const TOKEN = { HF_TOKEN: "hf_secret" };
const PATTERNS = JSON.stringify(sceneFiles());

/** Runs Python with the same cache and hub; what it printed. */
async function python({ home, hub }: Surroundings, program: string): Promise<string> {
  const env = { HF_HOME: home, HF_ENDPOINT: hub.hub, HF_HUB_DISABLE_TELEMETRY: "1", HF_TOKEN: "hf_secret" };
  const command = new Deno.Command(PYTHON!, { args: ["-c", program], env });
  const { success, stdout, stderr } = await command.output();
  ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

/** What a repository's part of the cache holds, links as they are written. */
function layout(home: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (below: string) => {
    for (const { name, isDirectory, isSymlink } of Deno.readDirSync(`${home}/hub/${below}`)) {
      const path = `${below}${name}`;
      if (isDirectory) visit(`${path}/`);
      else if (isSymlink) found[path] = `-> ${Deno.readLinkSync(`${home}/hub/${path}`)}`;
      else found[path] = path.includes("/refs/") ? Deno.readTextFileSync(`${home}/hub/${path}`) : "file";
    }
  };
  visit("");
  return found;
}

/** Python's own: what a repository holds, and a mark for backups. */
const isShared = ([path]: [string, string]) => !path.includes("/trees/") && path !== "CACHEDIR.TAG";

testWithPython(
  "what Python's huggingface_hub downloads is found, and not downloaded again",
  () =>
    withHub(SCENES, async (surroundings) => {
      const { hub, platform, pull } = surroundings;
      const program = `from huggingface_hub import snapshot_download
print(snapshot_download("owner/scenes", allow_patterns=${PATTERNS}))`;
      const folder = await python(surroundings, program);
      strictEqual(await findModelOf(platform, "owner/scenes"), folder);
      const before = fileRequests(hub).length;
      strictEqual(await pull("owner/scenes"), folder);
      strictEqual(fileRequests(hub).length, before);
      const byPython = layout(surroundings.home);
      await withHub(SCENES, async ({ home, pull }) => {
        await pull("owner/scenes");
        deepStrictEqual(
          Object.fromEntries(Object.entries(layout(home)).sort()),
          Object.fromEntries(Object.entries(byPython).filter(isShared).sort()),
        );
      }, TOKEN);
    }, TOKEN),
);

testWithPython(
  "what is downloaded here Python's huggingface_hub finds, and does not download again",
  () =>
    withHub(SCENES, async (surroundings) => {
      const { hub, home, pull } = surroundings;
      const folder = await pull("owner/scenes");
      const before = fileRequests(hub).length;
      const program = `from huggingface_hub import snapshot_download, hf_hub_download, scan_cache_dir
print(snapshot_download("owner/scenes", local_files_only=True))
print(snapshot_download("owner/scenes", allow_patterns=${PATTERNS}))
print(hf_hub_download("owner/scenes", "model.safetensors"))
[repository] = scan_cache_dir().repos
print(repository.repo_id, [sorted(r.refs) for r in repository.revisions], len(list(repository.revisions)[0].files))`;
      deepStrictEqual((await python(surroundings, program)).split("\n"), [
        folder,
        folder,
        `${folder}/model.safetensors`,
        `owner/scenes [['main']] ${sceneFiles().length}`,
      ]);
      // It asks for the headers of a file, and for none of its bytes.
      deepStrictEqual(
        hub.requests.filter(({ path }) => !path.startsWith("/api/")).slice(before).map(({ method }) => method)
          .filter((method) => method !== "HEAD"),
        [],
      );
      strictEqual(Deno.readTextFileSync(`${home}/hub/models--owner--scenes/refs/main`), COMMIT);
    }, TOKEN),
);

testWithPython("a lock that Python has is waited for", () =>
  withHub(SCENES, async (surroundings) => {
    const { home, pull } = surroundings;
    const { base64 } = SCENES.repositories[0].files["model.safetensors"];
    const digest = createHash("sha256").update(atob(base64), "latin1").digest("hex");
    const program = `import os, sys, time
from filelock import FileLock
folder = os.path.join(os.environ["HF_HOME"], "hub", ".locks", "models--owner--scenes")
os.makedirs(folder)
with FileLock(os.path.join(folder, "${digest}.lock")):
    open(os.path.join(os.environ["HF_HOME"], "held"), "w").close()
    time.sleep(1)
    print(time.time())`;
    const held = python(surroundings, program);
    const isHeld = () => [...Deno.readDirSync(home)].some(({ name }) => name === "held");
    while (!isHeld()) await new Promise((resolve) => setTimeout(resolve, 10));
    const notices: string[] = [];
    await pull("owner/scenes", { onNotice: (text) => notices.push(text) });
    const end = Date.now() / 1000;
    ok(end >= Number(await held), `${end} is before Python let go`);
    deepStrictEqual(notices, ["another process downloads model.safetensors; waiting for it"]);
  }, TOKEN));
