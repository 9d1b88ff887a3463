/**
 * Rotary positions (Su et al. 2021, arXiv 2104.09864).
 *
 * @module
 */
import type { Matrix } from "./matrix.ts";

/** Cosines and sines of `table.rows` consecutive positions, times `factor`; `frequencies` f32 [1, half], table f32 [rows, 2 · half]. */
export function fillRotaryTable(frequencies: Matrix, start: number, factor: number, table: Matrix): void {
  table.kernels.ropeTable({
    frequencies: frequencies.address,
    start,
    rows: table.rows,
    half: frequencies.columns,
    factor,
    table: table.address,
  });
}

/** Rotates the beginning of each head by the angles of its row's position, as far as the table reaches. */
export function rotate(vectors: Matrix, headSize: number, table: Matrix): void {
  vectors.kernels.rope({
    table: table.address,
    rows: vectors.rows,
    heads: vectors.columns / headSize,
    headSize,
    half: table.columns / 2,
    vectors,
  });
}
