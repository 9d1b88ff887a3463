/**
 * The golden of unquantised weights, with a tokenizer of its vocabulary and a text to calibrate it by.
 *
 * @module
 */
import { goldenPath } from "../shared.ts";

/** The golden's folder; it has no tokenizer. */
export const DENSE_FOLDER = goldenPath("bf16-dense");

/** Characters of the vocabulary, each a token. */
export function denseText(length: number): string {
  return Array.from({ length }, (_, i) => String.fromCharCode(97 + (i * i * 7 + i) % 23)).join("");
}

/** The files of a whole model. */
export function denseFiles(
  weights = Deno.readFileSync(`${DENSE_FOLDER}/model.safetensors`),
): Map<string, Uint8Array<ArrayBuffer>> {
  const vocab = Object.fromEntries(Array.from({ length: 26 }, (_, i) => [String.fromCharCode(97 + i), i]));
  const tokenizer = {
    version: "1.0",
    added_tokens: [],
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true, trim_offsets: true },
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab, merges: [] },
  };
  return new Map([
    ["config.json", Deno.readFileSync(`${DENSE_FOLDER}/config.json`)],
    ["model.safetensors", weights],
    ["tokenizer.json", new TextEncoder().encode(JSON.stringify(tokenizer))],
    ["LICENSE", new TextEncoder().encode("a licence")],
  ]);
}
