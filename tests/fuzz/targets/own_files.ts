/**
 * Files of our own: snapshots of sequences, conversations, repacked weights. Their checksums are computed anew, so that what is
 * behind them is reached.
 *
 * @module
 */
import { RemoraError } from "../../../src/core/errors.ts";
import { readConversation, writeConversation } from "../../../src/generation/conversation_file.ts";
import { openSealed, type SealedKind } from "../../../src/io/sealed_file.ts";
import { ModelLoader } from "../../../src/loading/load_model.ts";
import { Kernels } from "../../../kernels/host/kernels.ts";
import { platform } from "../../../src/platform/current.ts";
import type { FileSystem, Platform, ReadableFile } from "../../../src/platform/platform.ts";
import type { Model } from "../../../src/generation/model.ts";
import type { Sequence } from "../../../src/sequence/sequence.ts";
import { sha256 } from "../../hash.ts";
import type { Random } from "../../kernels/random.ts";
import { goldenPath } from "../../shared.ts";
import { fileURLToPath } from "node:url";
import { BOUNDARIES, editBytes, pick } from "../hostile_values.ts";
import { bytesOf, editJson, type JsonTree, treeOfText } from "../json_tree.ts";
import type { Files, FuzzTarget, PreparedTarget } from "../target.ts";
import { watchedSource } from "../watch.ts";

const SCENES = fileURLToPath(new URL("../../../models/scenes-mllama-int4", import.meta.url));
const SNAPSHOT: SealedKind = { magic: "REMORAKV", version: 2, title: "a snapshot of remora" };
const CONVERSATION: SealedKind = { magic: "REMORAST", version: 1, title: "a state file of remora" };

const digestOf = (bytes: Uint8Array) => new Uint8Array(sha256().update(bytes).digest());

/** A sealed file taken apart; `inner` is a sealed file that is its contents. */
interface Sealed {
  magic: string;
  version: number;
  description: { tree: JsonTree };
  /** What is written in place of the description's length. */
  length?: number;
  contents: Uint8Array;
  inner?: Sealed;
  damage?: (bytes: Uint8Array) => Uint8Array;
}

function splitSealed(bytes: Uint8Array, kind: SealedKind, inner?: SealedKind): Sealed {
  const end = 16 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(12, true);
  const contents = bytes.slice(end, -32);
  return {
    magic: kind.magic,
    version: kind.version,
    description: { tree: treeOfText(bytes.subarray(16, end)) },
    contents,
    ...(inner && { inner: splitSealed(contents, inner) }),
  };
}

function joinSealed({ magic, version, description, length, contents, inner, damage }: Sealed): Uint8Array {
  const text = bytesOf(description.tree), body = inner ? joinSealed(inner) : contents;
  const bytes = new Uint8Array(16 + text.length + body.length + 32);
  bytes.set(new TextEncoder().encode(magic));
  const view = new DataView(bytes.buffer);
  view.setUint32(8, version, true);
  view.setUint32(12, length ?? text.length, true);
  bytes.set(text, 16);
  bytes.set(body, 16 + text.length);
  bytes.set(digestOf(bytes.subarray(0, -32)), bytes.length - 32);
  return damage ? damage(bytes) : bytes;
}

function copySealed(sealed: Sealed): Sealed {
  const { description: { tree }, inner } = sealed;
  return {
    ...sealed,
    description: { tree: structuredClone(tree) },
    ...(inner && { inner: copySealed(inner) }),
  };
}

function editSealed(sealed: Sealed, random: Random): string {
  if (sealed.inner && random.below(2) === 0) return `within: ${editSealed(sealed.inner, random)}`;
  const kind = random.below(12);
  if (kind === 0) {
    sealed.damage = (bytes) => editBytes(bytes, random).bytes;
    return "damage";
  }
  if (kind === 1) return `version ${sealed.version = pick(random, [0, 1, 2, 3, 2 ** 31])}`;
  if (kind === 2) return `a description of ${sealed.length = pick(random, BOUNDARIES) % 2 ** 32} bytes`;
  if (kind < 5 && !sealed.inner) {
    const { bytes, what } = editBytes(sealed.contents, random);
    sealed.contents = bytes;
    return `contents: ${what}`;
  }
  return editJson(sealed.description, random, [
    "f32",
    "f16",
    "int8",
    "system",
    "user",
    "image",
    "text",
    "transformers",
  ]);
}

