/**
 * What the fuzzer asks of a parser: a valid input as a structure, ways to spoil it, how it is written, and how it is read.
 *
 * @module
 */
import type { Random } from "../kernels/random.ts";

/** An input: the files that the parser is given, by name. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** A parser under test, as the registry lists it. */
export interface FuzzTarget {
  readonly name: string;
  /** Whether its refusals must name a file or a tensor; a picture has no name. Default true. */
  readonly namesPlaces?: boolean;
  /**
   * Whether what it runs is locked into an instance of its own, so that a trap in there is an answer like another one. Default false.
   */
  readonly isContained?: boolean;
  /** Reads what the target begins with; once for each process. */
  prepare(): Promise<PreparedTarget>;
}

/** A target that has read its valid files; `Structure` is its own business. */
// deno-lint-ignore no-explicit-any -- of another shape for each target
export interface PreparedTarget<Structure = any> {
  /** A valid input, taken apart. */
  fresh(random: Random): Structure;
  /**
   * Spoils one thing.
   *
   * @returns What was done, in a few words.
   */
  edit(structure: Structure, random: Random): string;
  /** Puts it together again, with lengths and checksums that fit unless an edit was made to them. */
  write(structure: Structure): Files;
  /**
   * Gives it to the parser, and uses what was read.
   *
   * @param reached To be called when what the parser calls its header has passed.
   */
  run(files: Files, reached: () => void): Promise<void> | void;
}
