/**
 * What an architecture is: how its config is read, what its tensors are called, and how it looks at pictures.
 *
 * @module
 */
import type { Spellings } from "../formats/names.ts";
import type { ModelSource } from "../io/source.ts";
import type { HostEvents } from "../platform/events.ts";
import type { CrossAttentionRows, VisionModel } from "../vision/vision_model.ts";
import type { WeightPlan } from "../weights/plan.ts";
import type { ConfigReader } from "./config_reader.ts";
import type { DecoderConfig } from "./decoder_config.ts";

/** Shape of a tensor of the checkpoint by the name that model code uses, or `undefined`. */
export type ShapeOf = (tensor: string) => readonly number[] | undefined;

/** What a vision model is made of, besides its config. */
export interface VisionParts {
  weights: WeightPlan;
  /** Where preprocessing is described. */
  source: ModelSource;
  crossAttentionRows: CrossAttentionRows;
  events: HostEvents;
}

/** A model as its config describes it. */
export interface ArchitectureConfig {
  readonly decoder: DecoderConfig;
  /** Takes the vision model's weights; of models that look at pictures. */
  readonly vision?: (parts: VisionParts) => Promise<VisionModel>;
}

/** An architecture. */
export interface Architecture {
  /** What stands before the decoder's names in the checkpoint. */
  readonly decoderPrefix?: string;
  /** Other spellings of tensor names that its files have. */
  readonly spellings?: Spellings;
  /** @throws {RemoraError} BAD_CONFIG or UNSUPPORTED, naming file and key. */
  read(config: ConfigReader, shapeOf: ShapeOf): ArchitectureConfig;
}

/** Architectures by `model_type`. */
export type Architectures = Readonly<Record<string, Architecture>>;

/**
 * The architecture that `model_type` names.
 *
 * @throws {RemoraError} UNSUPPORTED for an unknown one, naming file and key.
 */
export function architectureOf(architectures: Architectures, config: ConfigReader): Architecture {
  const name = config.string("model_type");
  if (Object.hasOwn(architectures, name)) return architectures[name];
  throw config.unsupported("model_type", Object.keys(architectures).sort().join(", "), name);
}
