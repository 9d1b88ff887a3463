/**
 * A digest of the logits of golden checkpoints, so that two commits can be compared bit by bit:
 *
 *   deno run --allow-read tools/golden_digests.ts GOLDENS [--mod OTHER/mod.ts] [--threads 2] > digests.txt
 *
 * Every folder of GOLDENS that holds expected logits is run on its reference's tokens in both precisions, models with pictures on
 * each of their inputs. A line has case, precision and the SHA-256 of all logits, or the error's code where a case does not load.
 * `--mod` runs another checkout's library.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { ImageInput, Model } from "../mod.ts";
import { readGolden } from "../tests/goldens.ts";

const TILES_MAX = 4;
const PRECISIONS = ["f32", "int8"] as const;

/** One forward pass: tokens, and the prepared pictures of a reference processor. */
interface GoldenInput {
  ids: number[];
  images: ImageInput[];
}

/** What the reference was fed. */
function inputsOf(goldens: string, name: string): GoldenInput[] {
  const path = name === "mllama-empty" ? "mllama-gptq" : name;
  const arrays = readGolden(`${goldens}/${path}/expected.safetensors`);
  const ids = arrays.get("input_ids")?.data;
  if (ids) return [{ ids: Array.from(ids), images: [] }];
  const pictures = readGolden(`${goldens}/mllama-inputs/inputs.safetensors`);
  return [...arrays.keys()].filter((key) => key.endsWith(".sequence")).sort().map((key) => {
    const input = key.slice(0, -".sequence".length);
    const pixels = pictures.get(`${input}.pixel_values`)?.data as Float32Array | undefined;
    const ratios = pictures.get(`${input}.aspect_ratio_ids`)?.data ?? [];
    const mask = pictures.get(`${input}.aspect_ratio_mask`)?.data ?? [];
    const images = Array.from(ratios, (aspectRatioId, i): ImageInput => {
      const size = pixels!.length / ratios.length;
      const used = Array.from(mask).slice(i * TILES_MAX, (i + 1) * TILES_MAX);
      return {
        pixelValues: pixels!.slice(i * size, (i + 1) * size),
        aspectRatioId,
        tileCount: used.reduce((sum, value) => sum + value, 0),
      };
    });
    return { ids: Array.from(arrays.get(key)!.data), images };
  });
}

async function digestOf(model: Model, inputs: GoldenInput[]): Promise<string> {
  const parts: Uint8Array[] = [];
  for (const { ids, images } of inputs) {
    using sequence = model.createSequence();
    const { data } = await sequence.forward(ids, { images, logits: "all" });
    parts.push(new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength));
  }
  const whole = await new Blob(parts as Uint8Array<ArrayBuffer>[]).bytes();
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole)).toHex();
}

if (import.meta.main) {
  const { values, positionals: [goldens] } = parseArgs({
    allowPositionals: true,
    options: { mod: { type: "string" }, threads: { type: "string", default: "2" } },
  });
  const path = values.mod ?? fileURLToPath(new URL("../mod.ts", import.meta.url));
  const { loadModel }: typeof import("../mod.ts") = await import(pathToFileURL(path).href);
  const names = [...Deno.readDirSync(goldens)].map(({ name }) => name).sort();
  for (const name of names) {
    const folder = Deno.statSync(`${goldens}/${name}`).isDirectory;
    if (
      !folder || ![...Deno.readDirSync(`${goldens}/${name}`)].some((file) => file.name === "expected.json")
    ) continue;
    for (const precision of PRECISIONS) {
      try {
        await using model = await loadModel(`${goldens}/${name}`, {
          precision,
          threads: Number(values.threads),
        });
        console.log(`${name} ${precision} ${await digestOf(model, inputsOf(goldens, name))}`);
      } catch (error) {
        console.log(`${name} ${precision} ${(error as { code?: string }).code ?? error}`);
      }
    }
  }
}
