/**
 * What loading cannot do without: as many fresh pages as the model takes, and as many bytes as its files have. Each is a process of
 * its own, which prints the seconds as JSON.
 *
 *   deno run -A bench/kernels/load_floors.ts touch BYTES THREADS
 *   deno run -A bench/kernels/load_floors.ts read DIRECTORY
 *
 * @module
 */
import { platform as denoPlatform } from "../../src/platform/deno.ts";
import { Kernels } from "../../kernels/host/kernels.ts";
import { readCommand } from "../command.ts";

/** As the loader reads. */
const WINDOW_BYTES = 4 << 20;
/** Of one memory. */
const MEMORY_BYTES = 3 * 2 ** 30;

/** Takes fresh memory with as many threads as load a model. */
async function touch(bytes: number, threads: number): Promise<number> {
  const memories = Math.ceil(bytes / MEMORY_BYTES);
  const { startWorker } = denoPlatform;
  const all = await Kernels.start({ threads, variant: "auto", memories, startWorker });
  const begin = performance.now();
  for (const [i, kernels] of all.entries()) {
    const own = Math.min(MEMORY_BYTES, bytes - i * MEMORY_BYTES);
    kernels.touch({ bytes: own, target: kernels.memory.allocate(own) });
  }
  const seconds = (performance.now() - begin) / 1000;
  await all[0].close();
  return seconds;
}

/** Reads the weights' files from end to end into one piece of memory. */
function read(directory: string): number {
  const buffer = new Uint8Array(WINDOW_BYTES);
  const begin = performance.now();
  for (const { name } of Deno.readDirSync(directory)) {
    if (!name.endsWith(".safetensors")) continue;
    using file = Deno.openSync(`${directory}/${name}`);
    while (file.readSync(buffer) !== null);
  }
  return (performance.now() - begin) / 1000;
}

if (import.meta.main) {
  const { positionals: [what, of, threads = "1"] } = readCommand({
    usage: "deno run -A bench/kernels/load_floors.ts touch BYTES THREADS | read DIRECTORY",
    purpose: "What loading cannot do without: as many fresh pages, or as many bytes of files, in seconds.",
    options: {},
    arguments: 3,
  });
  const seconds = what === "touch" ? await touch(Number(of), Number(threads)) : read(of);
  console.log(JSON.stringify({ seconds }));
}
