/**
 * A quantised model in another format, code by code.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { awqGemm } from "../formats/coded/awq.ts";
import type { CodedFormat, ReadPart } from "../formats/coded/coded_format.ts";
import type { QuantizedSettings } from "../formats/coded/settings.ts";
import type { CodedShape } from "../formats/coded/coded_linear.ts";
import { compressedTensors } from "../formats/coded/compressed_tensors.ts";
import { gptqV1, gptqV2 } from "../formats/coded/gptq.ts";
import type { Checkpoint } from "../formats/containers/checkpoint.ts";
import { elementCount } from "../formats/containers/safetensors.ts";
import { groupsOf } from "../formats/group_steps.ts";
import type { ModelSource } from "../io/source.ts";
import { inspect, type InspectedModel, type Surroundings } from "../loading/inspect.ts";
import type { Linear } from "../weights/linear.ts";
import { convertedCard } from "./model_card.ts";
import { nameInFile } from "./names.ts";
import { writeModelFolder } from "./model_folder.ts";

/** Formats that are written. */
export type WrittenFormat = "gptq" | "gptq_v2" | "awq" | "compressed-tensors";

/** How to convert. */
export interface ConvertOptions {
  /** The format that is written. */
  to: WrittenFormat;
  /** Refuse everything that would need the network. */
  offline?: boolean;
  /** Told the share that is done, after every module. */
  onProgress?(share: number): void;
  /** See `LoadOptions.onNotice`. */
  onNotice?(text: string): void;
  /** Stops; nothing is left behind then. */
  signal?: AbortSignal;
}

const FORMATS: readonly CodedFormat[] = [gptqV1, gptqV2, awqGemm, compressedTensors];
const AS_STORED = { precision: "f32", dense: "f16", embeddings: "f16", threads: 1, contextSize: 1 } as const;

/** A module to convert. */
interface Module {
  readonly shape: CodedShape;
  readonly linear: Linear;
}

/**
 * Writes a quantised model in another format into a new folder.
 *
 * @throws {RemoraError} As `convertModel` of mod.ts.
 */
export async function convertInto(
  source: string | URL | ModelSource,
  folder: string,
  { to, offline, onProgress, onNotice, signal }: ConvertOptions,
  surroundings: Surroundings,
): Promise<void> {
  const target = FORMATS.find(({ name }) => name === to);
  if (!target) {
    throw new RemoraError("BAD_ARGUMENT", "Cannot use to", {
      expected: FORMATS.map(({ name }) => name).join(" or "),
      found: `${to}`,
    });
  }
  const inspected = await inspect(source, { ...AS_STORED, offline, signal, onNotice }, surroundings);
  try {
    const all = [...inspected.plan.linears.values()];
    const packed = all.filter(({ stored: { settings } }) => settings.dense === undefined);
    const format = sourceFormat(inspected, packed);
    const modules = packed.map((linear) => ({ linear, shape: shapeOf(linear) }));
    const dense = all.filter((linear) => !packed.includes(linear)).map(nameInFile);
    const settings = await settingsOf(inspected.checkpoint, modules, dense);
    const refused = target.refuse(settings);
    const file = inspected.source.label ?? "the model";
    if (refused) throw new RemoraError("UNSUPPORTED", `Cannot convert to ${to}`, { file, ...refused });
    const card = convertedCard(inspected.source.label, format.name, to, settings);
    const contents = {
      original: inspected,
      format: target,
      settings,
      modules: modules.map(({ shape }) => shape),
      card,
    };
    await surroundings.platform.files.create(
      folder,
      (directory) =>
        writeModelFolder(directory, contents, async (write) => {
          for (const [index, { shape }] of modules.entries()) {
            await surroundings.events.pause();
            signal?.throwIfAborted();
            write(await format.read(shape, settings, partsOf(inspected.checkpoint, shape.name)));
            onProgress?.((index + 1) / modules.length);
          }
        }),
    );
  } finally {
    inspected.source.close?.();
  }
}

