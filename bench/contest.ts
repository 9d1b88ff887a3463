/**
 * Contestants in turn: each is measured once a round, and the next round reverses the order, so that what the machine does meanwhile
 * meets all of them.
 *
 * @module
 */

/** Figures by the name of their test: tokens per second, or G multiplications per second. */
export type Figures = Record<string, number>;

/** One side of the comparison; it is measured once a round. */
export interface Contestant {
  name: string;
  measure(): Promise<Figures>;
}

/** Measures every contestant once a round; figures by contestant and test, in the order of the rounds. */
export async function play<Side extends Contestant>(
  contestants: readonly Side[],
  rounds: number,
): Promise<Map<Side, Figures[]>> {
  const played = new Map<Side, Figures[]>(contestants.map((contestant) => [contestant, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed()) {
      const figures = await contestant.measure();
      played.get(contestant)!.push(figures);
      console.error(`round ${round + 1} of ${rounds}: ${contestant.name} ${JSON.stringify(figures)}`);
    }
  }
  return played;
}
