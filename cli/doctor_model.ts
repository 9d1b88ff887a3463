/**
 * What keeps a model from running: its files, what they say, the memory that it takes.
 *
 * @module
 */
import {
  inspectFiles,
  inspectModel,
  type LoadOptions,
  type ModelFile,
  type ModelInfo,
  RemoraError,
} from "../mod.ts";
import { describeBytes, describeCount, describeInteger } from "./figures.ts";
import type { Finding } from "./finding.ts";
import { checkAccess } from "./model_access.ts";
import { describeStored } from "./module_table.ts";

const DOWNLOAD = "download it again";

/** Looks at a model's files, its headers and its size; no weights are read. */
export async function examineModel(model: string, options: LoadOptions): Promise<Finding[]> {
  try {
    const access = checkAccess(model, options.offline ?? false);
    const files = await inspectFiles(model, { ...options, ...access });
    return [...files.map(examineFile), ...await examineWhole(model, { ...options, ...access }, files)];
  } catch (error) {
    return [failure("model", error)];
  }
}

function examineFile({ name, bytes, isNeeded, problem }: ModelFile): Finding {
  if (problem !== undefined) return { subject: name, state: "problem", found: problem, advice: DOWNLOAD };
  if (bytes !== undefined) return { subject: name, state: "ok", found: describeBytes(bytes) };
  return { subject: name, state: isNeeded ? "problem" : "note", found: "not there", advice: DOWNLOAD };
}

async function examineWhole(
  model: string,
  options: LoadOptions,
  files: readonly ModelFile[],
): Promise<Finding[]> {
  try {
    const info = await inspectModel(model, options);
    return [
      { subject: "model", state: "ok", found: describeModel(info) },
      examineFit(info),
    ];
  } catch (error) {
    const isKnown = error instanceof RemoraError && files.some(({ problem }) => problem === error.message);
    return isKnown ? [] : [failure("model", error)];
  }
}

function describeModel({ architecture, parameterCount, modules, vision }: ModelInfo): string {
  const stored = [...new Set(modules.map(describeStored))].join(", ");
  return `${architecture}, ${describeCount(parameterCount)} parameters, stored as ${stored}${
    vision ? "; looks at pictures" : ""
  }`;
}

function examineFit({ contextSize, memory: { total, available, fits } }: ModelInfo): Finding {
  const subject = "size";
  const taken = `${describeBytes(total)} with ${describeInteger(contextSize)} tokens of context`;
  if (!available) return { subject, state: "note", found: `${taken}; whether that is there is not known` };
  const found = `${taken}, of ${describeBytes(Math.floor(available.bytes))} ${available.source}`;
  if (fits) return { subject, state: "ok", found };
  const advice = "a shorter context (-c) or --kv-cache int8 takes less; a smaller model runs";
  return { subject, state: "problem", found, advice };
}

/** @throws What is none of the library's own refusals. */
function failure(subject: string, error: unknown): Finding {
  if (!(error instanceof RemoraError)) throw error;
  return { subject, state: "problem", found: error.message };
}
