import type { ModuleFactory, Rgba } from "../emscripten.ts";

/** `decode` turns the picture upright itself when `isUpright` is true. */
export interface JpegDecoder {
  decode(bytes: Uint8Array, isUpright: boolean): Rgba | null;
}

export const jpegFactory: ModuleFactory<JpegDecoder>;
