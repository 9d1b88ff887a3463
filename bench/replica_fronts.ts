/**
 * Replicas of `remora serve` and what stands before them, as processes.
 *
 * @module
 */
import { freePort } from "./fallback_programs.ts";

/** How replicas are run. */
export interface ReplicaSettings {
  model: string;
  replicas: number;
  threads: number;
  /** Seconds after which a replica that ended is started again, where nothing else does so. */
  restartAfter: number;
  /** More options of the front. */
  options: string[];
}

/** What clients ask. */
export interface Front {
  url: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A running `remora serve` that was started from here, by whatever. */
export interface Server {
  pid: number;
  parent: number;
  port: number;
}

/** Marks every process that comes of this one. */
const MARK = `REPLICAS_OF=${Deno.pid}.${Date.now()}`;

/** Milliseconds that a front and its replicas have to answer for the first time; Ray's processes take long to start. */
const START_MILLISECONDS = 120_000;

export const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The command line of a replica, but for its port. */
export function serveCommand({ model, threads }: Pick<ReplicaSettings, "model" | "threads">): string[] {
  const run = ["deno", "run", "--v8-flags=--experimental-wasm-revectorize", "-A", "cli/main.ts"];
  return [...run, "serve", model, "--threads", `${threads}`];
}

/** Starts a command that `findServers` knows the servers of; VERBOSE=1 shows what it says. */
export function spawn([command, ...args]: string[], env: Record<string, string> = {}): Deno.ChildProcess {
  const [name, value] = MARK.split("=");
  const streams = {
    stdin: "null",
    stdout: "null",
    stderr: Deno.env.has("VERBOSE") ? "inherit" : "null",
  } as const;
  return new Deno.Command(command, { args, env: { ...env, [name]: value }, ...streams }).spawn();
}

/** Waits until it answers with 200. */
async function untilReady(url: string): Promise<void> {
  const limit = performance.now() + START_MILLISECONDS;
  while (performance.now() < limit) {
    const status = await fetch(`${url}/health`).then(async (response) => {
      await response.body?.cancel();
      return response.status;
    }, () => 0);
    if (status === 200) return;
    await pause(50);
  }
  throw new Error(
    `${url}: expected an answer within ${START_MILLISECONDS / 1000} s (VERBOSE=1 shows what is said)`,
  );
}

/** One server, started again when it ends. */
async function startReplica(settings: ReplicaSettings): Promise<Front> {
  const port = freePort(), url = `http://127.0.0.1:${port}`;
  let isWanted = true;
  let child = spawn([...serveCommand(settings), "--port", `${port}`]);
  const supervised = (async () => {
    while (isWanted) {
      await child.status;
      if (isWanted) await pause(settings.restartAfter * 1000);
      if (isWanted) child = spawn([...serveCommand(settings), "--port", `${port}`]);
    }
  })();
  await untilReady(url);
  return {
    url,
    async [Symbol.asyncDispose]() {
      isWanted = false;
      kill(child.pid, "SIGTERM");
      await child.status;
      await supervised;
    },
  };
}

/** `vllm-router` before replicas that are started again as a service manager does it. */
async function startRouter(settings: ReplicaSettings): Promise<Front> {
  const stack = new AsyncDisposableStack();
  const starts = Array.from({ length: settings.replicas }, () => startReplica(settings));
  const replicas = (await Promise.all(starts)).map((replica) => stack.use(replica));
  const port = freePort(), url = `http://127.0.0.1:${port}`;
  const places = ["--port", `${port}`, "--prometheus-port", `${freePort()}`];
  const router = spawn(
    ["vllm-router", ...places, "--worker-urls", ...replicas.map(({ url }) => url), ...settings.options],
  );
  stack.defer(async () => {
    kill(router.pid, "SIGTERM");
    await router.status;
  });
  await untilReady(url);
  return { url, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** `examples/ray/serve.py`. */
async function startRay(settings: ReplicaSettings): Promise<Front> {
  const port = freePort(), url = `http://127.0.0.1:${port}`;
  const folder = await Deno.makeTempDir();
  const application = {
    name: "remora",
    route_prefix: "/",
    import_path: "examples.ray.serve:app",
    deployments: [{ name: "Replica", num_replicas: settings.replicas }],
  };
  // YAML takes JSON.
  await Deno.writeTextFile(
    `${folder}/serve.yaml`,
    JSON.stringify({ http_options: { host: "127.0.0.1", port }, applications: [application] }),
  );
  const env = { REMORA: serveCommand(settings).join(" "), RAY_USAGE_STATS_ENABLED: "0" };
  const ray = spawn(["serve", "run", `${folder}/serve.yaml`, ...settings.options], env);
  await untilReady(url);
  return {
    url,
    async [Symbol.asyncDispose]() {
      kill(ray.pid, "SIGINT");
      await ray.status;
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** What may stand before replicas; none: one server, asked directly. */
export const FRONTS: Record<string, (settings: ReplicaSettings) => Promise<Front>> = {
  none: startReplica,
  router: startRouter,
  ray: startRay,
};

/** Sends a signal to what may have ended already. */
export function kill(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It has.
  }
}

/** The servers that run now. */
export async function findServers(): Promise<Server[]> {
  const servers: Server[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const read = (file: string) => Deno.readTextFile(`/proc/${name}/${file}`).catch(() => "");
    const words = (await read("cmdline")).split("\0");
    const port = Number(words[words.indexOf("--port") + 1]);
    if (!words[0].endsWith("deno") || !words.includes("serve") || !(await read("environ")).includes(MARK)) {
      continue;
    }
    const parent = Number(/PPid:\s+(\d+)/.exec(await read("status"))?.[1]);
    servers.push({ pid: Number(name), parent, port });
  }
  return servers;
}

/** Tokens that a server has generated; undefined where it does not answer. */
export async function tokensOf({ port }: Server): Promise<number | undefined> {
  try {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    return Number(/^vllm:generation_tokens_total\{[^}]*\} (\S+)/m.exec(text)?.[1] ?? 0);
  } catch {
    return undefined;
  }
}
