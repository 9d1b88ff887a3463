/**
 * Tables of numbers for people.
 *
 * @module
 */
export { describeBytes, describeCount, describeInteger } from "../mod.ts";

/** Rows as a Markdown table under the first of them, its columns aligned for those who read it as it is. */
export function markdownTable(rows: string[][], right: readonly number[] = []): string {
  const rule = rows[0].map((_, column) => right.includes(column) ? "--:" : "---");
  const widths = rule.map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const align = (cell: string, column: number) =>
    right.includes(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]);
  const dash = (cell: string, column: number) =>
    right.includes(column) ? cell.padStart(widths[column], "-") : cell.padEnd(widths[column], "-");
  const [head, ...body] = rows.map((row) => row.map(align));
  return [head, rule.map(dash), ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Rows as lines of aligned columns; the columns named in `right` are aligned on their right. */
export function alignColumns(rows: string[][], right: readonly number[] = []): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column].length))) ?? [];
  const align = (cell: string, column: number) =>
    right.includes(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]);
  return rows.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}

/** Seconds as people say them: "12 s", "3 min 5 s", "2 h 10 min". */
export function describeDuration(seconds: number): string {
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  if (minutes === 0) return `${whole} s`;
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
