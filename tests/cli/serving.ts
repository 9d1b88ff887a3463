/**
 * `remora serve` as a process of its own.
 *
 * @module
 */
import { type RunOptions, spawnRemora } from "./remora.ts";

/** A port that is free now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A server that runs. */
export interface Serving {
  url: string;
  child: Deno.ChildProcess;
  /** What `/health` answered before it was ready. */
  statuses: ReadonlySet<number>;
  /** Ends it, and tells what it wrote to stderr. */
  end(signal?: Deno.Signal): Promise<{ code: number; stderr: string }>;
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
  const chunks: string[] = [];
  const reader = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  const reading = (async () => {
    for (let step = await reader.read(); !step.done; step = await reader.read()) chunks.push(step.value);
  })();
  while (!chunks.join("").includes("serving") && performance.now() - begin < 30_000) {
    await fetch(`${url}/health`).then(async (response) => {
      statuses.add(response.status);
      await response.body?.cancel();
    }).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return {
    url,
    child,
    statuses,
    async end(signal: Deno.Signal = "SIGTERM") {
      child.kill(signal);
      const { code } = await child.status;
      await child.stdout.cancel();
      await reading;
      return { code, stderr: chunks.join("") };
    },
  };
}
