/**
 * How a caller wants a model quantised.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { LayerRounding } from "./quantize_layer.ts";

/** What is done, and how far it is. */
export interface QuantizeProgress {
  /** Layers that are done, and in all. */
  layers: number;
  /** See `layers`. */
  layerCount: number;
  /** Of everything, from 0 to 1. */
  share: number;
  /** Estimated from what is done; absent as long as nothing is. */
  secondsLeft?: number;
}

/** How to quantise; every field but the calibration has a default. */
export interface QuantizeOptions {
  /**
   * "gptq" (default): each weight's error is made up for by the weights after it, as far as the calibration's inputs show what they are
   * worth. "rtn": each weight to the nearest code; needs no calibration and is worse.
   */
  method?: "gptq" | "rtn";
  /** Bits of a weight: 4 (default) or 8. */
  bits?: 4 | 8;
  /** Inputs that share a scale; default 128. Must divide the inputs of every layer. */
  groupSize?: number;
  /** Whether zero points are the middle code (default): other readers' fast kernels take nothing else. */
  symmetric?: boolean;
  /** Groups of inputs that count alike, in place of neighbours: a little better, and slower with most readers. Default: no. */
  actOrder?: boolean;
  /** Share of the mean of the Hessian's diagonal that is added to it; default 0.05, as GPTQModel 7. */
  damp?: number;
  /** A text like those that the model will see; "gptq" needs it. */
  calibration?: string;
  /** What the model card calls the calibration. */
  calibrationName?: string;
  /** Pieces of the calibration that are used; default 128, or as many as there are. */
  sequences?: number;
  /** Tokens of each; a multiple of 8, default 512. */
  sequenceLength?: number;
  /** See `LoadOptions.threads`. */
  threads?: number;
  /** Refuse everything that would need the network. */
  offline?: boolean;
  /** Told after every sequence of the calibration. */
  onProgress?(progress: QuantizeProgress): void;
  /** See `LoadOptions.onNotice`. */
  onNotice?(text: string): void;
  /** Stops; nothing is left behind then. */
  signal?: AbortSignal;
}

/** All settings, each with a value. */
export interface ChosenQuantization extends LayerRounding {
  readonly method: "gptq" | "rtn";
  readonly actOrder: boolean;
  readonly sequences: number;
}

const GROUP_DEFAULT = 128, DAMP_DEFAULT = 0.05, SEQUENCES_DEFAULT = 128, LENGTH_DEFAULT = 512;
/** Rows are transposed four at a time, and eight inputs lie together in memory. */
const MULTIPLE = 8;

/** @throws {RemoraError} BAD_ARGUMENT, naming the option, for a value that it does not have. */
export function chooseQuantization(options: QuantizeOptions): ChosenQuantization {
  const { method = "gptq", bits = 4, groupSize: group = GROUP_DEFAULT, symmetric: isSymmetric = true } =
    options;
  const { actOrder = false, damp = DAMP_DEFAULT, sequences = SEQUENCES_DEFAULT } = options;
  const { sequenceLength = LENGTH_DEFAULT } = options;
  const isCount = (value: number) => Number.isSafeInteger(value) && value > 0;
  const isMultiple = (value: number) => isCount(value) && value % MULTIPLE === 0;
  refuseUnless(["gptq", "rtn"].includes(method), "method", "gptq or rtn", method);
  refuseUnless([4, 8].includes(bits), "bits", "4 or 8", bits);
  refuseUnless(isMultiple(group), "groupSize", `a multiple of ${MULTIPLE}`, group);
  refuseUnless(damp > 0 && damp < 1, "damp", "a number between 0 and 1", damp);
  refuseUnless(isCount(sequences), "sequences", "an integer from 1 on", sequences);
  refuseUnless(isMultiple(sequenceLength), "sequenceLength", `a multiple of ${MULTIPLE}`, sequenceLength);
  refuseUnless(method === "gptq" || !actOrder, "actOrder", "method gptq with it", method);
  const order = actOrder ? "activations" : "groups";
  return { method, bits, group, isSymmetric, actOrder, order, damp, sequences, sequenceLength };
}

function refuseUnless(isRight: boolean, option: string, expected: string, found: unknown): void {
  if (isRight) return;
  throw new RemoraError("BAD_ARGUMENT", `Cannot use ${option}`, { expected, found: `${found}` });
}
