/**
 * How fast a large file of a hub on this machine is downloaded, by turns:
 *
 *     deno task hub:speed [--gigabytes 1] [--rounds 5] [--folder /dev/shm] [--connections 1,4,8] [--python PYTHON] [--json]
 *
 * remora with so many parts at once, curl, and where PYTHON has it Python's `huggingface_hub`. Every program is a process of its own that
 * begins with an empty folder; seconds are those of the whole process. remora alone checks the file's SHA-256 and waits until it is on
 * the disk. Medians; memory is the most that a process had (VmHWM). Linux only.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { COMMIT } from "./fixture.ts";
import { pull } from "../../src/hub/pull.ts";
import { platform } from "../../src/platform/deno.ts";

const { values } = parseArgs({
  options: {
    gigabytes: { type: "string", default: "1" },
    rounds: { type: "string", default: "5" },
    folder: { type: "string", default: "/dev/shm" },
    connections: { type: "string", default: "1,4,8" },
    python: { type: "string" },
    json: { type: "boolean", default: false },
    // What a process of its own does.
    pull: { type: "string" },
  },
});
const REPOSITORY = "owner/large", FILE = "model-Q4_K_M.gguf";
const STAND_IN = fileURLToPath(new URL("./stand_in.ts", import.meta.url));
const OWN = fileURLToPath(import.meta.url);

interface Run {
  seconds: number;
  peakMegabytes: number;
}

/** Runs a process to its end. */
async function measure([program, ...args]: string[], env: Record<string, string>): Promise<Run> {
  const begin = performance.now();
  const child = new Deno.Command(program, { args, env, stdout: "null", stderr: "inherit" }).spawn();
  let isRunning = true, kilobytes = 0;
  const ended = child.status.finally(() => isRunning = false);
  while (isRunning) {
    try {
      const status = Deno.readTextFileSync(`/proc/${child.pid}/status`);
      kilobytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? kilobytes);
    } catch {
      break;
    }
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 20))]);
  }
  const { code } = await ended;
  if (code !== 0) throw new Error(`${program}: expected exit code 0, found ${code}`);
  return { seconds: (performance.now() - begin) / 1_000, peakMegabytes: kilobytes / 1_024 };
}

/** Random bytes: nothing on the way can make them fewer. */
function writeRandom(path: string, bytes: number): void {
  using file = Deno.openSync(path, { write: true, create: true });
  const piece = new Uint8Array(1 << 16);
  for (let written = 0; written < bytes; written += piece.length) {
    crypto.getRandomValues(piece);
    file.writeSync(piece.subarray(0, bytes - written));
  }
}

/** Starts the hub in a process of its own; its first line says where it is. */
async function startHub(folder: string, file: string): Promise<{ hub: string } & AsyncDisposable> {
  const settings = `${folder}/settings.json`;
  const files = { [FILE]: { file, isLarge: true } };
  const repositories = [{ id: REPOSITORY, commit: COMMIT, revisions: ["main"], files }];
  Deno.writeTextFileSync(settings, JSON.stringify({ repositories }));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", STAND_IN, settings],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  return {
    hub: JSON.parse(value).hub,
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.status;
      await reader.cancel();
    },
  };
}

function median(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

async function compare(): Promise<void> {
  const bytes = Number(values.gigabytes) * 1e9;
  const folder = Deno.makeTempDirSync({ dir: values.folder });
  try {
    const file = `${folder}/${FILE}`;
    writeRandom(file, bytes);
    await using server = await startHub(folder, file);
    const { hub } = server;
    const home = `${folder}/home`;
    const own = [Deno.execPath(), "run", "-A", "--no-check", OWN];
    const commands: Record<string, string[]> = {
      curl: ["curl", "-sSLf", "-o", `${home}/${FILE}`, `${hub}/${REPOSITORY}/resolve/main/${FILE}`],
    };
    if (values.python) {
      const program =
        `from huggingface_hub import hf_hub_download; hf_hub_download("${REPOSITORY}", "${FILE}")`;
      commands.huggingface_hub = [values.python, "-c", program];
    }
    for (const count of values.connections.split(",")) {
      commands[`remora, ${count} at once`] = [...own, "--pull", count];
    }
    const runs = new Map(Object.keys(commands).map((name) => [name, [] as Run[]]));
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [name, command] of Object.entries(commands)) {
        Deno.mkdirSync(home);
        const env = {
          HF_HOME: home,
          HF_ENDPOINT: hub,
          HF_HUB_DISABLE_PROGRESS_BARS: "1",
          HF_HUB_DISABLE_TELEMETRY: "1",
        };
        runs.get(name)!.push(await measure(command, env));
        Deno.removeSync(home, { recursive: true });
      }
    }
    for (const [name, all] of runs) {
      const seconds = median(all.map(({ seconds }) => seconds));
      const peakMegabytes = Math.max(...all.map(({ peakMegabytes }) => peakMegabytes));
      const result = { name, seconds, megabytesPerSecond: bytes / 1e6 / seconds, peakMegabytes };
      console.log(
        values.json
          ? JSON.stringify({ ...result, runs: all })
          : `${name.padEnd(22)} ${seconds.toFixed(2)} s  ${
            result.megabytesPerSecond.toFixed(0).padStart(5)
          } MB/s  ${peakMegabytes.toFixed(0).padStart(5)} MB of memory`,
      );
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

if (values.pull === undefined) await compare();
else await pull(platform, REPOSITORY, { partsAtOnce: Number(values.pull) });