async function goOn(sequence: Sequence): Promise<void> {
  await sequence.forward([1, 2], { logits: "all" });
}

/** Models with sequences worth a snapshot: tokens alone, and a picture among them. */
async function modelsWithSequences(): Promise<{ model: Model; sequence: Sequence }[]> {
  const loader = new ModelLoader(platform);
  const start = Kernels.start;
  // Each model keeps kernels of its own, with a fence round its memory.
  Kernels.start = () => Promise.resolve([Kernels.alone()]);
  try {
    const text = await loader.load(goldenPath("gptq-v1-sym-g32"), { threads: 1 });
    const plain = text.createSequence();
    await plain.forward(Array.from({ length: 40 }, (_, i) => i));
    const seeing = await loader.load(SCENES, { threads: 1, contextSize: 64 });
    const looking = seeing.createSequence();
    const picture = Deno.readFileSync(`${SCENES}/reference/one-tile.png`);
    const ids = seeing.tokenizer.encode("<|begin_of_text|><|image|>What is red?");
    await looking.forward(ids, { images: [picture] });
    return [{ model: text, sequence: plain }, { model: seeing, sequence: looking }];
  } finally {
    Kernels.start = start;
  }
}

/** One of some files, spoiled. */
interface Structure {
  sealed: Sealed;
  of: number;
}

/**
 * A target of sealed files.
 *
 * @param name What a file is called; the number of its model follows.
 * @param kind What they are sealed as.
 * @param read The snapshot in a file, and what messages call it.
 */
function sealedFiles(
  name: string,
  bases: readonly Sealed[],
  models: readonly { model: Model }[],
  kind: SealedKind,
  read: (name: string, bytes: Uint8Array) => { snapshot: Uint8Array; path: string },
): PreparedTarget<Structure> {
  return {
    fresh(random) {
      // The picture's is slower and no richer.
      const of = random.below(4) === 0 ? 1 : 0;
      return { sealed: copySealed(bases[of]), of };
    },
    edit: ({ sealed }, random) => editSealed(sealed, random),
    write: ({ sealed, of }) => new Map([[`${name}-${of}`, joinSealed(sealed)]]),
    async run(files, reached) {
      const [[name, bytes]] = files;
      openSealed(bytes, kind, name, platform.createHash);
      reached();
      const { snapshot, path } = read(name, bytes);
      using sequence = models[Number(name.at(-1))].model.createSequence();
      await sequence.restore(snapshot, path);
      await goOn(sequence);
    },
  };
}

/** Snapshots say of which model they are; so the one that they are given to is chosen by it. */
export const snapshotTarget: FuzzTarget = {
  name: "snapshot",
  async prepare() {
    const models = await modelsWithSequences();
    const bases = await Promise.all(
      models.map(async ({ sequence }) => splitSealed(await sequence.snapshot(), SNAPSHOT)),
    );
    return sealedFiles("snapshot", bases, models, SNAPSHOT, (path, snapshot) => ({ snapshot, path }));
  },
};

