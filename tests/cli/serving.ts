/**
 * `remora serve` as a process of its own.
 *
 * @module
 */
import { freePort } from "../free_port.ts";
import { type RunOptions, spawnRemora } from "./remora.ts";

/** A command that runs. */
export interface Running {
  child: Deno.ChildProcess;
  /** Ends it, and tells what it wrote to stderr. */
  end(signal?: Deno.Signal): Promise<{ code: number; stderr: string }>;
}

/** A server that runs. */
export interface Serving extends Running {
  url: string;
  /** What `/health` answered before it was ready. */
  statuses: ReadonlySet<number>;
}

/** Reads what a command writes to stderr; `seen` resolves when `text` is in it, or when it ends. */
export function follow(child: Deno.ChildProcess, text: string): Running & { seen: Promise<void> } {
  let stderr = "";
  const { promise: seen, resolve } = Promise.withResolvers<void>();
  const reading = (async () => {
    for await (const piece of child.stderr.pipeThrough(new TextDecoderStream())) {
      stderr += piece;
      if (stderr.includes(text)) resolve();
    }
    resolve();
  })();
  return {
    child,
    seen,
    async end(signal = "SIGTERM") {
      child.kill(signal);
      const { code } = await child.status;
      await child.stdout.cancel();
      await reading;
      return { code, stderr };
    },
  };
}

/**
 * Starts a server and waits for the line that says where it is.
 *
 * @param options.allowNet What may be reached besides its own address.
 */
export async function serve(
  args: string[],
  { allowNet, ...options }: RunOptions,
  host = "127.0.0.1",
): Promise<Serving> {
  const port = freePort();
  const begin = performance.now();
  const child = spawnRemora(["serve", ...args, "--port", `${port}`, "--threads", "1"], {
    ...options,
    allowNet: [`${host}:${port}`, ...(allowNet === undefined ? [] : [allowNet])].join(),
  });
  const url = `http://127.0.0.1:${port}`;
  const statuses = new Set<number>();
  const { seen, end } = follow(child, "serving");
  let isServing = false;
  void seen.then(() => isServing = true);
  while (!isServing && performance.now() - begin < 30_000) {
    await fetch(`${url}/health`).then(async (response) => {
      statuses.add(response.status);
      await response.body?.cancel();
    }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { url, child, statuses, end };
}
