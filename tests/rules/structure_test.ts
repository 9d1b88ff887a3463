/**
 * Rules that keep the structure: where imports may go, and which words belong to which folders.
 */
import { deepEqual, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { codeFigures, withoutComments } from "../../tools/code_figures.ts";
import { FOLDERS } from "./folders.ts";
import { importsOf, sourcesIn, takenBy } from "./sources.ts";

const LIBRARY = FOLDERS.flatMap(sourcesIn);
const folderOf = (path: string) => FOLDERS.findIndex((folder) => path.startsWith(`${folder}/`));

/** Lines of code, not comments, that match, with their places. */
function linesWith(pattern: RegExp, isIn: (path: string) => boolean): string[] {
  return LIBRARY.filter(({ path }) => isIn(path)).flatMap(({ path, text }) =>
    withoutComments(text).split("\n").flatMap((line, i) =>
      pattern.test(line) ? [`${path}:${i + 1} ${line.trim()}`] : []
    )
  );
}

Deno.test("imports are found in every form", () => {
  const text = `import a from "./a.ts";
import { b,
  c } from "../b.ts";
export * from "../../kernels/host/c.ts";
const d = await import("./d.ts");
import "e";`;
  deepEqual(importsOf({ path: "src/x/y.ts", text }), [
    "src/x/a.ts",
    "src/b.ts",
    "kernels/host/c.ts",
    "src/x/d.ts",
    "e",
  ]);
});

Deno.test("every folder of the library is in the list", () => {
  const folders = [...Deno.readDirSync(fileURLToPath(new URL("../../src", import.meta.url)))].map((
    { name },
  ) => `src/${name}`);
  deepEqual(folders.filter((folder) => !FOLDERS.includes(folder)), []);
  ok(LIBRARY.length > 100);
});

Deno.test("imports go one way: from each folder to itself and those before it", () => {
  const wrong = LIBRARY.flatMap((source) =>
    importsOf(source).filter((name) =>
      /^(src|kernels|cli|interfaces|tools|bench|tests)\/.*\.[tj]s$/.test(name)
    ).flatMap(
      (name) => {
        const to = folderOf(name);
        return to >= 0 && to <= folderOf(source.path) ? [] : [`${source.path} → ${name}`];
      },
    )
  );
  deepEqual(wrong, []);
});

Deno.test("no files import each other in a circle", () => {
  const imports = new Map(LIBRARY.map((source) => [source.path, importsOf(source)]));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, way: readonly string[]) => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(" → "));
    if (done.has(path) || way.includes(path)) return;
    for (const name of imports.get(path) ?? []) visit(name, [...way, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  deepEqual(circles, []);
});

Deno.test("functions and constants that are exported are imported by another file", () => {
  const root = { path: "mod.ts", text: Deno.readTextFileSync(new URL("../../mod.ts", import.meta.url)) };
  const users = ["kernels", "tools", "bench", "tests", "packages/build"].flatMap(sourcesIn);
  const owners = ["src", "kernels/host", "cli", "interfaces"].flatMap(sourcesIn);
  const taken = new Set([root, ...users, ...owners].flatMap(takenBy));
  // What hosts and packages name in their configuration, and what the build of the kernels makes.
  const isEntry = (path: string) =>
    /^(src\/(binaries|platform)\/|interfaces\/(ai_sdk|langchain|prompt_api)\.ts$)|\.d\.ts$|\/calls\.ts$/.test(
      path,
    );
  const unused = owners.filter(({ path }) => !isEntry(path) && !taken.has(`${path} *`)).flatMap((
    { path, text },
  ) =>
    [...text.matchAll(/^export (?:async )?(?:function\*?|const|class) (\w+)/gm)]
      .map(([, name]) => `${path} ${name}`).filter((each) => !taken.has(each))
  );
  deepEqual(unused, []);
});

Deno.test("layers and models import nothing from the kernels", () => {
  const wrong = LIBRARY.filter(({ path }) => /^src\/(layers|models)\//.test(path)).flatMap((source) =>
    importsOf(source).filter((name) => name.startsWith("kernels/")).map((name) => `${source.path} → ${name}`)
  );
  deepEqual(wrong, []);
});

Deno.test("layers and models compute no addresses", () => {
  const { addressArithmetic } = codeFigures(fileURLToPath(new URL("../..", import.meta.url)).slice(0, -1));
  deepEqual(addressArithmetic.map(({ place }) => place), []);
});

Deno.test("no word of a stored format after formats", () => {
  const pattern = /\b\w*(gptq|awq|marlin|auto_?round|gguf|qweight|qzeros|g_idx|compressed_?tensors)\w*\b/i;
  // GPTQ is a way to round too, and whoever writes a file says in which format.
  const isAfter = (path: string) =>
    folderOf(path) > FOLDERS.indexOf("src/formats") && !path.startsWith("src/quantization/");
  deepEqual(linesWith(pattern, isAfter), []);
});

Deno.test("no word of an architecture outside models", () => {
  // "llama3" is the name of a way to stretch rotary positions.
  const pattern = /\b(mllama|llama(?!3")|mistral|phi3|qwen\d|gemma\d?|smollm\d?)/i;
  deepEqual(
    linesWith(
      pattern,
      // How a family writes calls of tools is a file of its own, by the family's name.
      // GGUF files name their architecture, and cut words as a family does.
      (path) => !/^src\/(models|dialects)\/|^src\/formats\/(synthetic|gguf\/)/.test(path),
    ),
    [],
  );
});

Deno.test("no name of a runtime outside of platform and binaries", () => {
  const pattern = /\bDeno\b|"node:|\bprocess\.(?!\d)|\bnavigator\b|\bglobalThis\.(Deno|process|navigator)\b/;
  deepEqual(linesWith(pattern, (path) => !/^src\/(platform|binaries)\//.test(path)), []);
});

Deno.test("no name of a runtime in the command line outside of its host", () => {
  const wrong = sourcesIn("cli").filter(({ path }) => !path.startsWith("cli/host/")).filter(({ text }) =>
    /\bDeno\./.test(withoutComments(text))
  );
  deepEqual(wrong.map(({ path }) => path), []);
});

Deno.test("kernels and what builds them import nothing that comes after them", () => {
  const wrong = sourcesIn("kernels").flatMap((source) =>
    importsOf(source).filter((name) => /^(src|cli|interfaces|tools|bench|tests)\/|^mod\.ts$/.test(name))
      .filter((name) => !/^src\/(core|binaries)\//.test(name)).map((name) => `${source.path} → ${name}`)
  );
  deepEqual(wrong, []);
});

Deno.test("the command line, tools and benchmarks use the library through mod.ts alone", () => {
  // What times a kernel alone calls it.
  const programs = ["cli", "tools", "bench"].flatMap(sourcesIn)
    .filter(({ path }) => !path.startsWith("bench/kernels/"));
  const wrong = programs.flatMap((source) =>
    importsOf(source).filter((name) => name.startsWith("src/") || name.startsWith("kernels/"))
      .map((name) => `${source.path} → ${name}`)
  );
  deepEqual(wrong, []);
});

Deno.test("no file of the library has more than 500 lines, no function more than 80", () => {
  const { longestFile, longestFunction } = codeFigures(
    fileURLToPath(new URL("../..", import.meta.url)).slice(0, -1),
  );
  ok(longestFile.lines <= 500, JSON.stringify(longestFile));
  ok(longestFunction.lines <= 80, JSON.stringify(longestFunction));
});
