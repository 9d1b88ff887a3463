/**
 * The repository's model as a package: its files, and a source of their bytes for every host.
 *
 * @module
 */
import { cp, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "./sources.ts";

const MODEL = `${ROOT}models/scenes-mllama-int4`;

/** Writes the package. Its files end in .bin, which bundlers for Workers take as bytes and others as they are. */
export async function writeModelPackage(out: string, version: string): Promise<void> {
  await rm(out, { recursive: true, force: true });
  await mkdir(join(out, "files"), { recursive: true });
  const names: string[] = [];
  for (const entry of await readdir(MODEL, { withFileTypes: true })) {
    if (!entry.isFile() || entry.name === "README.md") continue;
    names.push(entry.name);
    await cp(join(MODEL, entry.name), join(out, "files", `${entry.name}.bin`));
  }
  const sizes = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, (await stat(join(MODEL, name))).size])),
  );
  await cp(join(MODEL, "README.md"), join(out, "README.md"));
  await cp(`${ROOT}LICENSE`, join(out, "LICENSE"));
  for (const [file, text] of Object.entries(programs(names, sizes))) await writeFile(join(out, file), text);
  await writeFile(join(out, "package.json"), JSON.stringify(manifest(version), undefined, 2) + "\n");
}

function manifest(version: string): Record<string, unknown> {
  return {
    name: "@remora/scenes-mllama-int4",
    version,
    description:
      "A tiny vision model (Llama 3.2 Vision's architecture, INT4, 3.7 MB) that describes drawn scenes",
    license: "Apache-2.0",
    type: "module",
    sideEffects: false,
    exports: { ".": { types: "./index.d.ts", default: "./index.js" }, "./package.json": "./package.json" },
    imports: {
      "#files": { workerd: "./workerd.js", node: "./node.js", default: "./web.js" },
    },
    files: ["*.js", "*.d.ts", "files"],
    peerDependencies: { "@remora/remora": `^${version}` },
  };
}

function programs(names: readonly string[], sizes: Record<string, number>): Record<string, string> {
  const imports = names.map((name, i) => `import file${i} from "./files/${name}.bin";\n`).join("");
  const byName = (value: (name: string, i: number) => string) =>
    names.map((name, i) => `  ${JSON.stringify(name)}: ${value(name, i)},\n`).join("");
  return {
    "index.js": `import { bytesOf } from "#files";

const SIZES = ${JSON.stringify(sizes)};
const files = new Map();

/** Where the model's bytes come from: give it to \`loadModel\`. */
export const source = {
  label: "@remora/scenes-mllama-int4",
  list: () => new Map(Object.entries(SIZES)),
  async read(name, begin, end) {
    let bytes = files.get(name);
    if (!bytes) files.set(name, bytes = await bytesOf(name));
    return bytes.subarray(begin, end);
  },
  close: () => files.clear(),
};
`,
    "index.d.ts": `import type { ModelSource } from "@remora/remora";

/** Where the model's bytes come from: give it to \`loadModel\`. */
export declare const source: ModelSource;
`,
    "node.js": `import { readFile } from "node:fs/promises";

export const bytesOf = (name) => readFile(new URL(\`./files/\${name}.bin\`, import.meta.url));
`,
    "web.js": `const PLACES = {
${byName((name) => `new URL("./files/${name}.bin", import.meta.url)`)}};

export async function bytesOf(name) {
  const response = await fetch(PLACES[name]);
  if (!response.ok) throw new Error(\`status \${response.status} for \${PLACES[name]}\`);
  return new Uint8Array(await response.arrayBuffer());
}
`,
    "workerd.js": `${imports}
const FILES = {
${byName((_, i) => `file${i}`)}};

export const bytesOf = (name) => Promise.resolve(new Uint8Array(FILES[name]));
`,
  };
}
