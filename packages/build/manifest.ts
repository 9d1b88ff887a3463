/**
 * The library's package.json.
 *
 * @module
 */

/** Conditions in the order in which they are tried. Bun has Node's; bundlers for pages have none of the first three. */
const HOSTS = { workerd: "workerd", deno: "deno", node: "node", default: "web" };

/** Packages that only some users need; they bring them. */
const OPTIONAL = /^(@ai-sdk\/provider|@langchain\/core)$/;
/** Packages that are not bundled. */
const DEPENDENCIES = /^(prom-client|@hono\/node-server)$/;

/** What npm and bundlers read. */
export function libraryManifest(
  { name, version, license }: { name: string; version: string; license: string },
  entries: Readonly<Record<string, string>>,
  packages: Readonly<Record<string, string>>,
): Record<string, unknown> {
  const having = (pattern: RegExp) => Object.entries(packages).filter(([name]) => pattern.test(name));
  const byHost = (folder: string, hosts: Record<string, string> = HOSTS) =>
    Object.fromEntries(Object.entries(hosts).map(([host, file]) => [host, `./dist/${folder}/${file}.js`]));
  const exported = Object.keys(entries).map((entry) => [
    entry === "remora" ? "." : `./${entry}`,
    { types: `./dist/${entry}.d.ts`, default: `./dist/${entry}.js` },
  ]);
  return {
    name,
    version,
    description:
      "INT4 language models on the CPU, from TypeScript: Node, Bun, Deno, browsers, Cloudflare Workers",
    license,
    type: "module",
    sideEffects: false,
    engines: { node: ">=22" },
    bin: { remora: "./dist/cli.js" },
    exports: { ...Object.fromEntries(exported), "./package.json": "./package.json" },
    imports: { "#platform": byHost("platform"), "#binaries": byHost("binaries", { ...HOSTS, deno: "node" }) },
    files: ["dist", "NOTICES.md"],
    keywords: ["llm", "int4", "gptq", "awq", "gguf", "webassembly", "simd", "cpu", "inference", "vision"],
    dependencies: Object.fromEntries(having(DEPENDENCIES)),
    peerDependencies: Object.fromEntries(having(OPTIONAL).map(([name, version]) => [name, `^${version}`])),
    peerDependenciesMeta: Object.fromEntries(having(OPTIONAL).map(([name]) => [name, { optional: true }])),
  };
}
