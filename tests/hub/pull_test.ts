/** Downloads from a stand-in of the hub: what comes, what does not, and what failures leave behind. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { createHash } from "node:crypto";
import { inspect as inspectCause } from "node:util";
import { findModelOf, pull } from "../../src/hub/pull.ts";
import { installedModels, removeInstalled } from "../../src/hub/installed.ts";
import { RemoraError } from "../../src/core/errors.ts";
import { assertRefused } from "../errors.ts";
import { COMMIT, sceneFiles, scenesRepository, severalRepository, standInFile, UNNEEDED } from "./fixture.ts";
import { fileRequests, platformWith, withHub } from "./hub.ts";

const SCENES = { repositories: [scenesRepository()] };

/** Contents of a folder by name, links followed. */
function contents(folder: string): Record<string, string> {
  return Object.fromEntries(
    [...Deno.readDirSync(folder)].map(({ name }) => [
      name,
      createHash("sha256").update(Deno.readFileSync(`${folder}/${name}`)).digest("hex"),
    ]),
  );
}

const EXPECTED = Object.fromEntries(
  sceneFiles().map((name) => [
    name,
    createHash("sha256").update(atob(SCENES.repositories[0].files[name].base64), "latin1").digest("hex"),
  ]),
);

Deno.test("pull() brings what a model needs, and nothing twice", () =>
  withHub(SCENES, async ({ hub, home, platform, pull }) => {
    strictEqual(await findModelOf(platform, "owner/scenes"), undefined);
    const seen: number[] = [];
    const folder = await pull("owner/scenes", {
      onProgress: ({ doneBytes, totalBytes }) => seen.push(doneBytes / totalBytes),
    });
    strictEqual(folder, `${home}/hub/models--owner--scenes/snapshots/${COMMIT}`);
    deepStrictEqual(contents(folder), EXPECTED);
    strictEqual(seen.at(-1), 1);
    ok(seen.every((share, i) => share >= (seen[i - 1] ?? 0)));
    for (const name of UNNEEDED) ok(!fileRequests(hub).some((path) => path.endsWith(name)), name);
    strictEqual(await findModelOf(platform, "owner/scenes"), folder);
    strictEqual(await findModelOf(platform, `owner/scenes@${COMMIT}`), folder);
    const before = fileRequests(hub).length;
    strictEqual(await pull("owner/scenes"), folder);
    strictEqual(await pull("owner/scenes@v1"), folder);
    strictEqual(fileRequests(hub).length, before);
    strictEqual(Deno.readTextFileSync(`${home}/hub/models--owner--scenes/refs/v1`), COMMIT);
  }));

Deno.test("pull() comes to its end whatever happens on the way", () =>
  withHub({
    ...SCENES,
    faults: { cut: 0.2, busy: 0.1, limited: 0.1, truncate: 0.1, seed: 7, pieceBytes: 10_000, pageFiles: 3 },
  }, async ({ pull }) => deepStrictEqual(contents(await pull("owner/scenes")), EXPECTED)));

Deno.test("a flipped bit is never believed, and is gone with the next attempt", () =>
  withHub({ ...SCENES, faults: { flip: 1 } }, async ({ hub, home, platform, pull }) => {
    await assertRefused(() => pull("owner/scenes"), "BAD_FILE", "2 times");
    strictEqual(await findModelOf(platform, "owner/scenes"), undefined);
    deepStrictEqual([...Deno.readDirSync(`${home}/hub/models--owner--scenes/blobs`)], []);
    hub.faults = {};
    deepStrictEqual(contents(await pull("owner/scenes")), EXPECTED);
  }));

