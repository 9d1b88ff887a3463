/**
 * The quantisation config of a checkpoint, read as loading reads it.
 *
 * @module
 */
import { findQuantizationConfig, type QuantizationConfig } from "../src/formats/quantization.ts";
import { readQuantizationConfig } from "../src/formats/registry.ts";
import { CONFIG_FILE } from "../src/io/model_files.ts";
import { readJsonObject } from "../src/io/read.ts";
import type { ModelSource } from "../src/io/source.ts";

/** `undefined` if the checkpoint has none. */
export async function quantizationOf(source: ModelSource): Promise<QuantizationConfig | undefined> {
  const config = await readJsonObject(
    source,
    await source.list(),
    CONFIG_FILE,
  );
  const fields = await findQuantizationConfig(source, config);
  return fields && readQuantizationConfig(fields);
}
