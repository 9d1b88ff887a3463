/**
 * Which files of a repository a model is made of. Others lie beside them: the same weights for other programs, several quantisations,
 * pictures.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { HUB_NAME_BYTES_MAX, SHARD_COUNT_MAX } from "../core/limits.ts";
import { isSafeFileName } from "../io/file_name.ts";
import {
  CONFIG_FILE,
  firstGgufPart,
  GGUF_SUFFIX,
  ggufParts,
  INDEX_FILE,
  INDEX_SUFFIX,
  KNOWN_FILES,
  WEIGHTS_FILE,
  WEIGHTS_SUFFIX,
} from "../io/model_files.ts";
import { isObject } from "../io/read.ts";

/** The files of a model. */
export interface ChosenFiles {
  /** Weights last: a folder that has them has everything. */
  readonly names: readonly string[];
  /** The file to open, where it is one of several models in its folder. */
  readonly file?: string;
  /** Which of several was taken, though none was named. */
  readonly notice?: string;
}

/** What is taken where a repository has several and none is named: 4 bits, and what most people take. */
const QUANTIZATION_DEFAULT = "Q4_K_M";
/** What a GGUF file's name says of its quantisation; the last such word counts. */
const QUANTIZATION = /(?:^|[-._/])((?:UD-)?I?Q\d(?:_\w+)?|BF16|F16|F32|MXFP4\w*|TQ\d_\d)(?=[-._/])/gi;
/** Files of GGUF that are no model: eyes of one, and what guides a quantiser. */
const NO_MODEL = /mmproj|imatrix/i;
/** Safetensors that are no model, or one twice: adapters, and the original's own layout. */
const NO_WEIGHTS = /^(adapter_|consolidated)/;
/** Folders around a file at most. */
const FOLDERS_MAX = 1;
/** Files in a message. */
const LISTED_MAX = 40;

/**
 * Chooses by names alone.
 *
 * @param names All names of the repository.
 * @param readIndex Parses a shard index.
 * @throws {RemoraError} BAD_ARGUMENT where a quantisation must be named or is not there, UNSUPPORTED where there is no model that can be
 * loaded.
 */
export async function chooseFiles(
  label: string,
  names: readonly string[],
  quantization: string | undefined,
  readIndex: (name: string) => Promise<unknown>,
): Promise<ChosenFiles> {
  const there = new Set(names);
  const weights = quantization === undefined ? await chooseSafetensors(there, readIndex) : [];
  if (weights.length > 0 && there.has(CONFIG_FILE)) {
    requireAll(there, weights);
    const others = KNOWN_FILES.filter((name) => there.has(name) && !weights.includes(name));
    return { names: checked(label, [...others.filter((name) => name !== WEIGHTS_FILE), ...weights]) };
  }
  const { parts, notice } = chooseGguf(label, names, quantization);
  requireAll(there, parts);
  return { names: checked(label, parts), file: parts[0], notice };
}

async function chooseSafetensors(
  names: ReadonlySet<string>,
  readIndex: (name: string) => Promise<unknown>,
): Promise<string[]> {
  const indexes = [...names].filter((name) => name.endsWith(INDEX_SUFFIX) && !name.includes("/"));
  const index = indexes.includes(INDEX_FILE) || indexes.length !== 1 ? INDEX_FILE : indexes[0];
  if (names.has(index)) {
    const shards = shardsOf(index, await readIndex(index));
    const areThere = shards.every((name) => names.has(name));
    if (shards.length > 0 && (areThere || !names.has(WEIGHTS_FILE))) return [index, ...shards];
  }
  if (names.has(WEIGHTS_FILE)) return [WEIGHTS_FILE];
  return [...names].filter((name) =>
    name.endsWith(WEIGHTS_SUFFIX) && !name.includes("/") && !NO_WEIGHTS.test(name)
  );
}

/** @throws {RemoraError} BAD_FILE for more than a model can have. */
function shardsOf(file: string, index: unknown): string[] {
  const map = isObject(index) && isObject(index.weight_map) ? index.weight_map : {};
  const shards = [...new Set(Object.values(map))].filter((name) => typeof name === "string").sort();
  if (shards.length <= SHARD_COUNT_MAX) return shards;
  throw new RemoraError("BAD_FILE", "Cannot use", {
    file,
    expected: `at most ${SHARD_COUNT_MAX} files of weights`,
    found: `${shards.length}`,
  });
}

