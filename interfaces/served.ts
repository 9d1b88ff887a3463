/**
 * One queue and one set of kept sequences for each model, whichever interface asks it.
 *
 * @module
 */
import type { Model } from "../src/generation/model.ts";
import { ServedModel } from "../src/server/engine/served_model.ts";
import { CONCURRENT_DEFAULT } from "../src/server/options.ts";

const served = new WeakMap<Model, ServedModel>();

/** A loaded model as the server has it: what prompts have in common is computed once, and callers wait for their turn. */
export function servedModelOf(model: Model): ServedModel {
  const known = served.get(model);
  if (known) return known;
  const limits = { maxConcurrent: CONCURRENT_DEFAULT, maxQueue: Infinity };
  const made = new ServedModel(model.info.architecture, model, limits, undefined);
  served.set(model, made);
  return made;
}

/** A signal that is never sent, for callers who have none. */
export function signalOr(signal: AbortSignal | undefined): AbortSignal {
  return signal ?? new AbortController().signal;
}