/** A file system that has one file, in memory, and takes none. */
function fileSystemOf(bytes: Uint8Array, onRead?: (end: number) => void): FileSystem {
  const file: ReadableFile = {
    size: bytes.length,
    isFile: true,
    readInto(position, target) {
      onRead?.(position + target.length);
      const part = bytes.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
    [Symbol.dispose]() {},
  };
  return {
    isDirectory: () => false,
    listFiles: () => [],
    open: () => file,
    replace: () => Promise.resolve(),
    create: () => Promise.resolve(),
    isPermitted: () => true,
  };
}

export const conversationTarget: FuzzTarget = {
  name: "conversation",
  async prepare() {
    const models = await modelsWithSequences();
    const path = Deno.makeTempFileSync();
    const bases: Sealed[] = [];
    for (const { sequence } of models) {
      const content = sequence.pictureKeys.map((key) => ({ type: "image" as const, image: { key } }));
      const messages = [{ role: "user", content: [...content, { type: "text" as const, text: "What?" }] }];
      await writeConversation(platform, path, { messages, tokenIds: [...sequence.tokenIds] }, sequence);
      bases.push(splitSealed(Deno.readFileSync(path), CONVERSATION, SNAPSHOT));
    }
    Deno.removeSync(path);
    const { createHash } = platform;
    return sealedFiles(
      "chat.state",
      bases,
      models,
      CONVERSATION,
      (name, bytes) => readConversation({ files: fileSystemOf(bytes), createHash }, name),
    );
  },
};

/** Repacked weights taken apart; see src/weights/repacked_file.ts. */
interface Repacked {
  head: Uint8Array;
  description: { tree: JsonTree };
  /** What is written in place of the description's length. */
  length?: number;
  arrays: Uint8Array;
  checksums: Uint8Array;
  damage?: (bytes: Uint8Array) => Uint8Array;
}

const aligned = (bytes: number) => Math.ceil(bytes / 64) * 64;

function joinRepacked({ head, description, length, arrays, checksums, damage }: Repacked): Uint8Array {
  const text = bytesOf(description.tree), begin = aligned(52 + text.length);
  const bytes = new Uint8Array(begin + arrays.length + checksums.length + 32);
  bytes.set(head);
  new DataView(bytes.buffer).setUint32(48, length ?? text.length, true);
  bytes.set(text, 52);
  bytes.set(arrays, begin);
  bytes.set(checksums, begin + arrays.length);
  const sealed = new Uint8Array(begin + checksums.length);
  sealed.set(bytes.subarray(0, begin));
  sealed.set(checksums, begin);
  bytes.set(digestOf(sealed), bytes.length - 32);
  return damage ? damage(bytes) : bytes;
}

/** The head has passed when the description behind it is read. Changed arrays no longer have their checksums, which is refused last. */
export const repackedTarget: FuzzTarget = {
  name: "repacked",
  async prepare() {
    const folder = goldenPath("gptq-desc-act"), path = Deno.makeTempFileSync();
    await new ModelLoader(platform).repack(folder, { threads: 1, file: path });
    const valid = Deno.readFileSync(path);
    Deno.removeSync(path);
    const model = new Map(
      ["config.json", "model.safetensors"].map((name) => [name, Deno.readFileSync(`${folder}/${name}`)]),
    );
    const textEnd = 52 + new DataView(valid.buffer).getUint32(48, true), begin = aligned(textEnd);
    // As many checksums as arrays; those of the arrays' end are found where the seal fits.
    const end = arraysEnd(valid, begin);
    const base: Repacked = {
      head: valid.subarray(0, 52),
      description: { tree: treeOfText(valid.subarray(52, textEnd)) },
      arrays: valid.subarray(begin, end),
      checksums: valid.subarray(end, -32),
    };
    return {
      fresh: (): Repacked => ({ ...base, description: { tree: structuredClone(base.description.tree) } }),
      edit(file: Repacked, random: Random) {
        const kind = random.below(8);
        if (kind === 0) {
          file.damage = (bytes) => editBytes(bytes, random).bytes;
          return "damage";
        }
        if (kind === 1) return `a description of ${file.length = pick(random, BOUNDARIES) % 2 ** 32} bytes`;
        if (kind === 2) {
          const { bytes, what } = editBytes(file.head, random);
          if (bytes.length === 52) file.head = bytes;
          return `head: ${what}`;
        }
        if (kind < 5) {
          const { bytes, what } = editBytes(kind === 3 ? file.arrays : file.checksums, random);
          if (kind === 3) file.arrays = bytes;
          else file.checksums = bytes;
          return `${kind === 3 ? "arrays" : "checksums"}: ${what}`;
        }
        return editJson(file.description, random, []);
      },
      write: (file: Repacked) => new Map([...model, ["repacked.remora", joinRepacked(file)] as const]),
      async run(files: Files, reached: () => void) {
        const bytes = files.get("repacked.remora")!, source = watchedSource(model);
        const own: Platform = { ...platform, files: fileSystemOf(bytes, (end) => end > 52 && reached()) };
        await using loaded = await new ModelLoader(own).load(source, {
          threads: 1,
          cache: "repacked.remora",
        });
        using sequence = loaded.createSequence();
        await goOn(sequence);
      },
    };
  },
};

/** Where the checksums begin: the seal covers the beginning and them. */
function arraysEnd(bytes: Uint8Array, begin: number): number {
  const seal = bytes.subarray(-32);
  for (let end = bytes.length - 32; end >= begin; end -= 16) {
    const sealed = new Uint8Array(begin + bytes.length - 32 - end);
    sealed.set(bytes.subarray(0, begin));
    sealed.set(bytes.subarray(end, -32), begin);
    if (digestOf(sealed).every((byte, i) => byte === seal[i])) return end;
  }
  throw new RemoraError("BAD_FILE", "Cannot take apart", { found: "no checksums" });
}
