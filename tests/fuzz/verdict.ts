/**
 * Runs one input and says what became of it.
 *
 * @module
 */
import process from "node:process";
import { RemoraError } from "../../src/core/errors.ts";
import { Random } from "../kernels/random.ts";
import type { Files, FuzzTarget, PreparedTarget } from "./target.ts";
import { kernelBytes, settleKernels, takeArrayBytes, Violation } from "./watch.ts";

/** A file smaller than this must not make its reader take more. */
export const BYTES_MAX = 256 * 2 ** 20;
/** Seconds of processor time that one input may take. */
export const SECONDS_MAX = 2;

/** How far an input came. */
export type Stage = "header" | "body" | "accepted";

/** What became of one input. */
export interface Verdict {
  stage: Stage;
  /** Code of the refusal. */
  code?: string;
  /** What must not happen, where it did. */
  violation?: string;
  seconds: number;
  bytes: number;
}

/** The input of a number. */
export interface Case {
  files: Files;
  /** What was done to the valid input. */
  edits: string[];
}

/** A seed of one case, or of one edit of it. */
function seedOf(...parts: (string | number)[]): number {
  let hash = 0x811c9dc5;
  for (const character of parts.join("/")) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return hash | 0;
}

/**
 * Makes the input of a seed and a number.
 *
 * @param kept Numbers of the edits that are made; default all.
 */
export function makeCase(
  { name }: FuzzTarget,
  target: PreparedTarget,
  seed: number,
  number: number,
  kept?: readonly number[],
): Case {
  const random = new Random(seedOf(name, seed, number));
  const structure = target.fresh(random);
  const count = 1 + [0, 0, 0, 0, 1, 1, 1, 2, 2, 5][random.below(10)];
  const edits: string[] = [];
  for (let i = 0; i < count; i++) {
    if (kept && !kept.includes(i)) continue;
    edits.push(`${i}: ${target.edit(structure, new Random(seedOf(name, seed, number, i)))}`);
  }
  return { files: target.write(structure), edits };
}

/** Peak of resident memory since it was last asked, and the memory now; in bytes. */
function residentBytes(): { peak: number; now: number } {
  const status = Deno.readTextFileSync("/proc/self/status");
  const of = (key: string) => Number(new RegExp(`${key}:\\s*(\\d+)`).exec(status)?.[1] ?? 0) * 1024;
  return { peak: of("VmHWM"), now: of("VmRSS") };
}

/** Makes the peak of resident memory what is there now. */
function forgetPeak(): void {
  Deno.writeTextFileSync("/proc/self/clear_refs", "5");
}

/** Gives an input to its parser. */
export async function judge(target: FuzzTarget, prepared: PreparedTarget, files: Files): Promise<Verdict> {
  takeArrayBytes();
  forgetPeak();
  const before = residentBytes().now, began = process.cpuUsage();
  let stage: Stage = "header", code: string | undefined, violation: string | undefined;
  try {
    await prepared.run(files, () => stage = "body");
    stage = "accepted";
  } catch (error) {
    violation = complaint(error, target);
    if (error instanceof RemoraError) code = error.code;
  }
  const used = process.cpuUsage(began), reserved = kernelBytes(), arrays = takeArrayBytes();
  try {
    settleKernels(violation !== undefined);
  } catch (error) {
    violation = String(error);
  }
  const seconds = (used.user + used.system) / 1e6;
  const bytes = Math.max(residentBytes().peak - before, arrays + reserved);
  if (seconds > SECONDS_MAX) violation ??= `${seconds.toFixed(1)} s`;
  let size = 0;
  for (const file of files.values()) size += file.length;
  if (bytes > BYTES_MAX && size < BYTES_MAX) {
    violation ??= `${Math.round(bytes / 2 ** 20)} MiB for a file of ${size} bytes`;
  }
  return { stage, code, violation, seconds, bytes };
}

/** What is wrong with an error; `undefined` for a refusal as it should be. */
function complaint(
  error: unknown,
  { namesPlaces = true, isContained = false }: FuzzTarget,
): string | undefined {
  if (!(error instanceof RemoraError)) return `${(error as Error)?.stack ?? error}`;
  const { code, message, cause, file, tensor } = error;
  if (code === "WORKER_FAILED") return message;
  if (/[\p{Cc}\u2028\u2029]/u.test(message)) return `more than one line: ${message}`;
  if (namesPlaces && file === undefined && tensor === undefined) return `no place in: ${message}`;
  if (isContained) return undefined;
  const kinds = [TypeError, RangeError, ReferenceError, WebAssembly.RuntimeError, Violation];
  // So says a TextDecoder.
  const isText = cause instanceof TypeError && /encoded data/.test(cause.message);
  return !isText && kinds.some((kind) => cause instanceof kind)
    ? `${message}\n${(cause as Error).stack}`
    : undefined;
}
