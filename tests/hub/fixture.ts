/**
 * A repository for the stand-in: the model that is in this repository, with what lies beside models on the hub and is not needed.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
import type { StandInRepository } from "./stand_in.ts";

const SCENES = fileURLToPath(new URL("../../models/scenes-mllama-int4", import.meta.url));
const GOLDENS = fileURLToPath(new URL("../goldens", import.meta.url));

export const COMMIT = "c0ffee".repeat(6) + "cafe";

/** Files that a model does not need. */
export const UNNEEDED = ["README.md", "pytorch_model.bin", "onnx/model.onnx", ".gitattributes"];

/** The files of the model itself. */
export function sceneFiles(): string[] {
  return [...Deno.readDirSync(SCENES)].filter(({ name, isFile }) =>
    isFile && name !== "README.md" && name !== "repacked.remora"
  ).map(({ name }) => name).sort();
}

/** A file as the stand-in takes it. */
export function standInFile(
  bytes: Uint8Array | string,
  isLarge = false,
): { base64: string; isLarge: boolean } {
  return { base64: Buffer.from(bytes as Uint8Array).toString("base64"), isLarge };
}

/** The model as `owner/scenes`. */
export function scenesRepository(): StandInRepository & { files: Record<string, { base64: string }> } {
  const files = Object.fromEntries(
    sceneFiles().map((name) => [
      name,
      standInFile(Deno.readFileSync(`${SCENES}/${name}`), name.endsWith(".safetensors")),
    ]),
  );
  for (const name of UNNEEDED) files[name] = standInFile(`not needed: ${name}`, name.endsWith(".bin"));
  return { id: "owner/scenes", commit: COMMIT, revisions: ["main", "v1"], files };
}

/** A GGUF golden under several names, as `owner/several`. */
export function severalRepository(names: readonly string[]): StandInRepository {
  const [golden] = [...Deno.readDirSync(`${GOLDENS}/gguf-q4_k_m`)].filter(({ name }) =>
    name.endsWith(".gguf")
  );
  const bytes = Deno.readFileSync(`${GOLDENS}/gguf-q4_k_m/${golden.name}`);
  const files = Object.fromEntries(names.map((name) => [name, standInFile(bytes, true)]));
  return { id: "owner/several", commit: COMMIT, revisions: ["main"], files };
}