Deno.test("an interrupted download goes on where it was", () =>
  withHub({ ...SCENES, faults: { slow: 1, pieceBytes: 20_000 } }, async ({ hub, home, platform, pull }) => {
    const stop = new AbortController();
    const reason = new Error("enough");
    await rejects(
      pull("owner/scenes", {
        signal: stop.signal,
        onProgress: ({ doneBytes }) => doneBytes > 1_500_000 && stop.abort(reason),
      }),
      reason,
    );
    strictEqual(await findModelOf(platform, "owner/scenes"), undefined);
    const [partial] = [...Deno.readDirSync(`${home}/hub/models--owner--scenes/blobs`)].filter(({ name }) =>
      name.endsWith(".remora.incomplete")
    );
    const { size } = Deno.statSync(`${home}/hub/models--owner--scenes/blobs/${partial.name}`);
    ok(size > 500_000, `${size}`);
    hub.faults = {};
    hub.requests.length = 0;
    deepStrictEqual(contents(await pull("owner/scenes")), EXPECTED);
    const ranges = hub.requests.filter(({ range }) => range !== null).map(({ range }) =>
      Number(/=(\d+)-/.exec(range!)![1])
    );
    strictEqual(Math.min(...ranges), size);
  }));

Deno.test("two downloads at once share the work", () =>
  withHub({ ...SCENES, faults: { slow: 2 } }, async ({ hub, pull }) => {
    const notices: string[] = [];
    const onNotice = (text: string) => void notices.push(text);
    const folders = await Promise.all([1, 2].map(() => pull("owner/scenes", { onNotice })));
    strictEqual(folders[0], folders[1]);
    const asked = hub.requests.filter(({ origin }) => origin === "files").map(({ range }) => range);
    strictEqual(new Set(asked).size, asked.length);
    ok(notices.some((text) => text.startsWith("another process downloads")), inspectCause(notices));
  }));

Deno.test("what is being downloaded is not removed", () =>
  withHub({ ...SCENES, faults: { slow: 5, pieceBytes: 20_000 } }, async ({ platform, pull }) => {
    const stop = new AbortController();
    const reason = new Error("enough");
    let refused: unknown;
    const onProgress = ({ doneBytes }: { doneBytes: number }) => {
      if (doneBytes < 500_000 || refused) return;
      try {
        removeInstalled(platform, "owner/scenes");
      } catch (error) {
        refused = error;
      }
      stop.abort(reason);
    };
    await rejects(pull("owner/scenes", { signal: stop.signal, onProgress }), reason);
    ok(refused instanceof RemoraError && refused.message.includes("being downloaded"), `${refused}`);
    // What is left of it goes too.
    deepStrictEqual(removeInstalled(platform, "owner/scenes").commits, [COMMIT]);
    await assertRefused(
      () => Promise.resolve().then(() => removeInstalled(platform, "owner/scenes")),
      "FILE_NOT_FOUND",
    );
  }));

Deno.test("the token goes to the hub alone", async () => {
  const repositories = [{ ...scenesRepository(), token: "hf_secret" }];
  await withHub({ repositories }, async ({ hub, pull }) => {
    await pull("owner/scenes");
    const sent = new Set(hub.requests.map(({ origin, authorization }) => `${origin} ${authorization}`));
    deepStrictEqual([...sent].sort(), ["files null", "hub Bearer hf_secret"]);
  }, { HF_TOKEN: "hf_secret" });
  await withHub({ repositories }, async ({ home, pull }) => {
    await assertRefused(() => pull("owner/scenes"), "FILE_NOT_FOUND", "401", "HF_TOKEN");
    Deno.writeTextFileSync(`${home}/token`, "hf_secret\n");
    await pull("owner/scenes");
  });
  await withHub({ repositories }, async ({ pull }) => {
    await assertRefused(() => pull("owner/scenes"), "FILE_NOT_FOUND", "403", "terms");
  }, { HF_TOKEN: "hf_other" });
});

Deno.test("what is not there is said", () =>
  withHub(SCENES, async ({ pull, platform, home }) => {
    await assertRefused(() => pull("owner/other"), "FILE_NOT_FOUND", "owner/other", "no such repository");
    await assertRefused(
      () => pull("owner/scenes@v9"),
      "FILE_NOT_FOUND",
      "owner/scenes@v9",
      "no such revision",
    );
    await assertRefused(() => pull("scenes"), "BAD_ARGUMENT", "owner/name");
    await assertRefused(() => pull("owner/scenes:Q4_K_M"), "BAD_ARGUMENT", "no GGUF files");
    await assertRefused(() => pull("owner/scenes", { offline: true }), "FILE_NOT_FOUND", home);
    const offline = platformWith({ HF_HOME: home, HF_HUB_OFFLINE: "1" });
    await assertRefused(() => pullOf(offline), "FILE_NOT_FOUND", "online");
    const unreachable = { ...platform, mayReach: () => false };
    await assertRefused(() => pullOf(unreachable), "FILE_NOT_FOUND", "--allow-net=127.0.0.1");
    const blind = { ...platform, environment: () => undefined };
    await assertRefused(() => pullOf(blind), "FILE_NOT_FOUND", "HF_HUB_CACHE", "--allow-env=");
    const full = { ...platform, storage: { ...platform.storage!, freeBytes: () => 1_000_000 } };
    await assertRefused(() => pullOf(full), "BAD_FILE", "3.7 MB", "1.0 MB");
  }));

