/**
 * Memories so small that a model needs several.
 *
 * @module
 */
import { inspectModel, type LoadOptions } from "../mod.ts";

/** Bytes of the smallest memories over which the model can be laid. */
export async function smallestBanks(model: string, options: LoadOptions): Promise<number> {
  for (let megabytes = 0.25; megabytes < 64; megabytes += 0.0625) {
    const bankBytes = megabytes * 2 ** 20;
    try {
      await inspectModel(model, { ...options, bankBytes });
      return bankBytes;
    } catch (error) {
      if ((error as { code?: string }).code !== "OUT_OF_MEMORY") throw error;
    }
  }
  throw new Error("none");
}
