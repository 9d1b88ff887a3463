/**
 * Partial selection: the best few of many scores without sorting them all.
 *
 * @module
 */

/** First guess of {@linkcode smallestPrefix}; a confident model puts its mass on fewer tokens. */
const PREFIX_START = 64;
/** Growth of that guess: each pass costs about one scan, so few passes beat a tight guess. */
const PREFIX_GROWTH = 8;

/**
 * Indices of the `count` highest scores, best first; of equal scores the lower index comes first.
 *
 * A heap of `count` entries with the worst on top: most scores are refused by one comparison, so the cost is
 * near that of one scan while `count` is small.
 */
export function bestIndices(scores: ArrayLike<number>, count: number): Int32Array {
  const size = Math.min(count, scores.length);
  const heap = new Int32Array(size);
  if (size === 0) return heap;
  const isWorse = (a: number, b: number) => scores[a] < scores[b] || (scores[a] === scores[b] && a > b);

  function sink(value: number, end: number): void {
    let parent = 0;
    for (let child = 1; child < end; child = 2 * parent + 1) {
      if (child + 1 < end && isWorse(heap[child + 1], heap[child])) child++;
      if (!isWorse(heap[child], value)) break;
      heap[parent] = heap[child];
      parent = child;
    }
    heap[parent] = value;
  }

  for (let i = 0; i < size; i++) {
    let child = i;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!isWorse(i, heap[parent])) break;
      heap[child] = heap[parent];
      child = parent;
    }
    heap[child] = i;
  }
  for (let i = size; i < scores.length; i++) {
    // Equal scores lose to the lower index already inside.
    if (scores[i] > scores[heap[0]]) sink(i, size);
  }
  for (let end = size - 1; end > 0; end--) {
    const worst = heap[0];
    sink(heap[end], end);
    heap[end] = worst;
  }
  return heap;
}

/**
 * The shortest run of best scores whose weights reach `mass` of the total weight; never empty.
 *
 * @param scores What "best" means, e.g. the weights themselves for top-p.
 * @param weights Non-negative, same length; they need not sum to 1.
 * @param mass In (0, 1].
 * @returns Indices, best first.
 */
export function smallestPrefix(
  scores: ArrayLike<number>,
  weights: ArrayLike<number>,
  mass: number,
): Int32Array {
  const target = mass * total(weights);
  for (let count = PREFIX_START;; count *= PREFIX_GROWTH) {
    const order = bestIndices(scores, count);
    let reached = 0;
    for (let i = 0; i < order.length; i++) {
      reached += weights[order[i]];
      if (reached >= target) return order.subarray(0, i + 1);
    }
    if (order.length === scores.length) return order; // the rounded sum stayed just below its target
  }
}

/** Sum in index order. */
export function total(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum;
}
