/**
 * Arrays whose items are counted by kind.
 *
 * @module
 */
import type { Term } from "../terms.ts";
import type { JsonText } from "./text.ts";

/** Items so far, and how many of them were of each kind; both only as far as it matters. */
export interface ItemCounts {
  readonly index: number;
  readonly counts: readonly number[];
}

/** An automaton over such counts. */
export interface CountingArray {
  readonly start: ItemCounts;
  mayEnd(state: ItemCounts): boolean;
  steps(state: ItemCounts): readonly { item: Term; next: ItemCounts }[];
}

/** @param scope Tells the rules of one array from those of another. */
export function countedItems(json: JsonText, scope: string, array: CountingArray): Term {
  const { store, space, comma } = json;
  const nameOf = ({ index, counts }: ItemCounts) => `items ${scope}: ${index} ${counts}`;
  const met = new Map<string, { state: ItemCounts; steps: ReturnType<CountingArray["steps"]> }>();
  const open = [array.start];
  while (open.length > 0) {
    const state = open.pop()!;
    if (met.has(nameOf(state))) continue;
    const steps = array.steps(state);
    met.set(nameOf(state), { state, steps });
    open.push(...steps.map(({ next }) => next));
  }
  /** States from which the end can be reached: an answer must not come to any other. */
  const ending = new Set([...met].filter(([, { state }]) => array.mayEnd(state)).map(([name]) => name));
  for (let hasGrown = true; hasGrown;) {
    hasGrown = false;
    for (const [name, { steps }] of met) {
      if (ending.has(name) || !steps.some(({ next }) => ending.has(nameOf(next)))) continue;
      ending.add(name);
      hasGrown = true;
    }
  }
  const rule = (state: ItemCounts): Term =>
    store.rule(nameOf(state), () => {
      const { steps } = met.get(nameOf(state))!;
      const separator = state.index === 0 ? store.empty : comma;
      return store.either([
        ...(array.mayEnd(state) ? [store.sequence(space, store.text("]"))] : []),
        ...steps.filter(({ next }) => ending.has(nameOf(next))).map(({ item, next }) =>
          store.sequence(separator, item, rule(next))
        ),
      ]);
    });
  return ending.has(nameOf(array.start))
    ? store.sequence(store.text("["), space, rule(array.start))
    : store.nothing;
}
