/**
 * The folder of a quantised model: weights in the order in which they become ready, and what makes a folder a model.
 *
 * @module
 */
import configuration from "../../deno.json" with { type: "json" };
import type { Checkpoint } from "../formats/containers/checkpoint.ts";
import { type PlannedTensor, SafetensorsWriter } from "../formats/containers/safetensors_writer.ts";
import type { TensorEntry } from "../formats/containers/safetensors.ts";
import { gptqConfig, gptqTensors, planGptqTensors } from "../formats/gptq/write.ts";
import { CONFIG_FILE, QUANTIZATION_CONFIG_FILES, WEIGHTS_FILE } from "../io/model_files.ts";
import { readBytes } from "../io/read.ts";
import type { ModelSource } from "../io/source.ts";
import type { WritableDirectory } from "../platform/platform.ts";
import { type CardSettings, modelCard } from "./model_card.ts";
import type { RoundedLinear } from "./round.ts";

/** Bytes that are copied at a time. */
const WINDOW_BYTES = 4 << 20;
/** A file beside the weights that a model of the hub may have and whose copy is of use. */
const COPIED = /\.(json|jinja|txt|model)$|^(LICENSE|NOTICE|USE_POLICY)/i;
const NOT_COPIED = /\.index\.json$|^(README\.md|config\.json|quantize_config\.json|quant_config\.json)$/;
/** Larger files are not copied: no tokenizer is. */
const COPIED_BYTES_MAX = 200 << 20;

/** A linear layer that will be quantised. */
export interface QuantizedModule {
  readonly name: string;
  readonly outputs: number;
  readonly inputs: number;
}

/** Writes what is copied first, then the layers as they become ready. */
export class ModelWriter {
  readonly #source: ModelSource;
  readonly #checkpoint: Checkpoint;
  readonly #config: Record<string, unknown>;
  readonly #modules: ReadonlyMap<string, QuantizedModule>;
  readonly #settings: CardSettings;

  constructor(
    source: ModelSource,
    checkpoint: Checkpoint,
    config: Record<string, unknown>,
    modules: readonly QuantizedModule[],
    settings: CardSettings,
  ) {
    this.#source = source;
    this.#checkpoint = checkpoint;
    this.#config = config;
    this.#modules = new Map(modules.map((module) => [module.name, module]));
    this.#settings = settings;
  }

  /**
   * Fills a folder.
   *
   * @param makeLayers Hands over the layers, one after the other.
   */
  async write(
    directory: WritableDirectory,
    makeLayers: (write: (layer: readonly RoundedLinear[]) => void) => Promise<void>,
  ): Promise<void> {
    await this.#writeTexts(directory);
    const copied = this.#copiedTensors();
    const modules = [...this.#modules.values()];
    await directory.write(WEIGHTS_FILE, async (file) => {
      const writer = new SafetensorsWriter(file, [
        ...copied.map(({ name, entry: { dtype, shape, begin, end } }) => ({
          name,
          dtype,
          shape,
          bytes: end - begin,
        })),
        ...modules.flatMap((module) => this.#planOf(module)),
      ]);
      for (const { name, entry } of copied) await this.#copy(name, entry, writer);
      await makeLayers((layer) => {
        const ready = new Map(layer.map((linear) => [linear.name, linear]));
        for (const module of modules) {
          const linear = ready.get(module.name);
          if (!linear) continue;
          const bytes = gptqTensors(linear, this.#settings.bits);
          this.#planOf(module).forEach(({ name }, i) => writer.write(name, bytes[i]));
        }
      });
      writer.finish();
    });
  }

  #planOf({ name, outputs, inputs }: QuantizedModule): PlannedTensor[] {
    const { bits, group } = this.#settings;
    return planGptqTensors(name, outputs, inputs, bits, inputs / group);
  }

  /** Everything but the weights of the modules, under the names that models have. */
  #copiedTensors(): { name: string; entry: TensorEntry }[] {
    const replaced = new Set([...this.#modules.keys()].map((name) => `${name}.weight`));
    return [...this.#checkpoint.tensors].filter(([name]) => !replaced.has(name))
      .map(([name, entry]) => ({ name, entry }));
  }

  async #copy(name: string, entry: TensorEntry, writer: SafetensorsWriter): Promise<void> {
    const total = entry.end - entry.begin;
    for (let offset = 0; offset < total; offset += WINDOW_BYTES) {
      const bytes = new Uint8Array(Math.min(WINDOW_BYTES, total - offset));
      await this.#checkpoint.readTensorInto(entry, offset, bytes);
      writer.write(name, bytes);
    }
  }

  async #writeTexts(directory: WritableDirectory): Promise<void> {
    const { bits, group, isSymmetric, actOrder, method, damp, order } = this.#settings;
    const meta = {
      quantizer: [`remora:${configuration.version}`],
      rounding: method,
      ...(method === "gptq" &&
        {
          damp_percent: damp,
          act_group_aware: order === "groups",
          true_sequential: true,
          static_groups: false,
        }),
    };
    const quantization = gptqConfig({ bits, groupSize: group, isSymmetric, actOrder, meta });
    const text = (name: string, value: string) =>
      directory.write(name, (file) => Promise.resolve(file.write(new TextEncoder().encode(value))));
    const { quantization_config: _, ...config } = this.#config;
    await text(CONFIG_FILE, JSON.stringify({ ...config, quantization_config: quantization }, null, 2) + "\n");
    await text(QUANTIZATION_CONFIG_FILES[0], JSON.stringify(quantization, null, 2) + "\n");
    await text("README.md", modelCard(this.#source.label, this.#settings));
    for (const [name, size] of await this.#source.list()) {
      if (name.includes("/") || !COPIED.test(name) || NOT_COPIED.test(name) || size > COPIED_BYTES_MAX) {
        continue;
      }
      const bytes = await readBytes(this.#source, name, 0, size);
      await directory.write(name, (file) => Promise.resolve(file.write(bytes)));
    }
  }
}
