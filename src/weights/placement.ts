/**
 * Which memory each part of a model lies in.
 *
 * One 32-bit memory ends at 4 GiB. Parts keep their order and fill one memory after the other, so that activations cross from
 * one to the next as rarely as possible: once a pass for each memory beyond the first.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";

/** A part and the bytes that must lie in one memory: weights, and the keys and values of its layers. */
export interface PlacedPart {
  readonly name: string;
  readonly bytes: number;
}

/**
 * @param room Bytes of one memory that parts may fill.
 * @returns The number of the memory for each part's name, from 0 on.
 * @throws {RemoraError} OUT_OF_MEMORY when a part alone is larger.
 */
export function placeParts(parts: readonly PlacedPart[], room: number): Map<string, number> {
  const places = new Map<string, number>();
  let memory = 0, free = room;
  for (const { name, bytes } of parts) {
    if (bytes > room) {
      throw new RemoraError("OUT_OF_MEMORY", `Cannot place the part "${name}" of the model`, {
        expected: `at most ${Math.max(0, Math.floor(room))} bytes besides the buffers of one memory`,
        found: `${bytes}`,
      });
    }
    if (bytes > free) {
      memory++;
      free = room;
    }
    free -= bytes;
    places.set(name, memory);
  }
  return places;
}
