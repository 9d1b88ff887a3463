/**
 * What somebody who mistyped a name meant.
 *
 * @module
 */

/**
 * A name as this library writes names: `top_p` and `top-p` are `topP`.
 */
function camelCased(name: string): string {
  return name.replace(/[_-]+([a-z])/g, (_, letter) => letter.toUpperCase());
}

/** The known name nearest to `name`, or `undefined` when none is near: in another spelling, a beginning of it, or
 * up to two slips away. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (known.includes(camelCased(name))) return camelCased(name);
  const completed = name.length >= 2 ? known.filter((candidate) => candidate.startsWith(name)) : [];
  if (completed.length === 1) return completed[0];
  const slipsMax = name.length > 4 ? 2 : 1;
  const [best] = known
    .map((candidate) => ({ candidate, slips: editDistance(name, candidate) }))
    .filter(({ slips }) => slips <= slipsMax)
    .sort((a, b) => a.slips - b.slips);
  return best?.candidate;
}

/** Characters to insert, delete, replace or swap with their neighbour to make `a` into `b`. */
function editDistance(a: string, b: string): number {
  // rows[i][j]: from the first i characters of a to the first j of b.
  const rows = Array.from(
    { length: a.length + 1 },
    (_, i) => Array.from({ length: b.length + 1 }, (_, j) => i === 0 ? j : i),
  );
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const replaced = rows[i - 1][j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      rows[i][j] = Math.min(replaced, rows[i - 1][j] + 1, rows[i][j - 1] + 1);
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwapped) rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[a.length][b.length];
}