/** The one format of all modules. */
function sourceFormat({ source }: InspectedModel, linears: readonly Linear[]): CodedFormat {
  const file = source.label ?? "the model";
  const refuse = (expected: string, found: string, tensor?: string) =>
    new RemoraError("UNSUPPORTED", "Cannot convert", { file, tensor, expected, found });
  if (linears.length === 0) throw refuse("a quantised model (quantize makes one)", "no quantised module");
  const formats = linears.map((linear) => {
    const { format, settings, tensors } = linear.stored;
    const isWords = settings.isSigned !== true && !tensors.some(({ name }) => name.endsWith(".B"));
    if (format === "gptq") return settings.addOne ? gptqV1 : gptqV2;
    if (format === "awq" && tensors[0].shape[0] === linear.inputs) return awqGemm;
    if (format === "compressed-tensors" && isWords) return compressedTensors;
    const names = "gptq, awq (gemm) or compressed-tensors (pack-quantized)";
    throw refuse(
      names,
      format === "awq" ? "awq (gemv)" : isWords ? format : `${format} (int-quantized)`,
      nameInFile(linear),
    );
  });
  if (formats.some((format) => format !== formats[0])) throw refuse("one format for all modules", "several");
  return formats[0];
}

function shapeOf(linear: Linear): CodedShape {
  const { inputs, outputs, stored: { groupSize } } = linear;
  return { name: nameInFile(linear), inputs, outputs, groups: groupsOf(inputs, groupSize).groups };
}

/** What all modules share; differences are refused by name. */
async function settingsOf(
  checkpoint: Checkpoint,
  modules: readonly Module[],
  dense: readonly string[],
): Promise<QuantizedSettings> {
  const groupSize = groupSizeOf(modules);
  const settings = await Promise.all(modules.map(async ({ shape, linear: { stored } }) => {
    const { bits, groupSize: size, form, order } = stored;
    const part = (last: string) =>
      [...checkpoint.tensors.values()].find(({ name }) => name === `${shape.name}.${last}`);
    const scales = (part("scales") ?? part("weight_scale"))!;
    if (elementCount(scales.shape) !== shape.groups * shape.outputs) {
      throw new RemoraError("UNSUPPORTED", "Cannot convert", {
        tensor: scales.name,
        expected: `a scale for each of ${shape.outputs} outputs`,
        found: `[${scales.shape.join(", ")}]`,
      });
    }
    const index = order && new Uint8Array(order.tensor.end - order.tensor.begin);
    if (index) await checkpoint.readTensorInto(order.tensor, 0, index);
    const actOrder = index !== undefined &&
      !new Int32Array(index.buffer).every((group, input) => group === Math.floor(input / size));
    const scaleDtype = scales.dtype as QuantizedSettings["scaleDtype"];
    const isSymmetric = !form.hasZeros;
    return {
      bits: bits as 4 | 8,
      groupSize: groupSize === -1 ? -1 : size,
      isSymmetric,
      actOrder,
      scaleDtype,
    };
  }));
  const [first] = settings;
  for (const [index, other] of settings.entries()) {
    const { bits, groupSize, scaleDtype } = other;
    if (bits === first.bits && groupSize === first.groupSize && scaleDtype === first.scaleDtype) continue;
    throw new RemoraError("UNSUPPORTED", "Cannot convert", {
      tensor: modules[index].shape.name,
      expected:
        `${first.bits} bits in groups of ${first.groupSize} with scales of ${first.scaleDtype}, as the first module`,
      found: `${bits}, ${groupSize}, ${scaleDtype}`,
    });
  }
  return {
    ...first,
    isSymmetric: settings.every(({ isSymmetric }) => isSymmetric),
    actOrder: settings.some(({ actOrder }) => actOrder),
    dense,
  };
}

/** That of the first module; −1 where every module has one group, of all its inputs, and these are of several numbers. */
function groupSizeOf(modules: readonly Module[]): number {
  const sizes = new Set(modules.map(({ linear }) => linear.stored.groupSize));
  if (sizes.size > 1 && modules.every(({ shape }) => shape.groups === 1)) return -1;
  return modules[0].linear.stored.groupSize;
}

function partsOf(checkpoint: Checkpoint, module: string): ReadPart {
  const entries = new Map([...checkpoint.tensors.values()].map((entry) => [entry.name, entry]));
  return async (part) => {
    const entry = entries.get(`${module}.${part}`);
    if (entry === undefined || entry.end === entry.begin) return undefined;
    const bytes = new Uint8Array(entry.end - entry.begin);
    await checkpoint.readTensorInto(entry, 0, bytes);
    return bytes;
  };
}
