/**
 * How pictures become tiles: preprocessor_config.json, with the published values where it is silent.
 *
 * @module
 */
import { PREPROCESSOR_CONFIG_FILE, PROCESSOR_CONFIG_FILE } from "../../io/model_files.ts";
import { readJsonObject } from "../../io/read.ts";
import type { ModelSource } from "../../io/source.ts";
import { ConfigReader } from "../config_reader.ts";
import { DEFAULT_TILE_SETTINGS, type TileSettings } from "./tiles.ts";
import { CHANNELS, type VisionConfig } from "./vision_config.ts";

/** Pillow's number of the bilinear filter. */
const BILINEAR = 2;

/**
 * @throws {RemoraError} BAD_CONFIG for values that cannot be or contradict config.json, UNSUPPORTED for other ways to prepare a
 * picture; both name file and key.
 */
export async function readTileSettings(source: ModelSource, vision: VisionConfig): Promise<TileSettings> {
  const config = await readPreprocessor(source);
  for (const step of ["do_convert_rgb", "do_resize", "do_rescale", "do_normalize", "do_pad"]) {
    if (!config.boolean(step, true)) throw config.unsupported(step, "true", "false");
  }
  const filter = config.integer("resample", 0, Number.MAX_SAFE_INTEGER, BILINEAR);
  if (filter !== BILINEAR) throw config.unsupported("resample", `${BILINEAR} (bilinear)`, `${filter}`);
  const tileSize = vision.imageSize;
  const size = config.section("size");
  for (const side of ["height", "width"]) {
    const found = size.integer(side, 1, Number.MAX_SAFE_INTEGER, tileSize);
    if (found !== tileSize) throw size.wrong(side, `config.json's image_size ${tileSize}`, found);
  }
  const maxTiles = config.integer("max_image_tiles", 1, vision.tilesMax, vision.tilesMax);
  if (maxTiles !== vision.tilesMax) {
    throw config.wrong("max_image_tiles", `config.json's max_num_tiles ${vision.tilesMax}`, maxTiles);
  }
  const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
  const triple = (key: string, otherwise: readonly number[]) =>
    config.has(key) ? config.list(key, CHANNELS, "numbers", isNumber) : otherwise;
  const std = triple("image_std", DEFAULT_TILE_SETTINGS.std);
  if (std.some((value) => value <= 0)) throw config.wrong("image_std", "numbers above 0", std);
  return {
    tileSize,
    maxTiles,
    mean: triple("image_mean", DEFAULT_TILE_SETTINGS.mean),
    std,
    rescale: config.numberAbove("rescale_factor", 0, DEFAULT_TILE_SETTINGS.rescale),
  };
}

/** transformers 5 writes the same object into processor_config.json. */
async function readPreprocessor(source: ModelSource): Promise<ConfigReader> {
  const files = await source.list();
  const read = (name: string) => readJsonObject(source, files, name);
  const own = await read(PREPROCESSOR_CONFIG_FILE);
  if (own) return new ConfigReader(PREPROCESSOR_CONFIG_FILE, own);
  const shared = new ConfigReader(PROCESSOR_CONFIG_FILE, await read(PROCESSOR_CONFIG_FILE) ?? {});
  return shared.section("image_processor");
}
