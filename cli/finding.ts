/**
 * What was found out about a machine or a model, a line each.
 *
 * @module
 */
import { printable } from "../mod.ts";
import { alignColumns } from "./figures.ts";

/** ok: as it should be. note: not known, or not used. warning: it could be better. problem: it keeps something from running. */
const MARKS = { ok: "✓", note: "·", warning: "!", problem: "✗" } as const;

/** One thing. */
export interface Finding {
  subject: string;
  state: keyof typeof MARKS;
  found: string;
  /** What to do about it. */
  advice?: string;
}

/** Aligned lines. */
export function describeFindings(findings: readonly Finding[]): string {
  return alignColumns(findings.map(({ subject, state, found, advice }) => [
    MARKS[state],
    printable(subject),
    printable(advice === undefined ? found : `${found}: ${advice}`),
  ]));
}
