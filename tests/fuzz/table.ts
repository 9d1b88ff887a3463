/**
 * What came of the inputs of each target, counted.
 *
 * @module
 */
import type { Verdict } from "./verdict.ts";

/** The counts of a target. */
export interface Counts {
  target: string;
  inputs: number;
  /** Refused before the parser's header had passed. */
  header: number;
  /** Refused behind it. */
  body: number;
  /** Read and used. */
  accepted: number;
  violations: number;
  /** The most of one input. */
  seconds: number;
  /** See `seconds`. */
  bytes: number;
}

export function emptyCounts(target: string): Counts {
  return { target, inputs: 0, header: 0, body: 0, accepted: 0, violations: 0, seconds: 0, bytes: 0 };
}

export function note(counts: Counts, { stage, violation, seconds, bytes }: Verdict): void {
  counts.inputs++;
  counts[stage]++;
  if (violation !== undefined) counts.violations++;
  counts.seconds = Math.max(counts.seconds, seconds);
  counts.bytes = Math.max(counts.bytes, bytes);
}

/** A line for each target and one for all. */
export function tableOf(all: readonly Counts[]): string {
  const total = emptyCounts("all");
  for (const counts of all) {
    for (const key of ["inputs", "header", "body", "accepted", "violations"] as const) {
      total[key] += counts[key];
    }
    total.seconds = Math.max(total.seconds, counts.seconds);
    total.bytes = Math.max(total.bytes, counts.bytes);
  }
  const head = [
    "target",
    "inputs",
    "at the header",
    "past it",
    "share",
    "of them accepted",
    "slowest s",
    "most MiB",
    "violations",
  ];
  const rows = [...all, total].map((counts) => [
    counts.target,
    counts.inputs.toLocaleString("en"),
    counts.header.toLocaleString("en"),
    (counts.body + counts.accepted).toLocaleString("en"),
    `${Math.floor((counts.body + counts.accepted) / Math.max(1, counts.inputs) * 100)} %`,
    counts.accepted.toLocaleString("en"),
    counts.seconds.toFixed(2),
    `${Math.round(counts.bytes / 2 ** 20)}`,
    `${counts.violations}`,
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row: string[]) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ");
  return [head, ...rows].map(line).join("\n");
}
