/**
 * Makes the host's calls and the dispatch from the table of operations, then builds the four kernel modules from
 * `kernels/assembly`. With `--check` it makes all of them and compares byte for byte with what is committed.
 *
 *   deno task kernels          build
 *   deno task kernels:check    compare; exits with 1 when one differs
 *
 * @module
 */
import { deflateRawSync } from "node:zlib";
import asc from "npm:assemblyscript@0.28.20/asc";
import { makeCalls, makeDispatch } from "./generate.ts";
import { withAddress } from "./host/area_address.ts";
import { WIDE_ADDRESS, WIDE_MEMORY_PAGES, WIDE_PLACEHOLDER } from "./shared/layout.ts";
import { attentionText } from "./wide/attention_text.ts";
import { softmaxText } from "./wide/softmax_text.ts";
import { fewRowsText } from "./wide/few_rows_text.ts";
import { floatsText } from "./wide/floats_text.ts";
import { unitRowsText } from "./wide/unit_rows_text.ts";
import { wideText } from "./wide/text.ts";

const ENTRY = "kernels/assembly/index.ts";
const TARGET = "kernels/wasm";
const VARIANTS = [
  { name: "shared_relaxed", features: ["simd", "relaxed-simd", "threads"], shared: true },
  { name: "shared_strict", features: ["simd", "threads"], shared: true },
  { name: "unshared_relaxed", features: ["simd", "relaxed-simd"], shared: false },
  { name: "unshared_strict", features: ["simd"], shared: false },
];

/**
 * Binaryen's passes, by name: those that shrink without moving values. `-O3` also sinks and merges locals; V8 then keeps more
 * vectors alive than there are registers (256 rows, Zen 4: words 32 → 36 GMAC/s without, bytes 49 → 52), and does the rest itself.
 */
const PASSES = [
  "precompute",
  "dce",
  "remove-unused-brs",
  "remove-unused-names",
  "merge-blocks",
  "vacuum",
  "optimize-instructions",
  "reorder-locals",
  "vacuum",
];

/**
 * The wide tiles. They expect the areas of all threads below the memory's end at the start. Kept as text, deflated: they are changed
 * before they are compiled, so they cannot be imported as modules.
 */
const WIDE_VARIANT = { name: "sharedWide", features: ["simd", "relaxed-simd", "threads"], shared: true };
const WIDE_ENTRY = "wide.ts";
interface Variant {
  name: string;
  features: string[];
  shared: boolean;
}

/** @param files What is compiled beside the files on disk. */
async function build(
  entry: string,
  variant: Variant,
  memoryPages: number,
  files: Record<string, string> = {},
): Promise<Uint8Array> {
  const memory = variant.shared ? ["--sharedMemory"] : [];
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main([
    entry,
    "--outFile",
    "out.wasm",
    "--optimizeLevel",
    "0",
    "--runPasses",
    PASSES.join(","),
    "--noAssert",
    "--runtime",
    "stub",
    "--importMemory",
    "--initialMemory",
    `${memoryPages}`,
    "--maximumMemory",
    "65536",
    ...memory,
    ...variant.features.flatMap((feature) => ["--enable", feature]),
  ], {
    readFile: (name) => {
      try {
        return files[name] ?? Deno.readTextFileSync(name);
      } catch {
        return null;
      }
    },
    writeFile: (_name, contents) => {
      if (typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error || !binary) {
    console.error(stderr.toString());
    throw new Error(`Cannot build ${variant.name}`, { cause: error });
  }
  return binary;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Files that are made, by their path from the root of the repository. */
async function* made(): AsyncGenerator<[path: string, contents: Uint8Array]> {
  const encoder = new TextEncoder();
  yield ["kernels/host/calls.ts", encoder.encode(makeCalls())];
  yield ["kernels/assembly/dispatch.ts", encoder.encode(makeDispatch())];
  for (const variant of VARIANTS) {
    yield [`${TARGET}/${variant.name}.wasm`, await build(ENTRY, variant, 1)];
  }
  const files = {
    [WIDE_ENTRY]: wideText() + attentionText() + softmaxText() + fewRowsText() + floatsText() +
      unitRowsText(),
  };
  const compiled = await build(WIDE_ENTRY, WIDE_VARIANT, WIDE_MEMORY_PAGES, files);
  const wide = withAddress(compiled, WIDE_PLACEHOLDER, WIDE_ADDRESS);
  // What has the first area's address must be what had the placeholder, or other threads' modules would be wrong.
  if (!equal(withAddress(wide, WIDE_ADDRESS, WIDE_PLACEHOLDER), compiled)) {
    throw new Error("the wide tiles have the first area's address in another place too");
  }
  const packed = deflateRawSync(wide, { level: 9 }).toString("base64");
  yield [`${TARGET}/wide.json`, encoder.encode(`${JSON.stringify(packed)}\n`)];
}

if (import.meta.main) {
  Deno.chdir(new URL("..", import.meta.url));
  const isCheck = Deno.args.includes("--check");
  let stale = 0;
  for await (const [path, fresh] of made()) {
    if (isCheck) {
      const isSame = equal(fresh, Deno.readFileSync(path));
      if (!isSame) stale++;
      console.error(`${isSame ? "ok     " : "differs"}  ${path}  ${fresh.length} bytes`);
    } else {
      Deno.writeFileSync(path, fresh);
      console.error(`made  ${path}  ${fresh.length} bytes`);
    }
  }
  if (stale > 0) Deno.exit(1);
}
