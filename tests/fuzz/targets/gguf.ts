/**
 * GGUF files: header, metadata that become a config and a tokenizer, blocks of codes. What passes is loaded and computes.
 *
 * @module
 */
import { readGgufHeader } from "../../../src/formats/containers/gguf/header.ts";
import { goldenPath } from "../../shared.ts";
import type { Random } from "../../kernels/random.ts";
import { type GgufFile, type GgufValue, readGguf, writeGgufFile } from "../gguf_file.ts";
import { BOUNDARIES, editBytes, HOSTILE_STRINGS, pick } from "../hostile_values.ts";
import type { Files, FuzzTarget } from "../target.ts";
import { watchedSource } from "../watch.ts";
import { loadAndCompute } from "./models.ts";

interface Structure extends GgufFile {
  /** What is written in place of all of it. */
  bytes?: Uint8Array;
}

const NAME = "m.gguf";

function boundary(random: Random): bigint {
  return BigInt.asUintN(64, BigInt(pick(random, BOUNDARIES)) + BigInt(pick(random, [0, 0, -1, 1])));
}

/** Texts that mean something to the reader. */
const WORDS = [
  "llama",
  "qwen2",
  "qwen3",
  "gemma3",
  "phi3",
  "smollm3",
  "gpt2",
  "default",
  "llama-bpe",
  "none",
  "longrope",
];

function scalar(type: number, value: bigint): GgufValue {
  const bytes = new Uint8Array([1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][type] ?? 4);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number(value >> BigInt(8 * i) & 255n);
  return { type, bytes };
}

function otherValue(value: GgufValue, random: Random): GgufValue {
  const kind = random.below(8);
  if (kind < 3 && "bytes" in value) return scalar(value.type, boundary(random));
  if (kind === 3 && "bytes" in value) {
    return { ...value, bytes: value.bytes.map((byte) => byte ^ 1 << random.below(8)) };
  }
  if (kind < 6 && "values" in value && value.values.length > 0) {
    const values = value.values.slice(), at = random.below(values.length);
    if (kind === 3) values.splice(at);
    else values[at] = otherValue(values[at], random);
    return { ...value, values };
  }
  if (kind === 6) return scalar(pick(random, [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 99]), boundary(random));
  if (kind === 7) {
    return {
      type: 9,
      of: pick(random, [8, 4, 6, 9]),
      values: [],
      count: pick(random, [0, 0, 0, 1, 2 ** 22, 2 ** 32]),
    };
  }
  return { type: 8, text: random.below(2) === 0 ? pick(random, WORDS) : pick(random, HOSTILE_STRINGS)() };
}

function editItem({ items }: Structure, random: Random): string {
  const index = random.below(items.length), item = items[index];
  if (!item) return "no items";
  const kind = random.below(10);
  if (kind === 0) {
    items.splice(index, 1);
    return `${item.key}: removed`;
  }
  if (kind === 1) {
    items.push({ key: item.key, value: otherValue(item.value, random) });
    return `${item.key}: twice`;
  }
  if (kind === 2) {
    const key = random.below(2) === 0 ? pick(random, items).key : pick(random, HOSTILE_STRINGS)();
    items[index] = { ...item, key };
    return `${item.key}: called ${key.slice(0, 60)}`;
  }
  if (kind === 3) {
    items.push({ key: "general.alignment", value: scalar(4, boundary(random)) });
    return "an alignment";
  }
  items[index] = { ...item, value: otherValue(item.value, random) };
  return `${item.key}: ${JSON.stringify(items[index].value).slice(0, 80)}`;
}

function editTensor({ tensors }: Structure, random: Random): string {
  const index = random.below(tensors.length), tensor = tensors[index];
  if (!tensor) return "no tensors";
  const { name } = tensor, other = pick(random, tensors);
  const change = (what: Partial<typeof tensor>) => {
    tensors[index] = { ...tensor, ...what };
    return `${name}: ${Object.entries(what).map(([key, value]) => `${key} ${String(value).slice(0, 60)}`)}`;
  };
  const kind = random.below(12);
  if (kind === 0) return tensors.splice(index, 1) && `${name}: removed`;
  if (kind === 1) {
    return change({ name: random.below(2) === 0 ? other.name : pick(random, HOSTILE_STRINGS)() });
  }
  if (kind === 2) return change({ type: random.below(42) });
  if (kind === 3) return change({ offset: boundary(random) });
  if (kind === 4) {
    return change({ sizes: tensor.sizes.map((size) => random.below(2) === 0 ? size : boundary(random)) });
  }
  if (kind === 5) return change({ sizes: tensor.sizes.toReversed() });
  if (kind === 6) {
    return change({ sizes: pick(random, [[], [...tensor.sizes, 1n], [1n, 1n, 1n, 1n, 1n], [0n], [32n]]) });
  }
  if (kind === 7) return change({ type: other.type, sizes: other.sizes, data: other.data });
  if (kind === 8) return change({ name: `blk.${pick(random, [0, 1, 2, 1023, 99999999])}.attn_q.weight` });
  const data = tensor.data.slice();
  if (kind === 9) data.fill(pick(random, [0, 0xff, 0x7c, 0x7f]));
  for (let i = 0; kind === 10 && i < data.length; i++) data[i] = random.below(256);
  if (kind === 11 && data.length > 0) data[random.below(data.length)] ^= 0x80;
  return change({ data });
}

function edit(structure: Structure, random: Random): string {
  const kind = random.below(20);
  if (kind === 0) {
    const { bytes, what } = editBytes(structure.bytes ?? writeGgufFile(structure), random);
    structure.bytes = bytes;
    return what;
  }
  if (kind === 1) {
    return `version ${structure.version = pick(random, [0, 1, 2, 4, 99, 2 ** 24, 2 ** 32 - 1])}`;
  }
  if (kind === 2) return `${structure.tensorCount = boundary(random)} tensors`;
  if (kind === 3) return `${structure.itemCount = boundary(random)} items`;
  if (kind < 13) return editItem(structure, random);
  return editTensor(structure, random);
}

export const ggufTarget: FuzzTarget = {
  name: "gguf",
  prepare() {
    const bases = ["gguf-q4_0", "gguf-q4_k_m"].map((name) =>
      readGguf(Deno.readFileSync(`${goldenPath(name)}/model.gguf`))
    );
    return Promise.resolve({
      fresh(random: Random): Structure {
        const { items, tensors, ...rest } = pick(random, bases);
        return { ...rest, items: items.slice(), tensors: tensors.slice() };
      },
      edit,
      write: (structure: Structure) => new Map([[NAME, structure.bytes ?? writeGgufFile(structure)]]),
      async run(files: Files, reached: () => void) {
        const source = watchedSource(files);
        await readGgufHeader(source, NAME, files.get(NAME)!.length);
        reached();
        await loadAndCompute(source);
      },
    });
  },
};
