/**
 * Doing many asynchronous things, a few at a time.
 *
 * @module
 */

/**
 * Runs `run` over all items, at most `limit` at once, and returns the results in the order of the items. The
 * first failure is thrown, and no further item is begun after it.
 */
export async function mapBounded<Item, Result>(
  items: readonly Item[],
  limit: number,
  run: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  let next = 0;
  async function work(): Promise<void> {
    while (next < items.length) {
      const index = next++;
      try {
        results[index] = await run(items[index]);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
  return results;
}
