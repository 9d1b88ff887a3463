/**
 * Figures of the code itself, to see whether it grows or coarsens.
 *
 *   deno task figures [REPOSITORY] [--json]
 *
 * The code is formatted by `deno fmt`, so a function ends at the line that closes it at the indentation of its first.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { alignColumns } from "../cli/figures.ts";

/**
 * What a line has in it that computes addresses: strides, addresses, offsets, sizes of elements, shifts, and the methods of a memory
 * that hide them. `normOffset` is added to weights.
 */
const ADDRESS_ARITHMETIC: readonly RegExp[] = [
  /[sS]tride/,
  /[aA]ddress/,
  /(?<!norm)[oO]ffset/,
  /\* 4\b|\b4 \*/,
  / <<= | << | >> | >>> /,
  /\+ at\b/,
  /\b(floatsAt|bytesAt|wordsAt|allocate)\(/,
];

/** Folders whose code must know nothing of addresses. */
const WITHOUT_ADDRESSES = ["src/layers", "src/models"];

/** A stretch of code. */
export interface Stretch {
  place: string;
  lines: number;
}

/** Figures of one tree. */
export interface CodeFigures {
  /** Of src and kernels, tests not counted, generated files and binaries left out. */
  lines: number;
  addressArithmetic: Stretch[];
  longestFile: Stretch;
  longestFunction: Stretch;
}

/** The files of a folder, those below it included. */
function* sourcesIn(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* sourcesIn(path);
    else if (/\.ts$/.test(name) && !/\.d\.ts$/.test(name)) yield path;
  }
}

/** Text with comments replaced by spaces, line by line where it was; what stands in strings stays. */
export function withoutComments(text: string): string {
  const pattern = /("(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[^]*?\*\/|\/\/.*/g;
  return text.replace(pattern, (whole, literal) => literal ?? whole.replace(/[^\n]/g, " "));
}

/** Whether a file's first comment says that it was made from others. */
function isGenerated(text: string): boolean {
  return /made by|generated (by|from)|do not edit/i.test(text.slice(0, 400));
}

const FUNCTION = new RegExp(
  "^( *)(?:export |default |static |override |protected |private )*" +
    "(?:(?:async )?function\\*? *(\\w+)|(?:async |get |set )*\\*?(#?\\w+)(?:<[^(]*>)?\\()",
);
const NO_FUNCTION = new Set([
  "if",
  "for",
  "while",
  "switch",
  "return",
  "catch",
  "super",
  "throw",
  "await",
  "yield",
]);

/** The functions of a file with the lines that they take. */
function functionsOf(text: string): { name: string; begin: number; lines: number }[] {
  const lines = withoutComments(text).split("\n");
  const functions: { name: string; begin: number; lines: number }[] = [];
  for (const [begin, line] of lines.entries()) {
    const [, indent, ...names] = FUNCTION.exec(line) ?? [];
    const name = names?.find((found) => found !== undefined);
    if (name === undefined || NO_FUNCTION.has(name)) continue;
    // A signature of several lines ends at the indentation of its first, with the brace that opens the body.
    let open = begin;
    if (/[([]\{?$/.test(line)) {
      const closesSignature = new RegExp(`^${indent}[})]`);
      do open++; while (open < lines.length && !closesSignature.test(lines[open]));
    }
    if (!/[^(]\{$/.test(lines[open]?.trimEnd() ?? "")) continue;
    const closes = new RegExp(`^${indent}\\}`);
    let end = open + 1;
    while (end < lines.length && !closes.test(lines[end])) end++;
    functions.push({ name, begin: begin + 1, lines: end - begin + 1 });
  }
  return functions;
}

/** Figures of the tree in `root`. */
export function codeFigures(root: string): CodeFigures {
  let lines = 0;
  let longestFile: Stretch = { place: "", lines: 0 }, longestFunction = longestFile;
  const addressArithmetic: Stretch[] = [];
  for (const folder of ["src", "kernels"]) {
    for (const path of sourcesIn(`${root}/${folder}`)) {
      const text = Deno.readTextFileSync(path), place = path.slice(root.length + 1);
      if (/^kernels\/(bench|wasm)\//.test(place) || isGenerated(text)) continue;
      const count = text.split("\n").length - 1;
      lines += count;
      if (folder === "src" && count > longestFile.lines) longestFile = { place, lines: count };
      for (const { name, begin, lines } of folder === "src" ? functionsOf(text) : []) {
        if (lines > longestFunction.lines) longestFunction = { place: `${place}:${begin} ${name}`, lines };
      }
      if (!WITHOUT_ADDRESSES.some((folder) => place.startsWith(`${folder}/`))) continue;
      for (const [number, line] of withoutComments(text).split("\n").entries()) {
        if (line.startsWith("import ") || !ADDRESS_ARITHMETIC.some((pattern) => pattern.test(line))) continue;
        addressArithmetic.push({ place: `${place}:${number + 1} ${line.trim()}`, lines: 1 });
      }
    }
  }
  return { lines, addressArithmetic, longestFile, longestFunction };
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "boolean" } },
  });
  const figures = codeFigures(positionals[0] ?? fileURLToPath(new URL("..", import.meta.url)).slice(0, -1));
  if (values.json) console.log(JSON.stringify(figures));
  else {
    console.log(alignColumns([
      ["lines of src and kernels", `${figures.lines}`, ""],
      ["lines with address arithmetic in layers and models", `${figures.addressArithmetic.length}`, ""],
      ["longest file of src", `${figures.longestFile.lines}`, figures.longestFile.place],
      ["longest function of src", `${figures.longestFunction.lines}`, figures.longestFunction.place],
    ], [1]));
    for (const { place } of figures.addressArithmetic) console.error(place);
  }
}
