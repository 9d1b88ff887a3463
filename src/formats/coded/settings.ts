/**
 * Settings of quantised models, whatever the format.
 *
 * @module
 */

/** What all modules of a model share. */
export interface QuantizedSettings {
  readonly bits: 4 | 8;
  /** Inputs that share a scale; −1: all of them. */
  readonly groupSize: number;
  /** Every zero point is the middle code. */
  readonly isSymmetric: boolean;
  /** Groups are no neighbours. */
  readonly actOrder: boolean;
  readonly scaleDtype: "F16" | "BF16" | "F32";
  /** Linear modules that are not quantised, as the file spells them. */
  readonly dense: readonly string[];
  /** How it was made, where the format has a place for that. */
  readonly meta?: Readonly<Record<string, unknown>>;
}
