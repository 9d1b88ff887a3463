/**
 * The public surface of the library: every name that mod.ts exports, with the members of its classes and interfaces.
 *
 *   deno task surface > tests/rules/public_surface.txt
 *
 * @module
 */
import { fileURLToPath } from "node:url";

interface Member {
  name: string;
  optional?: boolean;
  isStatic?: boolean;
  accessibility?: string;
}

interface TypeNode {
  kind: string;
  repr: string;
  // deno-lint-ignore no-explicit-any -- of as many shapes as there are kinds
  value: any;
}

interface Declaration {
  kind: string;
  declarationKind: string;
  def: {
    properties?: Member[];
    methods?: Member[];
    tsType?: TypeNode;
  };
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** A line for each name, in alphabetical order, then one for each member or choice; a `?` marks what may be left out. */
export async function publicSurface(root = ROOT): Promise<string[]> {
  const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", `${root}mod.ts`],
    env: { NO_COLOR: "1" },
  }).output();
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout)) as {
    nodes: Record<string, { symbols: { name: string; declarations: Declaration[] }[] }>;
  };
  const [{ symbols }] = Object.values(nodes);
  return symbols.toSorted((a, b) => a.name < b.name ? -1 : 1).flatMap(({ name, declarations }) =>
    declarations.filter(({ declarationKind }) => declarationKind === "export").flatMap(({ kind, def }) => {
      const { properties = [], methods = [], tsType } = def;
      const written = tsType?.kind === "typeLiteral" ? Object.values(tsType.value).flat() as Member[] : [];
      const choices = tsType?.kind === "union"
        ? (tsType.value as TypeNode[]).filter(({ kind }) => kind === "literal")
        : [];
      const members = [...properties, ...methods, ...written].filter(({ name, accessibility }) =>
        name !== undefined && accessibility !== "private" && !name.startsWith("#")
      );
      const lines = [
        ...members.map(({ name, optional }) => `  ${name}${optional ? "?" : ""}`),
        ...choices.map(({ repr }) => `  "${repr}"`),
      ];
      return [`${kind} ${name}`, ...new Set(lines.sort())];
    })
  );
}

if (import.meta.main) console.log((await publicSurface(Deno.args[0])).join("\n"));
