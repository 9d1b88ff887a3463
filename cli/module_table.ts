/**
 * How a model's modules are stored, as a table.
 *
 * @module
 */
import { type ModuleInfo, printable } from "../mod.ts";
import { alignColumns, describeBytes } from "./figures.ts";

/** A module's name: the stack of layers, the layer's number, the place in it. */
const IN_LAYER = /^(?<stack>.*?)\.(?<layer>\d+)\.(?<rest>.*)$/;

/** Modules of one place in the layers that are stored in one way. */
interface Row {
  place: string;
  stored: string;
  memoryFormat: string;
  count: number;
  bytes: number;
  layers: number[];
}

/**
 * A line for each kind of module. Layers that store it in the same way are counted together; where they differ, each line
 * names its layers.
 */
export function describeModules(modules: readonly ModuleInfo[]): string {
  const places = Map.groupBy(rowsOf(modules), ({ place }) => place);
  const cells = [...places.values()].flatMap((rows) =>
    rows.map(({ place, count, stored, memoryFormat, bytes, layers }) => [
      place,
      `×${count}`,
      stored,
      `→ ${memoryFormat}`,
      describeBytes(bytes),
      rows.length > 1 && layers.length > 0 ? `layers ${describeLayers(layers)}` : "",
    ])
  );
  return alignColumns(cells, [1, 4]);
}

function rowsOf(modules: readonly ModuleInfo[]): Row[] {
  const rows = new Map<string, Row>();
  const names = new Set<string>();
  // Text models have one stack of layers; with several, each place says which.
  const stacks = new Set(modules.map(({ name }) => IN_LAYER.exec(name)?.groups?.stack));
  stacks.delete(undefined);
  for (const module of modules) {
    const { name, memoryFormat, bytes } = module;
    const { stack, layer, rest } = IN_LAYER.exec(name)?.groups ?? {};
    const own = rest === undefined ? name : stacks.size > 1 ? `${stack}.*.${rest}` : rest;
    // A table that is there twice serves as the output head the second time.
    const place = printable(own) + (names.has(name) ? " (as head)" : "");
    names.add(name);
    const stored = describeStored(module);
    const key = JSON.stringify([place, stored, memoryFormat]);
    const row = rows.get(key) ?? { place, stored, memoryFormat, count: 0, bytes: 0, layers: [] };
    row.count++;
    row.bytes += bytes;
    if (layer !== undefined) row.layers.push(Number(layer));
    rows.set(key, row);
  }
  return [...rows.values()];
}

/** How a file stores a module, such as "gptq 4 bit g128" or "bf16". */
export function describeStored({ format, bits, groupSize }: ModuleInfo): string {
  const isFloat = /^b?f\d+$/.test(format);
  return isFloat ? format : `${format} ${bits} bit${groupSize > 0 ? ` g${groupSize}` : ""}`;
}

/** Ascending numbers with runs drawn together, e.g. `0, 2-5`. */
export function describeLayers(layers: readonly number[]): string {
  const runs: { first: number; last: number }[] = [];
  for (const layer of layers.toSorted((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run && layer === run.last + 1) run.last = layer;
    else runs.push({ first: layer, last: layer });
  }
  return runs.map(({ first, last }) => first === last ? `${first}` : `${first}-${last}`).join(", ");
}
