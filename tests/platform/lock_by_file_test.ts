/** The lock of runtimes that have none: whatever another process does meanwhile, one has it. */
import assert from "node:assert/strict";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { CachedRepository } from "../../src/hub/cache.ts";
import { platform } from "../../src/platform/deno.ts";
import { storageOfNode, tryLockByFile } from "../../src/platform/node_storage.ts";
import { assertRefused } from "../errors.ts";
import { inFolder } from "../in_folder.ts";

const PROGRAM = fileURLToPath(new URL("lock_by_file_program.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** Another process that asked for a lock and answered. */
interface Asked extends AsyncDisposable {
  readonly hasIt: boolean;
}

/** Has another process ask for a lock, while this thread stands still. */
function askElsewhere(path: string, answer: string): Asked {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", "--no-lock", "--config", CONFIG, PROGRAM, path, answer],
    stdin: "piped",
  }).spawn();
  const still = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    Atomics.wait(still, 0, 0, 10);
    try {
      const hasIt = Deno.readTextFileSync(answer) === "held";
      return {
        hasIt,
        async [Symbol.asyncDispose]() {
          await child.stdin.close();
          await child.status;
        },
      };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** The number of a process that has ended. */
async function endedProcess(): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
  await child.status;
  return child.pid;
}

/** Runs `work` with `before` called before the process looks for the n-th time whether another one runs. */
function interrupted<Result>(at: number, before: () => void, work: () => Result): Result {
  const { kill } = process;
  let looks = 0;
  process.kill = (id: number, signal?: string | number) => {
    if (looks++ === at) {
      process.kill = kill;
      before();
    }
    return kill.call(process, id, signal);
  };
  try {
    return work();
  } finally {
    process.kill = kill;
  }
}

for (const look of [0, 1]) {
  Deno.test(`of two that find the lock of an ended process one has it, though the second comes at look ${look + 1} of the first`, () =>
    inFolder(async (folder) => {
      const path = `${folder}/lock`;
      Deno.writeTextFileSync(`${path}.holder`, `${await endedProcess()}`);
      let other: Asked | undefined;
      using lock = interrupted(
        look,
        () => other = askElsewhere(path, `${folder}/answer`),
        () => tryLockByFile(path),
      );
      await using second = other ?? askElsewhere(path, `${folder}/answer`);
      assert.notEqual(second.hasIt, lock !== undefined);
    }));
}

Deno.test("a lock by file counts while its process runs, though a later process has the same number", () =>
  inFolder((folder) => {
    const path = `${folder}/lock`, holder = `${path}.holder`;
    {
      using lock = tryLockByFile(path);
      assert.ok(lock);
      assert.equal(tryLockByFile(path), undefined);
    }
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["lock"]);
    Deno.writeTextFileSync(holder, `${Deno.pid}`);
    assert.equal(tryLockByFile(path), undefined);
    Deno.utimeSync(holder, 1, 1);
    using _ = tryLockByFile(path)!;
    assert.equal(tryLockByFile(path), undefined);
    return Promise.resolve();
  }));

Deno.test("what is being downloaded is not removed, where locks are files", () =>
  inFolder(async (cache) => {
    const always = () => true;
    const storage = storageOfNode({ isPermitted: always, mayAskForRoom: always, mayLink: always });
    const repository = new CachedRepository({ files: platform.files, storage }, cache, "owner/name");
    const digest = "0".repeat(64);
    await repository.whileLocked({ digest }, async () => {
      await assertRefused(() => repository.remove([]), "BAD_FILE", "Cannot remove", `${digest}.lock`);
    }, {});
    assert.equal(repository.remove([]), 0);
  }));