/** @throws {RemoraError} FILE_NOT_FOUND for a part of a model that is not there. */
function requireAll(names: ReadonlySet<string>, parts: readonly string[]): void {
  const missing = parts.find((name) => !names.has(name));
  if (missing === undefined) return;
  const details = {
    file: missing,
    expected: `all ${parts.length} files of the weights`,
    found: "no such file",
  };
  throw new RemoraError("FILE_NOT_FOUND", "Cannot find", details);
}

/** All parts of one model. */
function chooseGguf(
  label: string,
  names: readonly string[],
  quantization: string | undefined,
): { parts: string[]; notice?: string } {
  const models = new Set<string>();
  for (const name of names) {
    // Some repositories have a folder for each quantisation.
    if (name.split("/").length > FOLDERS_MAX + 1) continue;
    if (name.toLowerCase().endsWith(GGUF_SUFFIX) && !NO_MODEL.test(name)) models.add(firstGgufPart(name));
  }
  const all = [...models].sort();
  if (all.length === 0) throw withoutModel(label, names, quantization);
  const named = quantization ?? (all.length > 1 ? QUANTIZATION_DEFAULT : undefined);
  const found = named === undefined ? all : all.filter((name) => isOf(name, named));
  if (found.length !== 1) throw undecided(label, all, found, quantization);
  const parts = ggufParts(found[0]);
  if (named === quantization) return { parts };
  const others = all.filter((name) => name !== found[0]).slice(0, LISTED_MAX).map(quantizationOf).join(", ");
  return { parts, notice: `${label} has several quantisations: ${named} is taken; others are ${others}` };
}

/** What a file's name says, or the name. */
export function quantizationOf(name: string): string {
  return [...name.matchAll(QUANTIZATION)].at(-1)?.[1].toUpperCase() ?? name;
}

function isOf(name: string, quantization: string): boolean {
  return quantizationOf(name) === quantization.toUpperCase();
}

function undecided(label: string, all: string[], found: string[], quantization?: string): RemoraError {
  const several = found.length > 1;
  const list = (several ? found : all).slice(0, LISTED_MAX).map((name) =>
    several ? name : quantizationOf(name)
  );
  return new RemoraError("BAD_ARGUMENT", "Cannot choose among the files of", {
    file: label,
    expected: several
      ? "one of that quantisation"
      : `one of its quantisations, as in ${label.replace(/:.*/, "")}:${list[0]}`,
    found: quantization === undefined || several
      ? list.join(", ")
      : `${quantization}, and there are ${list.join(", ")}`,
  });
}

function withoutModel(label: string, names: readonly string[], quantization?: string): RemoraError {
  if (quantization !== undefined) {
    const details = { file: label, expected: `a GGUF file of ${quantization}`, found: "no GGUF files" };
    return new RemoraError("BAD_ARGUMENT", "Cannot choose among the files of", details);
  }
  return new RemoraError("UNSUPPORTED", "Cannot find a model in", {
    file: label,
    expected: `${CONFIG_FILE} with safetensors, or a GGUF file`,
    found: names.slice(0, 8).join(", ") || "no files",
  });
}

/** Names that some file system takes for another's, or for a device. */
const RESERVED = /^(con|prn|aux|nul|(com|lpt)[\d¹²³]|con(in|out)\$)(\.|$)/i;
const UNPORTABLE = /[<>:"|?*]|[. ]$/;

/** @throws {RemoraError} BAD_FILE for names that cannot be files everywhere. */
function checked(label: string, names: readonly string[]): string[] {
  // Some systems tell neither case nor ways to write an accent apart.
  const folded = new Map(names.map((name) => [fold(name), name]));
  for (const name of names) {
    if (!isPortable(name)) throw unkept(label, name, "another");
    const twin = folded.get(fold(name));
    if (twin !== name) throw unkept(label, name, `the same as ${twin} but for its case`);
    const parts = name.split("/");
    const folder = parts.map((_, i) => parts.slice(0, i).join("/")).find((above) => folded.has(fold(above)));
    if (folder !== undefined) throw unkept(label, name, `${folder}, a file, as its folder`);
  }
  return [...names];
}

function isPortable(name: string): boolean {
  const isPossible = (part: string) =>
    !RESERVED.test(part) && !UNPORTABLE.test(part) &&
    new TextEncoder().encode(part).length <= HUB_NAME_BYTES_MAX;
  return isSafeFileName(name) && name.split("/").every(isPossible);
}

function fold(name: string): string {
  return name.normalize("NFC").toLowerCase();
}

function unkept(label: string, file: string, found: string): RemoraError {
  const expected = `a file name that every system can have (in ${label})`;
  return new RemoraError("BAD_FILE", "Cannot keep", { file, expected, found });
}
