/**
 * Checkpoints: safetensors, shard indices, config.json, and the quantisation configs with the tensors that they speak of. What passes
 * is loaded and computes.
 *
 * @module
 */
import { openCheckpoint } from "../../../src/formats/containers/checkpoint.ts";
import { findQuantizationConfig } from "../../../src/formats/quantization.ts";
import { readQuantizationConfig } from "../../../src/formats/registry.ts";
import { readJsonObject } from "../../../src/io/read.ts";
import type { ModelSource } from "../../../src/io/source.ts";
import { ModelLoader } from "../../../src/loading/load_model.ts";
import type { LoadOptions } from "../../../src/loading/options.ts";
import { architectureOf } from "../../../src/models/architecture.ts";
import { ConfigReader } from "../../../src/models/config_reader.ts";
import { ARCHITECTURES } from "../../../src/models/registry.ts";
import { platform } from "../../../src/platform/current.ts";
import type { Random } from "../../kernels/random.ts";
import { goldenPath } from "../../shared.ts";
import {
  type CheckpointParts,
  copyParts,
  editHeader,
  editTensor,
  readParts,
  readTensors,
  writeParts,
} from "../checkpoint_parts.ts";
import { pick } from "../hostile_values.ts";
import { editJson, type JsonTree, treeOf } from "../json_tree.ts";
import type { Files, FuzzTarget } from "../target.ts";
import { watchedSource } from "../watch.ts";

/** A model that is given as much memory, so that what does not fit is refused before it is reserved. */
const OPTIONS: LoadOptions = { threads: 1, memoryBytes: 1 << 30 };

/** Loads a model whatever it is, and computes a few rows. */
export async function loadAndCompute(
  source: ModelSource,
  options: LoadOptions = {},
  loader = new ModelLoader(platform),
): Promise<void> {
  await using model = await loader.load(source, { ...OPTIONS, ...options });
  using sequence = model.createSequence();
  const { vocabularySize, contextSize } = model.info;
  const ids = [1, 2, 3].filter((id) => id < vocabularySize).concat(0).slice(0, contextSize);
  await sequence.forward(ids, { logits: "all" });
}

/** Reads config.json and the quantisation config alone. */
async function readConfigs(source: ModelSource, files: Files): Promise<void> {
  const sizes = new Map([...files].map(([name, bytes]) => [name, bytes.length]));
  const json = await readJsonObject(source, sizes, "config.json");
  const fields = await findQuantizationConfig(source, json);
  if (fields) readQuantizationConfig(fields);
}

/** The place of the quantisation config: a file of its own, or a key of config.json. */
function quantizationOf({ json }: CheckpointParts): { tree: JsonTree } {
  const config = json.get("config.json")!;
  if (config.tree.kind !== "object") return config;
  const member = config.tree.members.find(([key]) => key === "quantization_config");
  if (!member) return config;
  return {
    get tree() {
      return member[1];
    },
    set tree(tree) {
      member[1] = tree;
    },
  };
}

/** A quantisation method: its config and tensors. */
function quantizationTarget(
  name: string,
  goldens: readonly string[],
  hints: readonly string[],
  change: (parts: CheckpointParts) => void = () => {},
): FuzzTarget {
  return {
    name,
    prepare() {
      const bases = goldens.map((golden) => {
        const parts = readParts(goldenPath(golden), ["config.json"]);
        change(parts);
        return parts;
      });
      return Promise.resolve({
        fresh: (random: Random) => copyParts(pick(random, bases)),
        edit(parts: CheckpointParts, random: Random) {
          if (random.below(5) < 2) return editJson(quantizationOf(parts), random, hints);
          return editTensor(parts.tensors.get("model.safetensors")!, random);
        },
        write: writeParts,
        async run(files: Files, reached: () => void) {
          const source = watchedSource(files);
          await readConfigs(source, files);
          reached();
          await loadAndCompute(source, { precision: files.get("config.json")!.length % 2 ? "f32" : "int8" });
        },
      });
    },
  };
}

const WORDS = [
  "gptq",
  "gptq_v2",
  "marlin",
  "awq",
  "compressed-tensors",
  "auto-round",
  "gemm",
  "gemv",
  "Linear",
  "lm_head",
]
  .concat(
    "re:.*",
    "pack-quantized",
    "int-quantized",
    "group",
    "channel",
    "tensor",
    "int",
    "float",
    "static",
    "weight",
  );

/** AutoRound's config for tensors in GPTQ's layout. */
function asAutoRound(parts: CheckpointParts): void {
  quantizationOf(parts).tree = treeOf({
    quant_method: "auto-round",
    bits: 4,
    group_size: 32,
    sym: true,
    data_type: "int",
    packing_format: "auto_round:auto_gptq",
    extra_config: { "model.layers.0.self_attn.q_proj": { bits: 4, group_size: 32 } },
  });
}

