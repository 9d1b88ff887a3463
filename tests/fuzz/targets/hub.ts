/**
 * What a hub answers: the commit, pages of files, the shard index by which files are chosen.
 *
 * @module
 */
import { parseJson } from "../../../src/core/json.ts";
import { chooseFiles } from "../../../src/hub/choose_files.ts";
import { HubClient } from "../../../src/hub/client.ts";
import { fetchListing } from "../../../src/hub/listing.ts";
import { isSafeFileName } from "../../../src/io/file_name.ts";
import type { Random } from "../../kernels/random.ts";
import { HOSTILE_STRINGS, pick } from "../hostile_values.ts";
import { bytesOf, editJson, type JsonTree, treeOf } from "../json_tree.ts";
import type { Files, FuzzTarget } from "../target.ts";
import { Violation } from "../watch.ts";

const HOST = "hub.invalid", INDEX = "model.safetensors.index.json";
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const NAMES = [
  "config.json",
  "tokenizer.json",
  INDEX,
  "model-00001-of-00002.safetensors",
  "model-00002-of-00002.safetensors",
]
  .concat("m-Q4_K_M.gguf", "m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf", "sub/readme.md");

/** The answers, in the order in which they are asked for, and the header Link of the first page. */
interface Answers {
  trees: Map<string, { tree: JsonTree }>;
  link: string;
}

function validAnswers(): Answers {
  const files = NAMES.map((path, i) => {
    const plain = { type: "file", path, size: 100 + i, oid: COMMIT };
    return i % 2 === 0
      ? plain
      : { ...plain, lfs: { size: 1000, oid: (COMMIT + COMMIT).slice(0, 64), pointerSize: 1 } };
  });
  const weight_map = { a: NAMES[3], b: NAMES[4] };
  const trees = {
    about: { id: "a/b", sha: COMMIT },
    page1: files.slice(0, 5),
    page2: files.slice(5),
    index: { weight_map },
  };
  return {
    trees: new Map(Object.entries(trees).map(([name, value]) => [name, { tree: treeOf(value) }])),
    link: `<https://${HOST}/api/models/a/b/tree/x?cursor=2>; rel="next"`,
  };
}

/** The commit has passed when files are asked for. */
async function askAndChoose(files: Files, reached: () => void): Promise<void> {
  let pages = 0;
  const client = new HubClient({
    endpoint: `https://${HOST}`,
    mayReach: (host) => {
      if (host !== HOST) throw new Violation(`a request to ${host}`);
      return true;
    },
    fetch: (place) => {
      const { pathname } = new URL(String(place));
      if (pathname.includes("/revision/")) return Promise.resolve(new Response(files.get("about")!.slice()));
      reached();
      const isFirst = pages++ === 0;
      const headers = isFirst ? { link: new TextDecoder().decode(files.get("link")) } : undefined;
      return Promise.resolve(new Response(files.get(isFirst ? "page1" : "page2")!.slice(), { headers }));
    },
  });
  const { files: listed } = await fetchListing(client, { repository: "a/b", revision: "main" });
  const readIndex = () => Promise.resolve(parseJson(files.get("index")!, INDEX));
  for (const quantization of [undefined, "Q8_0"]) {
    const { names } = await chooseFiles("a/b", listed.map(({ path }) => path), quantization, readIndex);
    const outside = names.find((name) => !isSafeFileName(name));
    if (outside !== undefined) throw new Violation(`a file ${outside}`);
  }
}

export const hubTarget: FuzzTarget = {
  name: "hub",
  // Without a choice among files, the place is the repository in the words of the message.
  namesPlaces: false,
  prepare: () =>
    Promise.resolve({
      fresh: validAnswers,
      edit(answers: Answers, random: Random) {
        if (random.below(10) === 0) {
          const origins = [HOST, "other.invalid", `${HOST}@other.invalid`, "", "[::1", "127.0.0.1"];
          const text = random.below(2) === 0
            ? pick(random, HOSTILE_STRINGS)()
            : `https://${pick(random, origins)}/next`;
          // What a header cannot hold never arrives.
          answers.link = `<${text.replace(/[^\x20-\x7e]/g, "")}>; rel="next"`;
          return `link: ${answers.link.slice(0, 70)}`;
        }
        const name = pick(random, ["about", "page1", "page1", "page2", "page2", "index", "index"]);
        const edited = editJson(answers.trees.get(name)!, random, [
          ...NAMES,
          `../${NAMES[0]}`,
          COMMIT,
          "directory",
        ]);
        return `${name}${edited}`;
      },
      write: ({ trees, link }: Answers) =>
        new Map([
          ...[...trees].map(([name, { tree }]) => [name, bytesOf(tree)] as const),
          ["link", new TextEncoder().encode(link)] as const,
        ]),
      run: askAndChoose,
    }),
};
