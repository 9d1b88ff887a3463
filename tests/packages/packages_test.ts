/**
 * The packages themselves: small enough, sound by the tools that judge packages, with types that a strict project compiles against.
 */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { installPackages, PROJECT, run } from "../../packages/build/installed.ts";

const isWanted = Deno.env.has("PACKAGE_HOSTS");
/** What the library may weigh, packed. */
const PACKED_BYTES_MAX = 1_000_000;
/** The library with the model and everything else that a bundle needs. */
const BUNDLE_BYTES_MAX = 8_000_000;

function packageTest(name: string, fn: (tarballs: string[]) => Promise<void>): void {
  const title = `${name}${isWanted ? "" : " (needs PACKAGE_HOSTS)"}`;
  Deno.test({ name: title, ignore: !isWanted, fn: async () => await fn(await installPackages()) });
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PICTURE = `${ROOT}models/scenes-mllama-int4/reference/two-by-two.png`;
const bin = (name: string) => `${PROJECT}/node_modules/.bin/${name}`;

packageTest("the library weighs less than 1 MB, packed", async ([library]) => {
  const { size } = await Deno.stat(library);
  ok(size <= PACKED_BYTES_MAX, `${size} bytes`);
});

packageTest("deno publish has nothing to warn of", async () => {
  const args = ["publish", "--dry-run", "--allow-dirty"];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
  const text = new TextDecoder().decode(stderr);
  ok(success && !/warning/i.test(text), text);
});

packageTest("publint finds nothing to say", async (tarballs) => {
  for (const tarball of tarballs) match(await run(bin("publint"), ["run", tarball, "--strict"]), /All good!/);
});

packageTest("the tool that asks whether types are wrong finds none that are", async (tarballs) => {
  // It fails where they are. Old resolvers, which know no "exports", and CommonJS are left out: the packages are modules.
  for (const tarball of tarballs) ok(await run(bin("attw"), [tarball, "--profile", "esm-only"]));
});

const STRICT = `import { createHandler, loadModel, memoryModelSource, RemoraError } from "@remora/remora";
import type { Completion, GenerateRequest, LoadOptions, Message, Model, ModelSource } from "@remora/remora";
import { source } from "@remora/scenes-mllama-int4";

const options: LoadOptions = { threads: 1, precision: "int8", kvCache: "int8" };
const place: ModelSource = source;
const messages: Message[] = [{ role: "user", content: "There are two stars." }];
const request: GenerateRequest = { messages, maxTokens: 4, temperature: 0 };
await using model: Model = await loadModel(place, options);
const { text, usage }: Completion = await model.complete(request);
const handler: (request: Request) => Promise<Response> = createHandler({ scenes: model });
const answer = await handler(new Request("http://host/v1/models"));
const error: unknown = await loadModel(memoryModelSource(new Map())).catch((error) => error);
if (!(error instanceof RemoraError)) throw error;
const code: string = error.code;
console.log(JSON.stringify({ text, tokens: usage.completionTokens, status: answer.status, code }));
`;

/** Compiles one file of a project with the strictest settings. */
async function compile(file: string, text: string, project = PROJECT): Promise<void> {
  await Deno.writeTextFile(`${project}/${file}`, text);
  const compilerOptions = {
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    target: "es2022",
    module: "nodenext",
    lib: ["esnext", "dom", "dom.iterable", "dom.asynciterable"],
    types: [],
  };
  await Deno.writeTextFile(`${project}/tsconfig.json`, JSON.stringify({ compilerOptions, files: [file] }));
  await run(bin("tsc"), ["--project", "."], project);
}

packageTest("a strict TypeScript project compiles against the types, and runs", async () => {
  await compile("strict.ts", STRICT);
  for (const program of [`${PROJECT}/node_modules/node22/bin/node`, bin("bun")]) {
    const found = JSON.parse(await run(program, ["strict.js"]));
    equal(typeof found.text, "string");
    deepEqual([found.tokens > 0, found.status, found.code], [true, 200, "FILE_NOT_FOUND"]);
  }
});

packageTest(
  "an empty project: the library alone says what is missing; with the model it compiles and runs",
  async ([library, model]) => {
    const project = await Deno.makeTempDir({ prefix: "remora_stranger_" });
    try {
      const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
      const programs = [`${PROJECT}/node_modules/node22/bin/node`, bin("bun")];
      const cli = "node_modules/@remora/remora/dist/cli.js";
      await Deno.writeTextFile(`${project}/package.json`, '{ "private": true, "type": "module" }');
      await run("npm", ["install", ...quiet, library], project);
      for (const program of programs) {
        await rejects(run(program, [cli, "run"], project), /npm install @remora\/scenes-mllama-int4/);
      }
      await run("npm", ["install", ...quiet, model], project);
      await compile("strict.ts", STRICT, project);
      for (const program of programs) {
        equal(JSON.parse(await run(program, ["strict.js"], project)).status, 200);
        const picture = ["--image", PICTURE, "--prompt", "Where is the star?"];
        match(await run(program, [cli, "run", ...picture], project), /left|right|centre|top|bottom/);
      }
    } finally {
      await Deno.remove(project, { recursive: true });
    }
  },
);

packageTest("source maps: a stack trace names the library's TypeScript", async () => {
  const program = 'import { loadModel } from "@remora/remora";' +
    'await loadModel("/no/such/model").catch(({ stack }) => console.log(stack));';
  const flags = ["--enable-source-maps", "--input-type=module", "-e"];
  const stack = await run(`${PROJECT}/node_modules/node24/bin/node`, [...flags, program], PROJECT);
  match(stack, /src\/io\/directory\.ts:\d+:\d+/);
  match(stack, /src\/loading\/load_model\.ts:\d+:\d+/);
});

packageTest("a wrong option does not compile", async () => {
  await rejects(compile("wrong.ts", STRICT.replace('"int8", kvCache', '"int9", kvCache')), /int9/);
});

packageTest("the model with everything a Worker needs is a bundle of at most 8 MB", async () => {
  await Deno.writeTextFile(
    `${PROJECT}/bundled.js`,
    `import { createHandler, loadModel } from "@remora/remora";
import { source } from "@remora/scenes-mllama-int4";
export default { fetch: async (request) => await createHandler(await loadModel(source))(request) };
`,
  );
  // What an earlier bundle left has other names, and would be counted.
  await Deno.remove(`${PROJECT}/out-bundle`, { recursive: true }).catch(() => {});
  const loaders = ["--loader:.wasm=copy", "--loader:.bin=copy", "--external:node:*"];
  await run(bin("esbuild"), [
    "bundled.js",
    "--bundle",
    "--format=esm",
    "--conditions=workerd",
    ...loaders,
    "--outdir=out-bundle",
  ]);
  const sizes = [...Deno.readDirSync(`${PROJECT}/out-bundle`)].map(({ name }) =>
    Deno.statSync(`${PROJECT}/out-bundle/${name}`).size
  );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  ok(total <= BUNDLE_BYTES_MAX, `${total} bytes`);
  const program = await Deno.readTextFile(`${PROJECT}/out-bundle/bundled.js`);
  deepEqual(program.match(/\beval\(|new Function\(|WebAssembly\.compileStreaming/g), null);
});

packageTest("the command line is the package's bin, and knows on what it runs", async () => {
  const program = `${PROJECT}/node_modules/@remora/remora/dist/cli.js`;
  for (const runtime of [`${PROJECT}/node_modules/node22/bin/node`, bin("bun")]) {
    const { canRun, machine } = JSON.parse(await run(runtime, [program, "doctor", "--json"]));
    ok(canRun);
    match(machine[0].found, runtime.endsWith("bun") ? /^Bun \d/ : /^Node 22\./);
  }
  ok((await Deno.readTextFile(program)).startsWith("#!/usr/bin/env node\n"));
});