Deno.test("removing a revision leaves others what they have, in whatever folder it lies", () =>
  withHub(SCENES, async ({ pull, platform, home }) => {
    const folder = await pull("owner/scenes");
    const root = `${home}/hub/models--owner--scenes`, other = "f".repeat(40);
    // As Python keeps a whole repository: folders in folders, and names that begin with a dot.
    for (const [blob, path] of [["1".repeat(40), "onnx/a/b.onnx"], ["2".repeat(40), ".cache/c.bin"]]) {
      Deno.writeTextFileSync(`${root}/blobs/${blob}`, path);
      const file = `${root}/snapshots/${other}/${path}`;
      Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      Deno.symlinkSync(`${root}/blobs/${blob}`, file);
    }
    // Links in circles, to folders and to nowhere.
    Deno.symlinkSync("..", `${root}/snapshots/${other}/above`);
    Deno.symlinkSync("nowhere", `${root}/snapshots/${other}/nowhere`);
    // A third that another user made, and that only this one may read.
    Deno.mkdirSync(`${root}/snapshots/${"e".repeat(40)}`);
    const listFiles = (directory: string) => {
      if (!directory.endsWith("eeee")) return platform.files.listFiles(directory);
      throw new RemoraError("FILE_NOT_FOUND", "Cannot open", { file: directory, found: "access denied" });
    };
    const barred = { ...platform, files: { ...platform.files, listFiles } };
    const found = await installedModels(barred);
    deepStrictEqual(found.map(({ commit, isWhole }) => `${commit[0]} ${isWhole}`).sort(), [
      "c true",
      "e false",
      "f false",
    ]);
    // While it is not known what one has, nothing of any goes.
    await assertRefused(
      () => Promise.resolve().then(() => removeInstalled(barred, "owner/scenes@main")),
      "FILE_NOT_FOUND",
      "access denied",
    );
    strictEqual(await findModelOf(platform, "owner/scenes"), folder);
    deepStrictEqual(removeInstalled(platform, "owner/scenes@main").commits, [COMMIT]);
    await rejects(Deno.stat(folder), Deno.errors.NotFound);
    for (const path of ["onnx/a/b.onnx", ".cache/c.bin"]) {
      strictEqual(Deno.readTextFileSync(`${root}/snapshots/${other}/${path}`), path);
    }
    deepStrictEqual([...Deno.readDirSync(`${root}/blobs`)].map(({ name }) => name[0]).sort(), ["1", "2"]);
  }));

Deno.test("files that somebody removes before they have their names are no success", () =>
  withHub(SCENES, async ({ pull, platform }) => {
    const storage = platform.storage!;
    let isFirst = true;
    const link = (target: string, path: string) => {
      // As between the last file and the snapshot's folder.
      if (isFirst) removeInstalled(platform, "owner/scenes");
      isFirst = false;
      storage.makeDirectory(path.slice(0, path.lastIndexOf("/")));
      storage.link(target, path);
    };
    await assertRefused(
      () => pullOf({ ...platform, storage: { ...storage, link } }),
      "BAD_FILE",
      "removed it meanwhile",
    );
    strictEqual(await findModelOf(platform, "owner/scenes"), undefined);
    deepStrictEqual(contents(await pull("owner/scenes")), EXPECTED);
  }));

async function pullOf(platform: Parameters<typeof pull>[0]): Promise<void> {
  await pull(platform, "owner/scenes", { firstWait: 1 });
}

