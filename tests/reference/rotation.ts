/**
 * Rotary positions.
 *
 * @module
 */
import { type Bounded, bounded, gamma } from "./rounding.ts";

/** The rotary angle, rounded to f32 as the models' own code rounds it. */
export function angleOf(frequency: number, position: number): number {
  return Math.fround(frequency * position);
}

/**
 * One head, rotated: element i < half pairs with i + half; elements from 2 · half on stay.
 *
 * Bound. Two products and their sum: γ(2) · (|a · cos| + |b · sin|).
 */
export function rotateHead(head: ArrayLike<number>, cosines: number[], sines: number[]): Bounded {
  const half = cosines.length;
  const result = bounded(head.length);
  result.values.set(head);
  for (let i = 0; i < half; i++) {
    const a = head[i], b = head[i + half], c = cosines[i], s = sines[i];
    result.values[i] = a * c - b * s;
    result.bounds[i] = gamma(2) * (Math.abs(a * c) + Math.abs(b * s));
    result.values[i + half] = b * c + a * s;
    result.bounds[i + half] = gamma(2) * (Math.abs(b * c) + Math.abs(a * s));
  }
  return result;
}
