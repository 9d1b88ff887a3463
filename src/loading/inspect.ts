/**
 * What a model is, from its headers alone: configs are read and checked, and every tensor that will be needed is found.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import {
  type Checkpoint,
  openCheckpoint,
  type SelfDescribedModel,
} from "../formats/containers/checkpoint.ts";
import { respellRules, respellTensors, textModelSpellings } from "../formats/names.ts";
import { findQuantizationConfig } from "../formats/quantization.ts";
import { readQuantizationConfig } from "../formats/registry.ts";
import { openSelfDescribed } from "../formats/self_described.ts";
import type { GenerationDefaults } from "../generation/model.ts";
import type { ModelInfo } from "../generation/model_info.ts";
import { refuseLfsPointers } from "../io/lfs_pointers.ts";
import { CONFIG_FILE } from "../io/model_files.ts";
import { openSource } from "../hub/open.ts";
import { readJsonObject } from "../io/read.ts";
import type { ModelSource } from "../io/source.ts";
import { architectureOf, type Architectures } from "../models/architecture.ts";
import { ConfigReader } from "../models/config_reader.ts";
import { Decoder } from "../models/decoder.ts";
import { checkUnreadKeys } from "../models/known_keys.ts";
import type { HostEvents } from "../platform/events.ts";
import { memoryLimit } from "../platform/memory_limit.ts";
import type { Platform } from "../platform/platform.ts";
import { WeightPlan } from "../weights/plan.ts";
import { type DescribedModel, describeModel } from "./describe_model.ts";
import { type MemoryPlan, planMemory } from "./memory_plan.ts";
import { chooseOptions, type ChosenOptions, type LoadOptions } from "./options.ts";
import { insteadOfConfig, noticeOfAdapter } from "./other_forms.ts";
import { noticeOfUnread } from "./unread_modules.ts";
import { readGenerationDefaults } from "./text_files.ts";

/** What loading needs of its surroundings. */
export interface Surroundings {
  platform: Platform;
  /** The architectures that there are. */
  architectures: Architectures;
  events: HostEvents;
}

/** A model as its headers describe it, and how it will be loaded. Its source is open. */
export interface InspectedModel extends DescribedModel {
  source: ModelSource;
  checkpoint: Checkpoint;
  options: ChosenOptions;
  memory: MemoryPlan;
  info: ModelInfo;
  defaults: GenerationDefaults;
  /** The parsed config.json. */
  config: unknown;
}

/** @throws {RemoraError} As `loadModel`; the source is closed then. */
export async function inspect(
  where: string | URL | ModelSource,
  options: LoadOptions,
  surroundings: Surroundings,
): Promise<InspectedModel> {
  const { platform } = surroundings;
  const { signal, offline } = options;
  const chosen = chooseOptions(options, platform), processors = platform.processors();
  if (chosen.threads > processors) {
    options.onNotice?.(
      `threads: ${chosen.threads}, and the host counts ${processors} processors: they wait for each other`,
    );
  }
  signal?.throwIfAborted();
  const opened = await openSource(platform, where, { offline, signal });
  try {
    await refuseLfsPointers(opened);
    const described = await openSelfDescribed(opened);
    const source = described?.source ?? opened;
    const model = await readModel(source, chosen, surroundings, options.onNotice, described);
    const { memoryBytes } = options;
    const limit = memoryBytes === undefined
      ? memoryLimit(platform.memory)
      : { bytes: memoryBytes, source: "memoryBytes" };
    const memory = planMemory(
      model,
      { ...options, ...chosen, runtimeBytes: platform.memory.runtimeBytes },
      limit,
    );
    return { ...model, source, options: chosen, memory, info: describeModel(model, memory) };
  } catch (error) {
    opened.close?.();
    throw error;
  }
}

async function readModel(
  source: ModelSource,
  chosen: ChosenOptions,
  { architectures, events }: Surroundings,
  onNotice: LoadOptions["onNotice"],
  described: SelfDescribedModel | undefined,
): Promise<DescribedModel & Pick<InspectedModel, "checkpoint" | "defaults" | "config">> {
  const json = await readConfig(source);
  const unused = noticeOfAdapter(await source.list());
  if (unused !== undefined) onNotice?.(unused);
  const { file = CONFIG_FILE, names } = described?.origin ?? {};
  const config = new ConfigReader(file, json, "", undefined, names);
  const architecture = architectureOf(architectures, config);
  const quantizationFields = await findQuantizationConfig(source, json);
  const baseName = quantizationFields?.string("model_file_base_name");
  const opened = described?.checkpoint ?? await openCheckpoint(source, { baseName, onNotice });
  const spellings = architecture.spellings ?? textModelSpellings(opened.tensors.keys());
  const checkpoint = respellTensors(opened, spellings);
  const { decoder: decoderConfig, vision: takeVision } = architecture.read(
    config,
    (tensor) => checkpoint.tensors.get(tensor)?.shape,
  );
  checkUnreadKeys(config, onNotice);
  const defaults = await readGenerationDefaults(source, config, onNotice);
  const claimed = quantizationFields && readQuantizationConfig(quantizationFields);
  const quantization = await claimed?.check?.(checkpoint, claimed, onNotice) ?? claimed;
  const rules = quantization && respellRules(quantization, spellings);
  const plan = new WeightPlan(checkpoint, rules, chosen);
  const decoder = new Decoder(decoderConfig, plan, architecture.decoderPrefix);
  const vision = await takeVision?.({
    weights: plan,
    source,
    crossAttentionRows: chosen.crossAttentionRows,
    events,
  });
  if (chosen.quantize) onNotice?.(roundingNotice(plan, chosen.quantize));
  const unread = noticeOfUnread(plan, checkpoint);
  if (unread !== undefined) onNotice?.(unread);
  return { name: config.string("model_type"), decoder, vision, plan, checkpoint, defaults, config: json };
}

/** What rounding does to the model, in one line. */
function roundingNotice(plan: WeightPlan, quantize: string): string {
  const linears = [...plan.linears.values()],
    rounded = linears.filter(({ stored }) => stored.settings.dense === quantize);
  return rounded.length === 0
    ? `quantize: "${quantize}" changes nothing: the file leaves no matrix of a layer unquantised`
    : `${rounded.length} matrices are rounded to ${quantize}, each weight to the nearest code of its group`;
}

async function readConfig(source: ModelSource): Promise<Record<string, unknown>> {
  const files = await source.list();
  const json = await readJsonObject(source, files, CONFIG_FILE);
  if (json) return json;
  throw new RemoraError("FILE_NOT_FOUND", "Cannot find", {
    file: CONFIG_FILE,
    found: insteadOfConfig(files.keys()) ?? `none in ${source.label ?? "the model"}`,
  });
}
