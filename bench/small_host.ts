/**
 * A model in a Deno that has little memory and no permission but to reach one host: the weights stream from a server in another
 * process. What an edge function is, without its platform.
 *
 *   deno task bench:small-host [MODEL [--question TEXT] [--tokens N] [--options JSON] [--limit MIB]]
 *
 * The limit is a cgroup's, where this process may make one (version 1 or 2, usually as root); elsewhere the resident size is only
 * measured. Processor time is that of all threads of the process.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import { site } from "../tests/packages/site.ts";
import { SMALL } from "../examples/cloudflare/small.js";
import { readCommand } from "./command.ts";

const PROGRAM = fileURLToPath(new URL("small_host_program.ts", import.meta.url));
/** Where cgroups limit memory, and the file that does: version 2, then 1. */
const GROUPS = [["/sys/fs/cgroup", "memory.max"], ["/sys/fs/cgroup/memory", "memory.limit_in_bytes"]];

/** A cgroup of at most that many bytes; `undefined` where none can be made. */
function limitedGroup(bytes: number): string | undefined {
  for (const [root, file] of GROUPS) {
    const group = `${root}/remora-small-host-${Deno.pid}`;
    try {
      Deno.mkdirSync(group);
      try {
        Deno.writeTextFileSync(`${group}/${file}`, `${bytes}`, { create: false });
        return group;
      } catch {
        Deno.removeSync(group);
      }
    } catch { /* not there, or not ours to write */ }
  }
}

/** Peak of the resident size in MiB, and milliseconds of processor so far. */
function measure(pid: number): { peak: number; cpu: number } {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1].split(" ");
  return {
    peak: Number(/VmHWM:\s+(\d+)/.exec(status)![1]) / 1024,
    cpu: 10 * (Number(fields[11]) + Number(fields[12])),
  };
}

const { values, positionals: [model = "models/scenes-mllama-int4"] } = readCommand({
  usage: "deno task bench:small-host [MODEL]",
  purpose: "A model in a Deno of little memory with no permission but net.",
  arguments: 1,
  options: {
    question: { value: "TEXT", help: "what is asked", default: "Tell me about the sea." },
    tokens: { value: "N", help: "tokens of the answer at most", default: "64" },
    options: { value: "JSON", help: "options of loading", default: JSON.stringify({ ...SMALL, threads: 1 }) },
    limit: { value: "N", help: "MiB of memory", default: "256" },
  },
});
await using served = site();
served.folder("model/", resolve(model));
const group = limitedGroup(Number(values.limit) * 2 ** 20);
const permissions = ["--no-prompt", `--allow-net=${new URL(served.url).host}`];
const args = [`${served.url}model/`, values.options, values.question, values.tokens];
const enter = group ? `echo $$ > ${group}/cgroup.procs && exec "$0" "$@"` : `exec "$0" "$@"`;
const child = new Deno.Command("sh", {
  args: ["-c", enter, Deno.execPath(), "run", ...permissions, PROGRAM, ...args],
  stdout: "piped",
}).spawn();
const found = new Map<
  string,
  ReturnType<typeof measure> & { text?: string; usage?: { completionTokens: number } }
>();
let rest = "";
for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + piece).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    const told = JSON.parse(line);
    found.set(told.step, { ...told, ...measure(child.pid) });
  }
}
const { success } = await child.status;
if (group) Deno.removeSync(group);
if (!success || !found.has("answered")) {
  console.log(`ended after ${[...found.keys()].at(-1) ?? "nothing"}, with a limit of ${values.limit} MiB`);
  Deno.exit(1);
}
const [empty, loaded, first, warm, answered] = ["empty", "loaded", "first", "warm", "answered"].map((step) =>
  found.get(step)!
);
const tokens = answered.usage!.completionTokens;
const rows: [string, string][] = [
  ["limit", group ? `${values.limit} MiB (cgroup), --allow-net alone` : "none: no cgroup can be made here"],
  ["peak memory", `${answered.peak.toFixed(1)} MiB, of which an empty program ${empty.peak.toFixed(1)}`],
  ["start", `${loaded.cpu - empty.cpu} ms of processor`],
  ["first answer", `${first.cpu - loaded.cpu} ms of processor`],
  [
    "a token",
    `${((answered.cpu - warm.cpu) / Math.max(1, tokens - 1)).toFixed(1)} ms of processor (${tokens} tokens)`,
  ],
  ["answer", answered.text!.trim().split("\n")[0].slice(0, 70)],
];
for (const [name, value] of rows) console.log(`${name.padEnd(22)}${value}`);
