/**
 * Runs cases in processes with a limit of memory and a watchdog, minimises what went wrong, and keeps it.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import type { Verdict } from "./verdict.ts";
import type { Job, Report } from "./worker.ts";

/** Cases of one process: what starts a process is paid once for so many. */
const CASES_OF_A_PROCESS = 2_000;
/** Megabytes of JavaScript's heap, beyond which V8 ends the process. */
const HEAP_MEGABYTES = 700;
/** Seconds without a word until a process is stopped; a busy machine may take a while for what is seconds of work. */
const SILENCE_SECONDS_MAX = 30;

const WORKER = fileURLToPath(new URL("worker.ts", import.meta.url));

/** A case that went wrong. */
export interface Failure {
  target: string;
  seed: number;
  number: number;
  /** The edits that are needed, by number and in words. */
  edits: string[];
  violation: string;
}

/** Runs a job in a process; told of each verdict. Goes on behind a case that ends its process. */
export async function runJob(
  job: Job,
  onVerdict: (number: number, verdict: Verdict, edits: string[]) => void,
): Promise<void> {
  for (let { from } = job; from < job.to;) {
    const to = Math.min(job.to, from + CASES_OF_A_PROCESS);
    const last = await runProcess({ ...job, from, to }, onVerdict);
    if (last === undefined) from = to;
    else {
      onVerdict(last.number, { stage: "header", violation: last.end, seconds: 0, bytes: 0 }, last.edits);
      from = last.number + 1;
    }
  }
}

/** The case that ended the process before its time, if one did. */
async function runProcess(
  job: Job,
  onVerdict: (number: number, verdict: Verdict, edits: string[]) => void,
): Promise<{ number: number; edits: string[]; end: string } | undefined> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      "--lock=tests/deno.lock",
      `--v8-flags=--max-old-space-size=${HEAP_MEGABYTES}`,
      WORKER,
    ]
      .concat(JSON.stringify(job)),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const errors = new Response(child.stderr).text();
  let current: { number: number; edits: string[] } | undefined, isSilent = false;
  const stop = () => {
    isSilent = true;
    child.kill("SIGKILL");
  };
  let watchdog = setTimeout(stop, SILENCE_SECONDS_MAX * 1000);
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    clearTimeout(watchdog);
    watchdog = setTimeout(stop, SILENCE_SECONDS_MAX * 1000);
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const report: Report = JSON.parse(line);
      if (report.kind === "error") {
        throw new Error(`${job.target}, case ${current?.number}: ${report.message}`);
      }
      if (report.kind === "begin") current = report;
      else {
        onVerdict(report.number, report.verdict, report.edits);
        current = undefined;
      }
    }
  }
  clearTimeout(watchdog);
  const { code, signal } = await child.status;
  if (isSilent) {
    return { ...(current ?? { number: job.from, edits: [] }), end: `no end after ${SILENCE_SECONDS_MAX} s` };
  }
  if (code === 0) return undefined;
  const reason = (await errors).split("\n").find((line) => /Fatal|fatal|OOM|memory|panick/.test(line)) ?? "";
  if (current === undefined) throw new Error(`${job.target}: a process did not start: ${await errors}`);
  return { ...current, end: `the process ended: ${signal ?? code} ${reason}` };
}

/** The case with as few of its edits as still go wrong. */
export async function minimise(failure: Failure): Promise<Failure> {
  const { target, seed, number } = failure;
  const attempt = async (kept?: number[]): Promise<Failure | undefined> => {
    let found: Failure | undefined;
    await runJob({ target, seed, from: number, to: number + 1, kept }, (_, { violation }, edits) => {
      if (violation !== undefined) found = { ...failure, edits, violation };
    });
    return found;
  };
  let best = await attempt() ?? failure;
  const numbers = () => best.edits.map((edit) => parseInt(edit));
  for (const without of numbers()) {
    const kept = numbers().filter((edit) => edit !== without);
    if (kept.length > 0) best = await attempt(kept) ?? best;
  }
  return best;
}

/** Writes the input and what was done to it into a folder of its own. */
export async function keep(failure: Failure, folder: string): Promise<string> {
  const { target, seed, number, edits } = failure;
  const own = `${folder}/${target}-${seed}-${number}`;
  Deno.mkdirSync(own, { recursive: true });
  const kept = edits.map((edit) => parseInt(edit));
  await runJob({ target, seed, from: number, to: number + 1, kept, writeTo: own }, () => {});
  Deno.writeTextFileSync(`${own}/failure.json`, JSON.stringify(failure, null, 2) + "\n");
  return own;
}
