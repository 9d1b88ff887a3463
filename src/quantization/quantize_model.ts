/**
 * A model from floats to codes, layer by layer: never more than one of them lies in memory.
 *
 * @module
 */
import { Kernels } from "../../kernels/host/kernels.ts";
import { RemoraError } from "../core/errors.ts";
import configuration from "../../deno.json" with { type: "json" };
import type { CodedLinear, CodedShape } from "../formats/coded/coded_linear.ts";
import { gptqV1 } from "../formats/coded/gptq.ts";
import type { Checkpoint } from "../formats/containers/checkpoint.ts";
import type { WritableDirectory } from "../platform/platform.ts";
import { WEIGHTS_SUFFIX } from "../io/model_files.ts";
import type { ModelSource } from "../io/source.ts";
import { inspect, type InspectedModel, type Surroundings } from "../loading/inspect.ts";
import { TextFiles } from "../loading/text_files.ts";
import type { Layer } from "../layers/layer.ts";
import { type Decoder, layerPart } from "../models/decoder.ts";
import { KernelSpace } from "../ops/space.ts";
import type { Linear } from "../weights/linear.ts";
import { loadWeights } from "../weights/load.ts";
import { WeightPlan } from "../weights/plan.ts";
import { cutCalibration, embedSequences } from "./calibration.ts";
import { LayerRun, type Pauses } from "./layer_run.ts";
import { nameInFile } from "./names.ts";
import { modelCard } from "./model_card.ts";
import { type FolderContents, writeModelFolder } from "./model_folder.ts";
import { chooseQuantization, type ChosenQuantization, type QuantizeOptions } from "./options.ts";
import { quantizeLayer, roundToNearest } from "./quantize_layer.ts";
import { toFloats } from "./round.ts";

/** Every weight counts as the file has it. */
const EXACT = { precision: "f32", dense: "f16", embeddings: "f16" } as const;

/**
 * Writes a quantised model into a new folder.
 *
 * @throws {RemoraError} As `quantizeModel` of mod.ts.
 */
export async function quantizeInto(
  source: string | URL | ModelSource,
  folder: string,
  options: QuantizeOptions,
  surroundings: Surroundings,
): Promise<void> {
  const chosen = chooseQuantization(options);
  if (chosen.method === "gptq" && options.calibration === undefined) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot use method", {
      expected: "a calibration text with gptq",
      found: "none",
    });
  }
  const { threads, offline, signal, onNotice } = options;
  const inspected = await inspect(
    source,
    { ...EXACT, threads, offline, signal, onNotice, contextSize: 1 },
    surroundings,
  );
  try {
    const modules = modulesOf(inspected, chosen);
    await surroundings.platform.files.create(folder, async (directory) => {
      await new Quantization(inspected, modules, chosen, options, surroundings).writeInto(directory);
    });
  } finally {
    inspected.source.close?.();
  }
}

/** What becomes of a model's linear layers. */
interface Modules {
  /** Those that are quantised, in the order of the model. */
  readonly coded: readonly CodedShape[];
  /** The names of all others. */
  readonly dense: readonly string[];
}

/**
 * Numbers of the layers that are quantised. Those that look at pictures stay as they are, as in published files: a text does not reach
 * them.
 */
function quantizedLayers({ keyValues }: Decoder): number[] {
  return [...keyValues.keys()].filter((index) => keyValues[index]?.of !== "picture");
}

/** Refuses what cannot be quantised. */
function modulesOf(
  { plan, decoder, checkpoint }: InspectedModel,
  { bits, group }: ChosenQuantization,
): Modules {
  // What is not quantised is copied as it lies, and a folder has no place for the tokenizer inside another file.
  const other = [...checkpoint.tensors.values()].find((entry) => !entry.file.endsWith(WEIGHTS_SUFFIX));
  if (other) {
    throw new RemoraError("UNSUPPORTED", "Cannot quantise", {
      file: other.file,
      expected:
        "weights in safetensors with a config.json, as the files have it from which this one was made",
      found: "a GGUF file",
    });
  }
  const parts = new Set(quantizedLayers(decoder).map(layerPart)), linears = [...plan.linears.values()];
  const coded = linears.filter(({ part }) => parts.has(part)).map((linear) => {
    const { name, outputs, inputs, stored } = linear;
    const refuse = (expected: string, found: string) =>
      new RemoraError("UNSUPPORTED", "Cannot quantise", {
        file: stored.tensors[0].file,
        tensor: name,
        expected,
        found,
      });
    if (stored.settings.dense === undefined) {
      throw refuse("an unquantised weight", `one of format ${stored.format}`);
    }
    if (inputs % group !== 0) throw refuse(`inputs that ${group}, the group size, divides`, `${inputs}`);
    if (outputs % (32 / bits) !== 0 || outputs % 8 !== 0) {
      throw refuse("outputs in multiples of 8", `${outputs}`);
    }
    return { name: nameInFile(linear), outputs, inputs, groups: inputs / group };
  });
  return { coded, dense: linears.filter(({ part }) => !parts.has(part)).map(nameInFile) };
}

/** f32 [tokens, hiddenSize] of each sequence, as the rounded layers make them and as the unquantised ones do. */
interface States {
  readonly rounded: readonly Float32Array[];
  readonly dense: readonly Float32Array[];
}

/** One run. */
class Quantization {
  readonly #inspected: InspectedModel;
  readonly #modules: Modules;
  readonly #chosen: ChosenQuantization;
  readonly #options: QuantizeOptions;
  readonly #surroundings: Surroundings;

