/**
 * Running a decoder that Emscripten compiled, once.
 *
 * @module
 */
import { badImage } from "./refusal.ts";

/** The program that Emscripten generates around a binary: each call makes an independent instance. */
export type ModuleFactory<Decoder> = (options: {
  noInitialRun: boolean;
  instantiateWasm(
    imports: WebAssembly.Imports,
    receive: (instance: WebAssembly.Instance) => void,
  ): WebAssembly.Exports;
  print(line: string): void;
  printErr(line: string): void;
}) => Promise<Decoder>;

/** What a decoder returns: u8 [height, width, 4], alpha not multiplied in. */
export interface Rgba {
  width: number;
  height: number;
  data: Uint8ClampedArray;
}

/**
 * Runs a decoder in a new instance, so that neither an abort nor the memory of a large picture outlives the call.
 *
 * @param format Names the format in refusals.
 * @param size What the header said.
 * @returns The picture, and the warnings that the decoder printed.
 * @throws {RemoraError} BAD_IMAGE when the decoder fails or returns another size.
 */
export async function runDecoder<Decoder>(
  format: string,
  factory: ModuleFactory<Decoder>,
  binary: WebAssembly.Module,
  decode: (decoder: Decoder) => Rgba | null,
  size: { width: number; height: number },
): Promise<{ rgba: Rgba; warnings: string[] }> {
  const warnings: string[] = [];
  let rgba: Rgba | null;
  try {
    const decoder = await factory({
      noInitialRun: true,
      instantiateWasm: (imports, receive) => {
        const instance = new WebAssembly.Instance(binary, imports);
        receive(instance);
        return instance.exports;
      },
      print: (line) => warnings.push(line),
      printErr: (line) => warnings.push(line),
    });
    rgba = decode(decoder);
  } catch (cause) {
    throw badImage(`intact ${format} data`, warnings[0] ?? "data the decoder gave up on", cause);
  }
  if (rgba === null) throw badImage(`intact ${format} data`, warnings[0] ?? "damage");
  if (rgba.width !== size.width || rgba.height !== size.height) {
    throw badImage(
      `${format} data of ${size.width} x ${size.height} pixels`,
      `${rgba.width} x ${rgba.height}`,
    );
  }
  return { rgba, warnings };
}