Deno.test("one of several quantisations is chosen", async () => {
  const repositories = [
    severalRepository(["a-Q8_0.gguf", "a-Q4_K_M.gguf", "q/a-Q5_K_M.gguf", "mmproj-F16.gguf"]),
  ];
  await withHub({ repositories }, async ({ hub, pull, platform }) => {
    const notices: string[] = [];
    const folder = await pull("owner/several", { onNotice: (text) => notices.push(text) });
    deepStrictEqual(Object.keys(contents(folder)), ["a-Q4_K_M.gguf"]);
    deepStrictEqual(notices, [
      "owner/several has several quantisations: Q4_K_M is taken; others are Q8_0, Q5_K_M",
    ]);
    strictEqual(await findModelOf(platform, "owner/several:q8_0"), undefined);
    const before = hub.requests.length;
    await pull("owner/several:q8_0");
    // The same bytes under another name are there already.
    ok(hub.requests.slice(before).every(({ path }) => path.startsWith("/api/")));
    strictEqual(await findModelOf(platform, "owner/several:Q8_0"), `${folder}/a-Q8_0.gguf`);
    await pull("owner/several:Q5_K_M");
    strictEqual(await findModelOf(platform, "owner/several:Q5_K_M"), `${folder}/q/a-Q5_K_M.gguf`);
    await assertRefused(
      () => pull("owner/several:Q2_K"),
      "BAD_ARGUMENT",
      "Q2_K, and there are Q4_K_M, Q8_0, Q5_K_M",
    );
  });
  await withHub({ repositories: [severalRepository(["a-Q8_0.gguf", "a-Q6_K.gguf"])] }, async ({ pull }) => {
    await assertRefused(() => pull("owner/several"), "BAD_ARGUMENT", "owner/several:Q6_K", "Q6_K, Q8_0");
  });
});

Deno.test("the shards of the index come, and those of no index do not", async () => {
  const { id, commit, revisions, files } = scenesRepository();
  const weights = files["model.safetensors"];
  delete files["model.safetensors"];
  const index = { weight_map: { a: "model-1.safetensors", b: "model-2.safetensors" } };
  files["model.safetensors.index.json"] = standInFile(JSON.stringify(index));
  for (const name of ["model-1", "model-2", "consolidated.00", "model-3"]) {
    files[`${name}.safetensors`] = weights;
  }
  await withHub({ repositories: [{ id, commit, revisions, files }] }, async ({ pull, platform, home }) => {
    const names = Object.keys(contents(await pull(id)));
    deepStrictEqual(names.filter((name) => name.includes("safetensors")).sort(), [
      "model-1.safetensors",
      "model-2.safetensors",
      "model.safetensors.index.json",
    ]);
    Deno.removeSync(`${home}/hub/models--owner--scenes/snapshots/${COMMIT}/model-2.safetensors`);
    strictEqual(await findModelOf(platform, id), undefined);
  });
});

Deno.test("a server that is silent, or busy for too long, is left", () =>
  withHub({ ...SCENES, faults: { busy: 1 } }, async ({ hub, pull, platform }) => {
    const told: string[] = [];
    const onNotice = (text: string) => void told.push(text);
    await assertRefused(() => pull("owner/scenes", { onNotice }), "FILE_NOT_FOUND", "HTTP 503", "7 times");
    // The first wait, of a second, is no news; whoever waits longer is told why.
    const waits = told.filter((text) => /: HTTP 503[^\n]*; asked again in \d+ s$/.test(text));
    ok(waits.length >= 5, told.join("\n"));
    hub.faults = { slow: 10_000 };
    await assertRefused(
      () => pull("owner/scenes", { silenceMax: 20 }),
      "FILE_NOT_FOUND",
      "nothing for 0.02 seconds",
    );
    const later = () =>
      Promise.resolve(new Response(null, { status: 429, headers: { "retry-after": "3600" } }));
    await assertRefused(
      () => pullWith(platform, later),
      "FILE_NOT_FOUND",
      "HTTP 429",
      "60 minutes",
    );
  }));

async function pullWith(platform: Parameters<typeof pull>[0], fetch: typeof globalThis.fetch): Promise<void> {
  await pull(platform, "owner/scenes", { fetch, firstWait: 1 });
}
