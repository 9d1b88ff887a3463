/**
 * The folders of the library in the order in which data flow through them. A file imports from its own folder and from those before
 * it, and from nowhere else.
 *
 * @module
 */
export const FOLDERS: readonly string[] = [
  "src/core",
  "src/binaries",
  "kernels/shared",
  "kernels/host",
  "src/platform",
  "src/io",
  "src/hub",
  "src/formats",
  "src/weights",
  "src/ops",
  "src/layers",
  "src/image",
  "src/text",
  "src/grammar",
  "src/dialects",
  "src/vision",
  "src/models",
  "src/sequence",
  "src/sampling",
  "src/generation",
  "src/loading",
  "src/quantization",
  "src/server",
  "interfaces",
  "src/fallback",
];
