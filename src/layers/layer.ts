/**
 * A decoder layer: a mixer and a feed-forward network, each added to the residual stream.
 *
 * @module
 */
import type { WeightPlan } from "../weights/plan.ts";
import type { Residual } from "./residual.ts";

/** The parts of a layer in the order in which they are computed. */
export type Layer = readonly Residual[];

/** Makes a layer of the weights whose names begin with `name`. */
export type LayerFactory = (weights: WeightPlan, name: string) => Layer;
