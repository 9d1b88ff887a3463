/**
 * The folder of a quantised model: its weights, and what makes a folder a model.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { CodedFormat } from "../formats/coded/coded_format.ts";
import type { QuantizedSettings } from "../formats/coded/settings.ts";
import type { CodedLinear, CodedShape } from "../formats/coded/coded_linear.ts";
import type { Checkpoint } from "../formats/containers/checkpoint.ts";
import { SafetensorsWriter } from "../formats/containers/safetensors_writer.ts";
import type { TensorEntry } from "../formats/containers/safetensors.ts";
import { moduleOf } from "../formats/names.ts";
import { CONFIG_FILE, QUANTIZATION_CONFIG_FILES, WEIGHTS_FILE } from "../io/model_files.ts";
import { readBytes } from "../io/read.ts";
import type { ModelSource } from "../io/source.ts";
import type { WritableDirectory } from "../platform/platform.ts";

/** Bytes that are copied at a time. */
const WINDOW_BYTES = 4 << 20;
/** Files beside the weights whose copies are of use. */
const COPIED = /\.(json|jinja|txt|model)$|^(LICENSE|NOTICE|USE_POLICY)/i;
/** Those that are written anew, or would contradict what is. */
const NOT_COPIED = /\.index\.json$|^(config\.json|quantize_config\.json|quant_config\.json)$/;
/** Larger files are not copied: no tokenizer is. */
const COPIED_BYTES_MAX = 200 << 20;
/** Tensors of a quantised module besides its bias, in any of the formats. */
const REPLACED = /\.(weight|qweight|qzeros|scales|g_idx|weight_(packed|scale|shape|zero_point|g_idx))$/;

/** A model before it is quantised or converted. */
export interface OriginalModel {
  readonly source: ModelSource;
  readonly checkpoint: Checkpoint;
  /** The parsed config.json. */
  readonly config: unknown;
}

/** What a folder is made of. */
export interface FolderContents {
  readonly original: OriginalModel;
  readonly format: CodedFormat;
  readonly settings: QuantizedSettings;
  /** In the order in which they are handed over. */
  readonly modules: readonly CodedShape[];
  /** README.md. */
  readonly card: string;
}

/**
 * Fills a folder: what is copied first, then the modules as they become ready.
 *
 * @param makeModules Hands over the modules, one after the other.
 * @throws {RemoraError} UNSUPPORTED, naming the module, for one that the format cannot hold.
 */
export async function writeModelFolder(
  directory: WritableDirectory,
  contents: FolderContents,
  makeModules: (write: (linear: CodedLinear) => void) => Promise<void>,
): Promise<void> {
  const { original: { checkpoint }, format, settings, modules } = contents;
  await writeTexts(directory, contents);
  const copied = copiedTensors(contents);
  await directory.write(WEIGHTS_FILE, async (file) => {
    const writer = new SafetensorsWriter(file, [
      ...copied.map(({ name, dtype, shape, begin, end }) => ({ name, dtype, shape, bytes: end - begin })),
      ...modules.flatMap((module) => format.plan(module, settings)),
    ]);
    for (const entry of copied) await copy(checkpoint, entry, writer);
    await makeModules((linear) => {
      const refused = format.refuseLinear(linear, settings);
      if (refused) {
        throw new RemoraError("UNSUPPORTED", `Cannot write as ${format.name}`, {
          tensor: linear.name,
          ...refused,
        });
      }
      const bytes = format.pack(linear, settings);
      format.plan(linear, settings).forEach(({ name }, i) => writer.write(name, bytes[i]));
    });
    writer.finish();
  });
}

/** Everything but the weights of the modules. */
function copiedTensors({ original: { checkpoint }, modules }: FolderContents): TensorEntry[] {
  const names = new Set(modules.map(({ name }) => name));
  return [...checkpoint.tensors.values()].filter(({ name }) =>
    !(REPLACED.test(name) && names.has(moduleOf(name)))
  );
}

async function copy(checkpoint: Checkpoint, entry: TensorEntry, writer: SafetensorsWriter): Promise<void> {
  const total = entry.end - entry.begin;
  for (let offset = 0; offset < total; offset += WINDOW_BYTES) {
    const bytes = new Uint8Array(Math.min(WINDOW_BYTES, total - offset));
    await checkpoint.readTensorInto(entry, offset, bytes);
    writer.write(entry.name, bytes);
  }
}

async function writeTexts(
  directory: WritableDirectory,
  { original: { source, config }, format, settings, card }: FolderContents,
): Promise<void> {
  const quantization = format.config(settings);
  const write = (name: string, bytes: Uint8Array) =>
    directory.write(name, (file) => Promise.resolve(file.write(bytes)));
  const text = (name: string, value: string) => write(name, new TextEncoder().encode(value));
  const json = (name: string, value: unknown) => text(name, JSON.stringify(value, null, 2) + "\n");
  const { quantization_config: _, compression_config: __, ...others } = config as Record<string, unknown>;
  await json(CONFIG_FILE, { ...others, quantization_config: quantization });
  if (quantization.quant_method === "gptq") await json(QUANTIZATION_CONFIG_FILES[0], quantization);
  await text("README.md", card);
  for (const [name, size] of await source.list()) {
    if (name.includes("/") || !COPIED.test(name) || NOT_COPIED.test(name) || size > COPIED_BYTES_MAX) {
      continue;
    }
    await write(name, await readBytes(source, name, 0, size));
  }
}
