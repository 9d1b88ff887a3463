/**
 * The options that say which model to open, and how; all commands share them.
 *
 * @module
 */
import type { LoadOptions } from "../mod.ts";
import type { OptionDefinitions, Options } from "./options.ts";
import { note } from "./terminal.ts";

export const MODEL_OPTION = {
  model: { short: "m", value: "MODEL", help: "the model, in place of the first argument" },
} satisfies OptionDefinitions;

export const LOAD_OPTIONS = {
  "ctx-size": { short: "c", value: "N", help: "tokens of context; default: the model's, or what fits" },
  threads: { short: "t", value: "N", help: "threads; default: physical cores" },
  precision: {
    value: "int8|f32",
    help: "int8: integer products, activations of 8 to 16 bits; f32: floats; default: int8",
  },
  "kv-cache": {
    value: "f32|f16|int8",
    help: "f32: floats; f16: 16-bit integers; int8: 8-bit ones; default: f16 (f32 with --precision f32)",
  },
  kernels: { value: "auto|relaxed|strict", help: "SIMD instructions; default: auto" },
  dense: {
    value: "int8|f16",
    help: "unquantised matrices; int8: 8-bit codes (7 in a vision tower); f16: as stored; default: int8",
  },
  embeddings: {
    value: "f16|int8|int4",
    help: "embedding tables; f16: as stored; int8, int4: codes of 8 or 4 bits; default: f16",
  },
  "ubatch-size": {
    value: "N",
    help: "tokens of a prompt computed at once; fewer take less memory; default: 512",
  },
  quantize: {
    value: "int4|int8",
    help: "round unquantised matrices of layers to 4 or 8 bits; default: no",
  },
} satisfies OptionDefinitions;

/** Where repacked weights are kept, for commands that load a model. */
export const CACHE_OPTIONS = {
  cache: { help: "keep repacked weights in the model's folder, for faster loads" },
  "cache-file": { value: "FILE", help: "the same, in this file" },
} satisfies OptionDefinitions;

/** For commands that run a model. */
export const PULL_OPTION = {
  pull: { help: "download the model first, where it is one of the hub and not here" },
} satisfies OptionDefinitions;

/** Options that every command takes. */
export const COMMON_OPTIONS = {
  offline: { help: "never use the network" },
  json: { help: "one JSON object on stdout" },
  help: { short: "h", help: "this text" },
} satisfies OptionDefinitions;

/** @throws {UsageError} For a value out of its range. */
export function readLoadOptions(options: Options): LoadOptions {
  return { threads: options.integer("threads", { from: 1 }), ...readSharedLoadOptions(options) };
}

/**
 * All but the threads, of which `bench` takes several numbers.
 *
 * @throws {UsageError} For a value out of its range.
 */
export function readSharedLoadOptions(options: Options): Omit<LoadOptions, "threads"> {
  return {
    contextSize: options.integer("ctx-size", { from: 1 }),
    precision: options.choice("precision", ["int8", "f32"]),
    kvCache: options.choice("kv-cache", ["f32", "f16", "int8"]),
    kernels: options.choice("kernels", ["auto", "relaxed", "strict"]),
    dense: options.choice("dense", ["int8", "f16"]),
    embeddings: options.choice("embeddings", ["f16", "int8", "int4"]),
    passTokens: options.integer("ubatch-size", { from: 1, to: 512 }),
    quantize: options.choice("quantize", ["int4", "int8"]),
  };
}

/** What `CACHE_OPTIONS` say; what prevents the use of the cache is reported on stderr. */
export function readCacheOptions(options: Options): Pick<LoadOptions, "cache" | "onNotice"> {
  const cache = options.text("cache-file") ?? options.flag("cache");
  return { cache, onNotice: (text) => note(`remora: ${text}\n`) };
}
