/**
 * What the kernel build makes of the table of operations: the host's typed calls, and the dispatch inside the kernels.
 *
 * @module
 */
import { COMMAND_WORDS } from "./shared/layout.ts";
import {
  type Arguments,
  type Operation,
  OPERATIONS,
  RESERVED_OPERATIONS,
  type Signature,
  type Unit,
} from "./shared/operations.ts";

const NOTICE =
  "Made by kernels/build.ts from kernels/shared/operations.ts; change that and run `deno task kernels`.";

/** Host types whose names become constants of shared/layout.ts: type, and the table that translates it. */
const ENUMERATIONS: Partial<Record<Unit, { type: string; table: string }>> = {
  elementType: { type: "ElementType", table: "ELEMENT_TYPES" },
  weightType: { type: "WeightType", table: "WEIGHT_TYPES" },
  keyValueType: { type: "KeyValueType", table: "KEY_VALUE_TYPES" },
  blockFormat: { type: "BlockFormat", table: "BLOCK_FORMATS" },
  activationForm: { type: "ActivationForm", table: "ACTIVATION_FORMS" },
  activationFunction: { type: "ActivationFunction", table: "ACTIVATION_FUNCTIONS" },
};

/** A word of the command and the argument that it carries. */
interface Word {
  name: string;
  unit: Unit;
  /** Of a matrix: its stride. */
  isStride?: boolean;
}

function argumentsOf({ inputs = {}, shapes = {}, outputs = {} }: Signature): Arguments {
  return { ...inputs, ...shapes, ...outputs };
}

function wordsOf(signature: Signature): Word[] {
  return Object.entries(argumentsOf(signature)).flatMap(([name, unit]): Word[] =>
    unit === "matrix" ? [{ name, unit }, { name, unit, isStride: true }] : [{ name, unit }]
  );
}

/** Words of a command at most: the operation's number, its arguments, a list's length and items. */
function wordCount(operation: Operation): number {
  const { list } = operation;
  return 1 + wordsOf(operation).length + (list ? 1 + list.most * wordsOf(list).length : 0);
}

/** The number that stands for an operation in a command. */
function numberOf(operation: Operation): number {
  return RESERVED_OPERATIONS.length + OPERATIONS.indexOf(operation);
}

function capitalised(name: string): string {
  return name[0].toUpperCase() + name.slice(1);
}

// ---- The host's calls ----

function hostType(unit: Unit): string {
  if (unit === "matrix") return "Strided";
  if (unit === "flag") return "boolean";
  return ENUMERATIONS[unit]?.type ?? "number";
}

function members(signature: Signature): string {
  const lines = Object.entries(argumentsOf(signature)).map(([name, unit]) =>
    `  ${name}: ${hostType(unit)};\n`
  );
  return lines.join("");
}

function interfaces(operation: Operation): string {
  const { name, list } = operation;
  const title = capitalised(name);
  const item = list && `${title}Item`;
  const ofItem = list
    ? `/** One of the \`${list.name}\` of {@linkcode KernelCalls.${name}}. */\nexport interface ${item} {\n${
      members(list)
    }}\n\n`
    : "";
  const listed = list ? `  /** At most ${list.most}. */\n  ${list.name}: readonly ${item}[];\n` : "";
  return `${ofItem}/** Arguments of {@linkcode KernelCalls.${name}}. */\nexport interface ${title} {\n${
    members(operation)
  }${listed}}\n`;
}

/** Writes one word; `from` is the object that the arguments are members of. */
function writeWord({ name, unit, isStride }: Word, from: string, place: string): string {
  const value = `${from}.${name}`;
  const enumeration = ENUMERATIONS[unit];
  if (unit === "real") return `this.floats[${place}] = ${value};`;
  if (unit === "matrix") return `i[${place}] = ${value}.${isStride ? "stride" : "address"};`;
  if (unit === "flag") return `i[${place}] = ${value} ? 1 : 0;`;
  return `i[${place}] = ${enumeration ? `${enumeration.table}[${value}]` : value};`;
}

function method(operation: Operation): string {
  const { name, about, list, sharesRows } = operation;
  const words = wordsOf(operation);
  const lines = [
    `const i = this.command(${numberOf(operation)});`,
    ...words.map((word, index) => writeWord(word, "call", `${index + 1}`)),
  ];
  if (list) {
    const itemWords = wordsOf(list);
    lines.push(
      `i[${words.length + 1}] = call.${list.name}.length;`,
      `let at = ${words.length + 2};`,
      `for (const item of call.${list.name}) {`,
      ...itemWords.map((word, index) => `  ${writeWord(word, "item", index === 0 ? "at" : `at + ${index}`)}`),
      `  at += ${itemWords.length};`,
      `}`,
    );
  }
  lines.push(sharesRows ? "this.run(call.rows);" : "this.run();");
  return `  /** ${about} */\n  ${name}(call: ${capitalised(name)}): void {\n${
    lines.map((line) => `    ${line}\n`).join("")
  }  }\n`;
}

