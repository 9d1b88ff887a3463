/**
 * Random numbers that are the same in every run.
 *
 * @module
 */

/** Whole numbers from 0 to below `limit`, from the 32-bit generator of Numerical Recipes (its upper bits). */
export function randomIntegers(count: number, limit: number, seed: number): number[] {
  let state = seed >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * limit);
  });
}
