import type { ModuleFactory, Rgba } from "../emscripten.ts";

/** Returns null for data that it cannot decode. */
export interface WebpDecoder {
  decode(bytes: Uint8Array): Rgba | null;
}

export const webpFactory: ModuleFactory<WebpDecoder>;
