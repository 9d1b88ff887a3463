/**
 * One process of the fuzzer: runs the cases of a target from a number up to another one. It says the number of a case before it
 * runs it, so that whoever started it knows which one ended or stopped it.
 *
 * @module
 */
import { targetNamed } from "./registry.ts";
import { judge, makeCase, type Verdict } from "./verdict.ts";
import { keepReserved, watchProcess } from "./watch.ts";

/** What a process is to do. */
export interface Job {
  target: string;
  seed: number;
  from: number;
  to: number;
  /** Numbers of the edits that are made; default all. */
  kept?: number[];
  /** A folder to write the input of the case into instead of running it. */
  writeTo?: string;
}

/** A line of its output. */
export type Report =
  | { kind: "begin"; number: number; edits: string[] }
  | { kind: "verdict"; number: number; edits: string[]; verdict: Verdict }
  | { kind: "error"; message: string };

const encoder = new TextEncoder();

function say(report: Report): void {
  const bytes = encoder.encode(JSON.stringify(report) + "\n");
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

async function work({ target: name, seed, from, to, kept, writeTo }: Job): Promise<void> {
  const target = targetNamed(name);
  watchProcess();
  const prepared = await target.prepare();
  keepReserved();
  for (let number = from; number < to; number++) {
    const { files, edits } = makeCase(target, prepared, seed, number, kept);
    say({ kind: "begin", number, edits });
    if (writeTo !== undefined) {
      for (const [file, bytes] of files) Deno.writeFileSync(`${writeTo}/${file.replaceAll("/", "_")}`, bytes);
      continue;
    }
    say({ kind: "verdict", number, edits, verdict: await judge(target, prepared, files) });
  }
}

if (import.meta.main) {
  try {
    await work(JSON.parse(Deno.args[0]));
  } catch (error) {
    say({ kind: "error", message: `${(error as Error)?.stack ?? error}` });
  }
  Deno.exit(0);
}