/** GPTQModel's rules for some modules. */
function withDynamic(parts: CheckpointParts): void {
  const { tree } = quantizationOf(parts);
  if (tree.kind !== "object") return;
  tree.members.push(["dynamic", treeOf({ "-:.*nothing.*": {}, "+:.*q_proj": { bits: 4, group_size: 32 } })]);
}

export const gptqTarget = quantizationTarget(
  "gptq",
  ["gptq-v1-sym-g32", "gptq-desc-act", "gptq-8bit", "gptq-v2-asym"],
  WORDS,
  withDynamic,
);
export const awqTarget = quantizationTarget("awq", ["awq-gemm-asym-g64"], WORDS);
export const compressedTensorsTarget = quantizationTarget(
  "compressed-tensors",
  ["ct-actorder", "ct-pack-asym-g64"],
  WORDS,
);
export const marlinTarget = quantizationTarget("marlin", ["marlin-g128"], WORDS);
export const autoRoundTarget = quantizationTarget("auto-round", ["gptq-v1-sym-g32"], WORDS, asAutoRound);

/** The container alone decides about the header; what passes is loaded. */
export const safetensorsTarget: FuzzTarget = {
  name: "safetensors",
  prepare() {
    const bases = ["gptq-v1-sym-g32", "arch-llama"].map((name) =>
      readParts(goldenPath(name), ["config.json"])
    );
    return Promise.resolve({
      fresh: (random: Random) => copyParts(pick(random, bases)),
      edit(parts: CheckpointParts, random: Random) {
        const file = parts.tensors.get("model.safetensors")!;
        return random.below(4) === 0 ? editHeader(file, random) : editTensor(file, random);
      },
      write: writeParts,
      async run(files: Files, reached: () => void) {
        const source = watchedSource(files);
        await openCheckpoint(source);
        reached();
        await loadAndCompute(source);
      },
    });
  },
};

const INDEX = "model.safetensors.index.json";
const SHARDS = [1, 2, 3].map((number) => `model-0000${number}-of-00003.safetensors`);

/** A checkpoint in three shards. */
function shardedParts(): CheckpointParts {
  const folder = goldenPath("gptq-v1-sym-g32");
  const tensors = readTensors(`${folder}/model.safetensors`);
  const { json } = readParts(folder, ["config.json"]);
  const shardOf = tensors.map((_, i) => SHARDS[i % 3]);
  const weight_map = Object.fromEntries(tensors.map(({ name }, i) => [name, shardOf[i]]));
  const total_size = tensors.reduce((sum, { data }) => sum + data.length, 0);
  json.set(INDEX, { tree: treeOf({ metadata: { total_size }, weight_map }) });
  const files = SHARDS.map((shard) => ({ tensors: tensors.filter((_, i) => shardOf[i] === shard) }));
  return { json, tensors: new Map(SHARDS.map((shard, i) => [shard, files[i]])) };
}

/** The index has passed when a shard is read. */
export const indexTarget: FuzzTarget = {
  name: "index",
  prepare() {
    const base = shardedParts();
    return Promise.resolve({
      fresh: () => copyParts(base),
      edit(parts: CheckpointParts, random: Random) {
        const shard = pick(random, [...parts.tensors.keys()]);
        const kind = random.below(8);
        if (kind === 0 && parts.tensors.size > 1) {
          parts.tensors.delete(shard);
          return `${shard}: removed`;
        }
        if (kind < 6) return `${shard}: ${editTensor(parts.tensors.get(shard)!, random)}`;
        return editJson(parts.json.get(INDEX)!, random, [...SHARDS, `sub/${SHARDS[0]}`, "../x.safetensors"]);
      },
      write: writeParts,
      async run(files: Files, reached: () => void) {
        await loadAndCompute(watchedSource(files, (name) => SHARDS.includes(name) && reached()));
      },
    });
  },
};

/** config.json has passed its header when its architecture is known. */
export const configTarget: FuzzTarget = {
  name: "config",
  prepare() {
    const bases = [
      "arch-llama",
      "arch-gemma3-text",
      "arch-phi3-longrope",
      "arch-qwen3",
      "arch-mistral",
      "arch-smollm3",
    ]
      .map((name) => readParts(goldenPath(name), ["config.json"]));
    return Promise.resolve({
      fresh: (random: Random) => copyParts(pick(random, bases)),
      edit: ({ json }: CheckpointParts, random: Random) =>
        editJson(json.get("config.json")!, random, [
          "llama3",
          "yarn",
          "linear",
          "dynamic",
          "longrope",
          "sliding_attention",
        ]),
      write: writeParts,
      async run(files: Files, reached: () => void) {
        const source = watchedSource(files);
        const sizes = new Map([...files].map(([name, bytes]) => [name, bytes.length]));
        const json = await readJsonObject(source, sizes, "config.json");
        architectureOf(ARCHITECTURES, new ConfigReader("config.json", json!));
        reached();
        await loadAndCompute(source);
      },
    });
  },
};
