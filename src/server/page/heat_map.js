/**
 * Where in a picture an answer looked, drawn over it.
 *
 * @module
 */

/** Share of the strongest weights that are drawn alike: a few patches that stand out would leave the others dark. */
const STRONGEST = 0.02;
const OPACITY = 0.75;

/** The sum of the weights of all tokens, by picture. */
export class HeatMap {
  #sums = new Map();

  /** @param {{ picture: number, rows: number, columns: number, width: number, height: number, weights: number[] }[]} attention */
  add(attention) {
    for (const { picture, weights, ...shape } of attention) {
      const known = this.#sums.get(picture) ?? { ...shape, weights: new Float64Array(weights.length) };
      weights.forEach((weight, i) => known.weights[i] += weight);
      this.#sums.set(picture, known);
    }
  }

  get isEmpty() {
    return this.#sums.size === 0;
  }

  /**
   * Draws the map of a picture.
   *
   * @param {number} picture Which of the conversation's.
   * @param {HTMLCanvasElement} canvas Lies over the picture.
   */
  draw(picture, canvas) {
    const found = this.#sums.get(picture);
    canvas.hidden = !found;
    if (!found) return;
    const { rows, columns, width, height, weights } = found;
    // Only patches that the picture covers; the others are padding.
    const usedColumns = Math.max(1, Math.round(columns * width)),
      usedRows = Math.max(1, Math.round(rows * height));
    const used = Array.from({ length: usedRows * usedColumns }, (_, i) => {
      return weights[Math.floor(i / usedColumns) * columns + i % usedColumns];
    });
    const sorted = used.toSorted((a, b) => b - a);
    const top = sorted[Math.floor(sorted.length * STRONGEST)] || 1;
    canvas.width = usedColumns;
    canvas.height = usedRows;
    const context = canvas.getContext("2d");
    const image = context.createImageData(usedColumns, usedRows);
    used.forEach((weight, i) => {
      const heat = Math.min(1, weight / top);
      image.data.set([255, 200 * (1 - heat), 0, 255 * OPACITY * heat], 4 * i);
    });
    context.putImageData(image, 0, 0);
  }
}
