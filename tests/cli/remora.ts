/**
 * Runs the command line as a user would: a process of its own with no permission but to read the model.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/** Another program in place of these sources: the npm package's, as `REMORA="node …/main.js"`. It knows no permissions. */
const OTHER_PROGRAM = Deno.env.get("REMORA")?.split(" ");

/** Whether permissions are what Deno makes of them; tests of theirs are skipped elsewhere. */
export const hasPermissions: boolean = OTHER_PROGRAM === undefined;

/** What starts the command line, with Deno's flags where it is Deno that runs it. */
export function remoraProgram(flags: readonly string[]): [string, ...string[]] {
  const [program, ...args] = OTHER_PROGRAM ?? [];
  return program === undefined
    ? [Deno.execPath(), "run", "--quiet", "--config", CONFIG, ...flags, MAIN]
    : [program, ...args];
}

/** What a run left behind. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
  seconds: number;
  /** Most memory it was seen to take, in MB; 0 where the system does not tell. */
  peakMegabytes: number;
}

/** How to run. */
export interface RunOptions {
  /** Folder to start in; default: this one. */
  cwd?: string;
  /** What may be read; none: nothing. */
  allowRead?: string;
  /** What may be written; none: nothing. */
  allowWrite?: string;
  /** What may be listened on and reached; none: nothing. */
  allowNet?: string;
  /** What may be known of the system, as `--allow-sys` takes it; none: nothing. */
  allowSys?: string;
  /** What may be read of the environment; none: nothing. */
  allowEnv?: string;
  /** Variables besides those of this process. */
  env?: Record<string, string>;
  stdin?: string;
}

/** Starts the process. */
export function spawnRemora(
  args: string[],
  { cwd, allowRead, allowWrite, allowNet, allowSys, allowEnv, env, stdin }: RunOptions = {},
): Deno.ChildProcess {
  const permissions = [
    ...(allowRead === undefined ? [] : [`--allow-read=${allowRead}`]),
    ...(allowWrite === undefined ? [] : [`--allow-write=${allowWrite}`]),
    ...(allowNet === undefined ? [] : [`--allow-net=${allowNet}`]),
    ...(allowSys === undefined ? [] : [`--allow-sys=${allowSys}`]),
    ...(allowEnv === undefined ? [] : [`--allow-env=${allowEnv}`]),
  ];
  const [program, ...before] = remoraProgram(["--no-prompt", ...permissions]);
  return new Deno.Command(program, {
    args: [...before, ...args],
    cwd,
    env,
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs to the end. */
export async function remora(args: string[], options: RunOptions = {}): Promise<Outcome> {
  const begin = performance.now();
  const child = spawnRemora(args, options);
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.stdin));
    await writer.close();
  }
  const peak = watchPeak(child);
  const { code, stdout, stderr } = await child.output();
  const seconds = (performance.now() - begin) / 1000;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr), seconds, peakMegabytes: await peak };
}

/** Reads the kernel's own high-water mark until the process ends; it never falls, so the last reading is the peak. */
async function watchPeak(child: Deno.ChildProcess): Promise<number> {
  let isRunning = true;
  child.status.then(() => isRunning = false);
  let kilobytes = 0;
  while (isRunning) {
    try {
      const status = Deno.readTextFileSync(`/proc/${child.pid}/status`);
      kilobytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? kilobytes);
    } catch {
      break; // It has ended, or this is not Linux.
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return kilobytes / 1024;
}