  constructor(
    inspected: InspectedModel,
    modules: Modules,
    chosen: ChosenQuantization,
    options: QuantizeOptions,
    surroundings: Surroundings,
  ) {
    this.#inspected = inspected;
    this.#modules = modules;
    this.#chosen = chosen;
    this.#options = options;
    this.#surroundings = surroundings;
  }

  async writeInto(directory: WritableDirectory): Promise<void> {
    const { options: { threads } } = this.#inspected;
    const { platform } = this.#surroundings;
    platform.widenVectors?.();
    const sequences = await this.#sequences();
    const [kernels] = await Kernels.start({ threads, variant: "auto", startWorker: platform.startWorker });
    Kernels.chooseForm([kernels]);
    try {
      await writeModelFolder(directory, this.#contents(sequences.flat().length), async (write) => {
        await this.#quantizeLayers(new KernelSpace(kernels), sequences, (layer) => {
          const names = new Map(layer.map((linear) => [linear.name, linear]));
          for (const { name } of this.#modules.coded) {
            const linear = names.get(name);
            if (linear) write(linear);
          }
        });
      });
    } finally {
      await kernels.close();
    }
  }

  #contents(tokens: number): FolderContents {
    const { bits, group, isSymmetric, actOrder, method, damp, order } = this.#chosen;
    const how = {
      damp_percent: damp,
      act_group_aware: order === "groups",
      true_sequential: true,
      static_groups: false,
    };
    const meta = {
      quantizer: [`remora:${configuration.version}`],
      rounding: method,
      ...(method === "gptq" && how),
    };
    const { label } = this.#inspected.source, calibration = this.#options.calibrationName;
    return {
      original: this.#inspected,
      format: gptqV1,
      settings: {
        bits,
        groupSize: group,
        isSymmetric,
        actOrder,
        scaleDtype: "F16",
        dense: this.#modules.dense,
        meta,
      },
      modules: this.#modules.coded,
      card: modelCard(label, {
        ...this.#chosen,
        tokens,
        calibration,
        looksAtPictures: this.#inspected.vision !== undefined,
      }),
    };
  }

  async #sequences(): Promise<number[][]> {
    const { method, sequences, sequenceLength } = this.#chosen;
    if (method === "rtn") return [];
    const { tokenizer } = await TextFiles.read(this.#inspected.source);
    return cutCalibration(tokenizer, this.#options.calibration!, sequences, sequenceLength);
  }

  async #quantizeLayers(
    space: KernelSpace,
    sequences: readonly (readonly number[])[],
    write: (layer: readonly CodedLinear[]) => void,
  ): Promise<void> {
    const layers = quantizedLayers(this.#inspected.decoder), layerCount = layers.length;
    const { memory } = space.kernels, end = memory.end;
    const rounded = sequences.length > 0 ? await this.#embed(space, sequences) : [];
    const states = { rounded, dense: rounded.map((state) => state.slice()) };
    memory.releaseTo(end);
    const begin = performance.now();
    const tell = (layers: number, inLayer: number) => {
      const share = (layers + inLayer) / layerCount;
      const secondsLeft = share > 0 ? (performance.now() - begin) / 1000 * (1 / share - 1) : undefined;
      this.#options.onProgress?.({ layers, layerCount, share, secondsLeft });
    };
    for (const [done, index] of layers.entries()) {
      const rounded = await this.#quantizeLayer(space, index, states, (share) => tell(done, share));
      write(rounded);
      memory.releaseTo(end);
      tell(done + 1, 0);
    }
  }

  async #embed(space: KernelSpace, sequences: readonly (readonly number[])[]): Promise<Float32Array[]> {
    const { decoder, checkpoint } = this.#inspected;
    const plan = new WeightPlan(checkpoint, undefined, EXACT);
    const table = decoder.embeddingIn(plan);
    await this.#load(space, plan, checkpoint);
    return embedSequences(space, table, decoder.config.embeddingFactor, sequences);
  }

  async #quantizeLayer(
    space: KernelSpace,
    index: number,
    states: States,
    onShare: (share: number) => void,
  ): Promise<CodedLinear[]> {
    const { decoder: { config } } = this.#inspected, { sequenceLength } = this.#chosen;
    const { layer, linears } = await this.#loadLayer(space, index);
    for (const linear of linears) toFloats(space, linear);
    await this.#pauses.events.pause();
    this.#pauses.signal?.throwIfAborted();
    if (states.rounded.length === 0) return roundToNearest(space, linears, this.#chosen);
    const dense = await this.#loadLayer(space, index);
    const runOf = (layer: Layer) => new LayerRun(space, layer, index, config, sequenceLength);
    return await quantizeLayer(
      space,
      { run: runOf(layer), states: states.rounded },
      { run: runOf(dense.layer), states: states.dense },
      this.#chosen,
      this.#pauses,
      onShare,
    );
  }

  async #loadLayer(space: KernelSpace, index: number): Promise<{ layer: Layer; linears: Linear[] }> {
    const { decoder, checkpoint } = this.#inspected;
    const plan = new WeightPlan(checkpoint, undefined, EXACT);
    const layer = decoder.layerIn(plan, index);
    await this.#load(space, plan, checkpoint);
    return { layer, linears: [...plan.linears.values()] };
  }

  get #pauses(): Pauses {
    return { events: this.#surroundings.events, signal: this.#options.signal };
  }

  async #load({ kernels }: KernelSpace, plan: WeightPlan, checkpoint: Checkpoint): Promise<void> {
    const { events } = this.#surroundings, { signal } = this.#options;
    await loadWeights(plan, checkpoint, { kernelsOf: () => kernels, events, signal });
  }
}