/** kernels/host/calls.ts. */
export function makeCalls(): string {
  const long = OPERATIONS.find((operation) => wordCount(operation) > COMMAND_WORDS);
  if (long) throw new Error(`${long.name} takes ${wordCount(long)} words, a command has ${COMMAND_WORDS}`);
  const enumerations = Object.values(ENUMERATIONS);
  const imports = enumerations.flatMap(({ type, table }) => [`type ${type}`, table])
    .sort((a, b) => a.replace("type ", "").localeCompare(b.replace("type ", ""), "en"));
  return `/**
 * The operations of the kernels as typed calls. Addresses, strides and \`…Bytes\` are bytes, everything else counts elements.
 *
 * ${NOTICE}
 *
 * @module
 */
import {
${imports.map((name) => `  ${name},\n`).join("")}} from "./types.ts";

/** A matrix in the kernels' memory: address of its first row, and bytes from one row to the next. */
export interface Strided {
  readonly address: number;
  readonly stride: number;
}

${OPERATIONS.map(interfaces).join("\n")}
/** Writes a command and runs it. A call validates nothing that a model could get wrong (loaders do). */
export abstract class KernelCalls {
  /** The command's words as floats. */
  protected abstract readonly floats: Float32Array;

  /** The command's words, the operation's number written into the first. */
  protected abstract command(operation: number): Int32Array;

  /** Runs the command on all threads, or where it has a single share on the caller's alone; returns when all are done. */
  protected abstract run(shares?: number): void;

${OPERATIONS.map(method).join("\n")}}
`;
}

// ---- The dispatch in the kernels ----

/** Columns of a call without its indentation. */
const DISPATCH_WIDTH = 110;

/** How a kernel reads a word of the command. */
function readWord({ unit }: Word, place: string): string {
  if (unit === "real") return `real(${place})`;
  return unit === "matrix" || unit === "address" || unit === "bytes"
    ? `address(${place})`
    : `count(${place})`;
}

/** A call, its arguments on lines of their own where they do not fit one. */
function callLines(name: string, values: readonly string[]): string[] {
  const whole = `${name}(${values.join(", ")});`;
  if (whole.length <= DISPATCH_WIDTH) return [whole];
  const lines = [""];
  for (const value of values) {
    const more = `${lines.at(-1)} ${value},`.trim();
    if (more.length <= DISPATCH_WIDTH) lines[lines.length - 1] = more;
    else lines.push(`${value},`);
  }
  return [`${name}(`, ...lines.map((line) => `  ${line}`), ");"];
}

/** Lines that call one kernel; that of a list gets what all items share first, and then its own. */
function dispatchCall(operation: Operation): string[] {
  const { name, list, hasFreeShares } = operation;
  const words = wordsOf(operation);
  const read = words.map((word, index) => readWord(word, `${index + 1}`));
  if (hasFreeShares) {
    return [
      "for (let share = takeShare(), shares = sharesOf(size); share < shares; share = takeShare()) {",
      ...callLines(name, [...read, "share", "shares"]).map((line) => `  ${line}`),
      "}",
    ];
  }
  if (!list) return callLines(name, [...read, "rank", "size"]);
  const itemWords = wordsOf(list);
  const ofItem = itemWords.map((word, index) => readWord(word, index === 0 ? "at" : `at + ${index}`));
  return [
    `for (let item = 0, at: usize = ${words.length + 2}; item < count(${words.length + 1}); item++) {`,
    ...callLines(name, [...read, ...ofItem, "rank", "size"]).map((line) => `  ${line}`),
    `  at += ${itemWords.length};`,
    `}`,
  ];
}

/** kernels/assembly/dispatch.ts. */
export function makeDispatch(): string {
  const files = Map.groupBy(OPERATIONS, ({ file }) => file);
  const imports = [...files].map(([file, operations]) =>
    `import { ${operations.map(({ name }) => name).join(", ")} } from "./${file}";`
  );
  const cases = OPERATIONS.map((operation) =>
    [`case ${numberOf(operation)}:`, ...dispatchCall(operation).map((line) => `  ${line}`), "  break;"]
      .map((line) => `    ${line}`).join("\n")
  );
  return `/**
 * Which kernel runs a command.
 *
 * ${NOTICE}
 */
import { address, count, real } from "./command";
${imports.join("\n")}
import { sharesOf, takeShare } from "./share";

/** Operations of the lockstep itself. */
${
    RESERVED_OPERATIONS.map((name, number) => `export const OPERATION_${name.toUpperCase()} = ${number};`)
      .join("\n")
  }

/** One thread's share of the operation in the command. */
export function execute(rank: i32, size: i32): void {
  switch (count(0)) {
${cases.join("\n")}
    default:
      unreachable();
  }
}
`;
}
