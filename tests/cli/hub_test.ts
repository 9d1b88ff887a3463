/** `remora pull`, `ls`, `rm`, `ps` and `run --pull`, with no more permissions than they name. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { COMMIT, scenesRepository, severalRepository } from "../hub/fixture.ts";
import { fileRequests } from "../hub/hub.ts";
import { type StandIn, startStandIn } from "../hub/stand_in.ts";
import { createHandler, createMetrics, loadModel } from "../../mod.ts";
import { hasPython, onTerminal, remoraCommand } from "./pseudo_terminal.ts";
import { hasPermissions, remora, type RunOptions } from "./remora.ts";
import { serve } from "./serving.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const ASK = ["--raw", "There is", "-n", "4", "-t", "1"];
const VARIABLES = "HOME,XDG_CACHE_HOME,HF_*";

interface Hub {
  hub: StandIn;
  home: string;
  folder: string;
  env: Record<string, string>;
  /** What reading the cache takes. */
  reading: RunOptions;
  /** What downloading takes. */
  writing: RunOptions;
}

async function withHub(work: (hub: Hub) => Promise<void>): Promise<void> {
  const home = Deno.makeTempDirSync();
  try {
    await using hub = startStandIn({
      repositories: [scenesRepository(), severalRepository(["a-Q4_K_M.gguf", "a-Q8_0.gguf"])],
    });
    const env = { HF_HOME: home, HF_ENDPOINT: hub.hub };
    const reading = { allowRead: home, allowEnv: VARIABLES, env };
    const allowNet = [hub.hub, hub.files].map((origin) => new URL(origin).host).join();
    const folder = `${home}/hub/models--owner--scenes/snapshots/${COMMIT}`;
    await work({ hub, home, folder, env, reading, writing: { ...reading, allowWrite: home, allowNet } });
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
}

Deno.test("pull downloads, run and show find it without the network, ls lists it, rm removes it", () =>
  withHub(async ({ hub, home, folder, reading, writing }) => {
    const pulled = await remora(["pull", "owner/scenes"], writing);
    assert.deepEqual([pulled.code, pulled.stdout, pulled.stderr], [0, `${folder}\n`, ""]);
    const before = fileRequests(hub).length;
    const again = await remora(["pull", "owner/scenes", "--json"], writing);
    assert.deepEqual(JSON.parse(again.stdout), { model: "owner/scenes", folder, fetchedBytes: 0 });
    assert.equal(fileRequests(hub).length, before);
    const several = await remora(["pull", "owner/several"], writing);
    assert.match(
      several.stderr,
      /^remora: owner\/several has several quantisations: Q4_K_M is taken[^\n]*\n$/,
    );

    const asked = hub.requests.length;
    const plain = await remora(["run", SCENES, ...ASK], { allowRead: SCENES });
    const found = await remora(["run", "owner/scenes", ...ASK], reading);
    assert.deepEqual([found.code, found.stderr, found.stdout], [0, "", plain.stdout]);
    const gguf = await remora(["show", "owner/several", "--json"], reading);
    assert.equal(JSON.parse(gguf.stdout).model, "owner/several");

    const listed = await remora(["ls"], reading);
    assert.deepEqual(listed.stdout.split("\n").slice(0, -1).map((line) => line.split(/ {2,}/)), [
      ["name", "revision", "format", "size", "runs"],
      ["owner/scenes", `main ${COMMIT.slice(0, 7)}`, "safetensors", "3.7 MB", "yes"],
      ["owner/several:Q4_K_M", `main ${COMMIT.slice(0, 7)}`, "GGUF Q4_K_M", "582.0 kB", "yes"],
    ]);
    Deno.removeSync(`${folder}/model.safetensors`);
    const { models } = JSON.parse((await remora(["ls", "--json"], reading)).stdout);
    assert.deepEqual([models[0].isWhole, models[0].runs, models[0].format], [false, false, "other"]);
    assert.equal(hub.requests.length, asked);

    const unasked = await remora(["rm", "owner/scenes"], writing);
    assert.deepEqual([unasked.code, unasked.stdout], [2, ""]);
    const removed = await remora(["rm", "owner/scenes", "--yes"], writing);
    assert.deepEqual([removed.code, removed.stdout], [0, "removed owner/scenes: 3.7 MB\n"]);
    assert.deepEqual([...Deno.readDirSync(`${home}/hub`)].map(({ name }) => name).sort(), [
      ".locks",
      "models--owner--several",
    ]);
    const gone = await remora(["rm", "owner/scenes", "--yes"], writing);
    assert.match(gone.stderr, /^remora: Cannot remove "owner\/scenes"[^\n]*no such model\n$/);
  }));

Deno.test("rm keeps what another snapshot has", () =>
  withHub(async ({ home, folder, writing }) => {
    await remora(["pull", "owner/scenes"], writing);
    const other = folder.replace(COMMIT, "0".repeat(40));
    Deno.mkdirSync(other);
    Deno.linkSync(`${folder}/config.json`, `${other}/config.json`);
    const { stdout } = await remora(["rm", "owner/scenes@main", "--yes", "--json"], writing);
    assert.deepEqual(JSON.parse(stdout).commits, [COMMIT]);
    const blobs = `${home}/hub/models--owner--scenes/blobs`;
    assert.deepEqual([...Deno.readDirSync(blobs)].map(({ name }) => Deno.statSync(`${blobs}/${name}`).size), [
      Deno.statSync(`${other}/config.json`).size,
    ]);
    assert.deepEqual([...Deno.readDirSync(`${home}/hub/models--owner--scenes/refs`)], []);
  }));

Deno.test("run --pull downloads first", () =>
  withHub(async ({ folder, writing }) => {
    const run = await remora(["run", "owner/scenes", ...ASK, "--pull"], writing);
    assert.deepEqual([run.code, run.stderr], [0, ""]);
    assert.ok(Deno.statSync(`${folder}/model.safetensors`).size > 0);
    const folderName = await remora(["run", SCENES, ...ASK, "--pull"], { ...writing, allowRead: SCENES });
    assert.match(folderName.stderr, /^remora: Cannot use --pull: expected a name on the hub[^\n]*\n$/);
  }));

Deno.test("serve --pull downloads first, serve finds it without the network, and is told what to do without", () =>
  withHub(async ({ hub, folder, reading, writing }) => {
    const absent = await remora(["serve", "owner/scenes", "--port", "0"], {
      ...reading,
      allowNet: "127.0.0.1:0",
    });
    assert.equal(absent.code, 1);
    assert.match(
      absent.stderr,
      /^remora: Cannot open "owner\/scenes"[^\n]*remora pull owner\/scenes[^\n]*\n$/,
    );
    const pulling = await serve(["owner/scenes", "--pull"], writing);
    const pulled = await pulling.end();
    assert.deepEqual([pulled.code, pulled.stderr], [0, `remora: serving scenes at ${pulling.url}\n`]);
    // Whoever asks while it is downloaded is told so.
    assert.ok(pulling.statuses.has(503), [...pulling.statuses].join());
    assert.ok(Deno.statSync(`${folder}/model.safetensors`).size > 0);
    const asked = hub.requests.length;
    const finding = await serve(["owner/scenes", "--pull"], reading);
    const { models } = await (await fetch(`${finding.url}/v1/models`)).json()
      .then(({ data }) => ({ models: data.map(({ id }: { id: string }) => id) }));
    assert.deepEqual(models, ["scenes"]);
    await finding.end();
    assert.equal(hub.requests.length, asked);
    const other = await remora(["serve", SCENES, "--pull", "--port", "0"], {
      ...writing,
      allowRead: SCENES,
      allowNet: "127.0.0.1:0",
    });
    assert.match(other.stderr, /^remora: Cannot use --pull: expected a name on the hub[^\n]*\n$/);
  }));

Deno.test("a model that is not there is read from the hub, and the token stays with it", () =>
  withHub(async ({ hub, home, reading, env, writing: { allowNet } }) => {
    const options = { ...reading, allowNet, env: { ...env, HF_TOKEN: "hf_secret" } };
    const run = await remora(["run", "owner/scenes", ...ASK], options);
    const plain = await remora(["run", SCENES, ...ASK], { allowRead: SCENES });
    assert.deepEqual([run.code, run.stderr, run.stdout], [0, "", plain.stdout]);
    const sent = new Set(hub.requests.map(({ origin, authorization }) => `${origin} ${authorization}`));
    assert.deepEqual([...sent].sort(), ["files null", "hub Bearer hf_secret"]);
    assert.deepEqual([...Deno.readDirSync(home)], []);
    const offline = await remora(["run", "owner/scenes", ...ASK], {
      ...options,
      env: { ...env, HF_HUB_OFFLINE: "1" },
    });
    assert.match(
      offline.stderr,
      /^remora: Cannot open "owner\/scenes": [^\n]*no whole model of that name[^\n]*\n$/,
    );
  }));

Deno.test(
  "what pull lacks is named",
  { ignore: !hasPermissions },
  () =>
    withHub(async ({ reading, writing }) => {
      const cases: [RunOptions, string][] = [
        [reading, "--allow-net="],
        [{ ...writing, allowWrite: undefined }, "--allow-write="],
        [{ ...writing, allowRead: undefined }, "--allow-read="],
        [{ ...writing, allowEnv: "HF_ENDPOINT" }, "--allow-env="],
        [{ ...writing, allowNet: writing.allowNet!.split(",")[0] }, "--allow-net="],
      ];
      for (const [options, flag] of cases) {
        const { code, stderr } = await remora(["pull", "owner/scenes"], options);
        assert.equal(code, 1);
        assert.match(stderr, new RegExp(`^remora: [^\\n]*${flag}[^\\n]*\\n$`));
      }
    }),
);

Deno.test({
  name: `on a terminal run asks whether to download, and rm whether to remove${
    hasPython ? "" : " (needs Python)"
  }`,
  ignore: !hasPython || !hasPermissions,
  fn: () =>
    withHub(async ({ hub, home, folder, env, writing: { allowNet } }) => {
      const permissions = [
        "--no-prompt",
        `--allow-net=${allowNet}`,
        `--allow-env=${VARIABLES}`,
        `--allow-read=${home}`,
        `--allow-write=${home}`,
      ];
      const command = (...args: string[]) => remoraCommand(args, permissions);
      const no = await onTerminal(command("rm", "owner/none"), { env });
      assert.match(no.text, /no such model/);
      const stopped = await onTerminal(command("run", "owner/scenes", ...ASK), {
        env,
        steps: [["[y/N]", "\u0003"]],
      });
      assert.equal(stopped.code, 130);
      const run = await onTerminal(command("run", "owner/scenes", ...ASK), {
        env,
        steps: [["[y/N]", "y\n"]],
      });
      assert.match(run.text, /owner\/scenes is not on this machine\. Download it\?/);
      assert.match(run.text, /3\.7 MB of 3\.7 MB/);
      assert.ok(Deno.statSync(`${folder}/model.safetensors`).size > 0);
      const asked = hub.requests.length;
      const kept = await onTerminal(command("rm", "owner/scenes"), { env, steps: [["[y/N]", "\n"]] });
      assert.match(kept.text, /Remove owner\/scenes \(1 snapshot, 3\.7 MB\)\?/);
      assert.equal(kept.code, 1);
      const gone = await onTerminal(command("rm", "owner/scenes"), { env, steps: [["[y/N]", "y\n"]] });
      assert.match(gone.text, /removed owner\/scenes: 3\.7 MB/);
      assert.equal(hub.requests.length, asked);
    }),
});

Deno.test("ps tells what a server is doing", async () => {
  await using model = await loadModel(SCENES, { threads: 1 });
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    createHandler({ scenes: model }, { metrics: await createMetrics() }),
  );
  try {
    const { port } = server.addr;
    const url = `http://127.0.0.1:${port}`;
    const body = JSON.stringify({ model: "scenes", prompt: "There is", max_tokens: 3 });
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${url}/v1/completions`, { method: "POST", headers, body });
    const { usage } = await answer.json();
    const options = { allowNet: `127.0.0.1:${port}` };
    const { stdout } = await remora(["ps", url, "--json"], options);
    const { models, memoryBytes } = JSON.parse(stdout);
    assert.equal(models.length, 1);
    assert.ok(memoryBytes > 1e7 && memoryBytes < 1e11, `${memoryBytes}`);
    const [{ cacheUsage, ...counts }] = models;
    assert.ok(cacheUsage >= 0 && cacheUsage <= 1);
    assert.deepEqual(counts, {
      model: "scenes",
      running: 0,
      waiting: 0,
      promptTokens: usage.prompt_tokens,
      generatedTokens: usage.completion_tokens,
    });
    assert.match(
      (await remora(["ps", url], options)).stdout,
      /^model +running +waiting +cache .*\nscenes +0 +0 /,
    );
  } finally {
    await server.shutdown();
  }
  const gone = await remora(["ps", "http://127.0.0.1:1"], { allowNet: "127.0.0.1:1" });
  assert.match(
    gone.stderr,
    /^remora: Cannot ask "http:\/\/127\.0\.0\.1:1\/metrics": expected a server[^\n]*\n$/,
  );
});
