/**
 * The texts by which a model is quantised, as sequences of tokens and as states of the residual stream.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { embed, TokenIds } from "../ops/embed.ts";
import { Matrix } from "../ops/matrix.ts";
import type { KernelSpace } from "../ops/space.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Linear } from "../weights/linear.ts";

/** Cuts a text into sequences of `length` tokens, side by side; what is left at the end is dropped. */
export function cutCalibration(
  tokenizer: Tokenizer,
  text: string,
  count: number,
  length: number,
): number[][] {
  const ids = tokenizer.encode(text);
  const whole = Math.min(count, Math.floor(ids.length / length));
  if (whole > 0) return Array.from({ length: whole }, (_, i) => ids.slice(i * length, (i + 1) * length));
  throw new RemoraError("BAD_ARGUMENT", "Cannot calibrate", {
    expected: `a text of at least ${length} tokens`,
    found: `${ids.length}`,
  });
}

/** The embeddings of sequences, f32 [tokens, hiddenSize] each. */
export function embedSequences(
  space: KernelSpace,
  table: Linear,
  factor: number,
  sequences: readonly (readonly number[])[],
): Float32Array[] {
  const [{ length }] = sequences;
  const ids = new TokenIds(space, length), output = Matrix.reserve(space, length, table.inputs);
  return sequences.map((sequence) => {
    ids.write(sequence, 0);
    embed(table, ids, factor, output);
    return output.read();
  });
}
