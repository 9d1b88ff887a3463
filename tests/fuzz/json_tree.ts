/**
 * JSON as a tree that can hold what `JSON.stringify` cannot write: keys that come twice, numbers of any size, text that is no JSON.
 *
 * @module
 */
import type { Random } from "../kernels/random.ts";
import { HOSTILE_STRINGS, nearbyNumber, pick } from "./hostile_values.ts";

/** A place in the text. */
export type JsonTree =
  | { kind: "raw"; text: string }
  | { kind: "array"; items: JsonTree[] }
  | { kind: "object"; members: [key: string, value: JsonTree][] };

/** The tree of a parsed value. */
export function treeOf(value: unknown): JsonTree {
  if (Array.isArray(value)) return { kind: "array", items: value.map(treeOf) };
  if (typeof value !== "object" || value === null) return { kind: "raw", text: JSON.stringify(value) };
  return { kind: "object", members: Object.entries(value).map(([key, member]) => [key, treeOf(member)]) };
}

/** The tree of a file's text. */
export function treeOfText(bytes: Uint8Array): JsonTree {
  return treeOf(JSON.parse(new TextDecoder().decode(bytes)));
}

export function textOf(tree: JsonTree): string {
  if (tree.kind === "raw") return tree.text;
  if (tree.kind === "array") return `[${tree.items.map(textOf).join(",")}]`;
  return `{${tree.members.map(([key, value]) => `${JSON.stringify(key)}:${textOf(value)}`).join(",")}}`;
}

export function bytesOf(tree: JsonTree): Uint8Array {
  return new TextEncoder().encode(textOf(tree));
}

/** Something that stands in a container, so that it can be replaced. */
interface Place {
  path: string;
  get(): JsonTree;
  set(tree: JsonTree): void;
  /** Its container and its number there; the root has none. */
  within?: { container: Exclude<JsonTree, { kind: "raw" }>; index: number };
}

/** Walks down at random, so that a vocabulary of thousands gets no more attention than one setting beside it. */
function placeIn(root: { tree: JsonTree }, random: Random): Place {
  let place: Place = { path: "", get: () => root.tree, set: (tree) => root.tree = tree };
  while (true) {
    const here = place.get();
    const count = here.kind === "raw" ? 0 : here.kind === "array" ? here.items.length : here.members.length;
    if (count === 0 || (place.within !== undefined && random.below(6) === 0)) return place;
    const container = here as Exclude<JsonTree, { kind: "raw" }>;
    const index = random.below(count);
    place = container.kind === "array"
      ? {
        path: `${place.path}[${index}]`,
        get: () => container.items[index],
        set: (tree) => container.items[index] = tree,
        within: { container, index },
      }
      : {
        path: `${place.path}.${container.members[index][0].slice(0, 40)}`,
        get: () => container.members[index][1],
        set: (tree) => container.members[index][1] = tree,
        within: { container, index },
      };
  }
}

const raw = (text: string): JsonTree => ({ kind: "raw", text });

/** Values that readers may not have thought of. */
function hostileTree(random: Random, hints: readonly string[]): JsonTree {
  const kind = random.below(10);
  if (kind < 3) return raw(nearbyNumber(random, 0));
  if (kind < 5) return raw(JSON.stringify(pick(random, HOSTILE_STRINGS)()));
  if (kind < 7 && hints.length > 0) return raw(JSON.stringify(pick(random, hints)));
  if (kind === 7) return raw(pick(random, ["null", "true", "false", "{}", "[]", '""', "[[]]", "[null]"]));
  if (kind === 8) {
    const depth = pick(random, [10, 100, 127, 129, 5_000]);
    return raw(
      pick(random, ["[".repeat(depth) + "]".repeat(depth), '{"a":'.repeat(depth) + "0" + "}".repeat(depth)]),
    );
  }
  return raw(`[${Array(pick(random, [1, 2, 3, 4, 100, 2_000])).fill(nearbyNumber(random, 1)).join(",")}]`);
}

/** One change of a tree; hints are strings that mean something to the reader. */
export function editJson(root: { tree: JsonTree }, random: Random, hints: readonly string[] = []): string {
  const place = placeIn(root, random);
  const { within, path } = place;
  const old = place.get();
  const number = old.kind === "raw" ? Number(old.text) : NaN;
  const replace = (what: string, tree: JsonTree) => {
    place.set(tree);
    return `${path}: ${what} ${textOf(tree).slice(0, 60)}`;
  };
  const kind = random.below(20);
  if (kind < 5 && !Number.isNaN(number)) return replace("number", raw(nearbyNumber(random, number)));
  if (kind < 10 || !within) return replace("value", hostileTree(random, hints));
  if (kind === 10) return replace("copied", structuredClone(placeIn(root, random).get()));
  if (kind === 11) return replace("wrapped", { kind: "array", items: [old] });
  if (kind === 12 && old.kind === "raw") return replace("as text", raw(JSON.stringify(old.text)));
  if (kind === 13) {
    const other = placeIn(root, random), theirs = other.get();
    if (holds(theirs, old) || holds(old, theirs)) return `${path}: kept`;
    other.set(old);
    place.set(theirs);
    return `${path}: swapped with ${other.path}`;
  }
  return editMember(within.container, within.index, path, random, hints);
}

/** Removes, renames, repeats or moves a member. */
function editMember(
  container: Exclude<JsonTree, { kind: "raw" }>,
  index: number,
  path: string,
  random: Random,
  hints: readonly string[],
): string {
  const list: unknown[] = container.kind === "array" ? container.items : container.members;
  const kind = random.below(5);
  if (kind === 0) {
    list.splice(index, 1);
    return `${path}: removed`;
  }
  if (kind === 1) {
    list.reverse();
    return `${path}: its neighbours reversed`;
  }
  if (container.kind === "array") {
    const times = pick(random, [1, 2, 31, 32, 1_000]);
    for (let i = 0; i < times; i++) container.items.push(structuredClone(container.items[index]));
    return `${path}: ${times} times more`;
  }
  const [key, value] = container.members[index];
  if (kind === 2) {
    container.members.push([key, hostileTree(random, hints)]);
    return `${path}: key twice`;
  }
  const others = [
    ...container.members.map(([name]) => name),
    ...hints,
    "__proto__",
    "constructor",
    "",
    key + " ",
  ];
  const name = kind === 3 ? pick(random, others) : pick(random, HOSTILE_STRINGS)();
  container.members[index] = [name, value];
  return `${path}: renamed to ${name.slice(0, 60)}`;
}

function holds(outer: JsonTree, inner: JsonTree): boolean {
  if (outer === inner) return true;
  if (outer.kind === "raw") return false;
  return outer.kind === "array"
    ? outer.items.some((item) => holds(item, inner))
    : outer.members.some(([, member]) => holds(member, inner));
}
