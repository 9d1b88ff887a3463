/**
 * Tokenizers, chat templates and the small settings files beside them. What passes turns texts into tokens and messages into prompts.
 *
 * @module
 */
import { parseJson } from "../../../src/core/json.ts";
import { inspect } from "../../../src/loading/inspect.ts";
import { TextFiles } from "../../../src/loading/text_files.ts";
import { ARCHITECTURES } from "../../../src/models/registry.ts";
import { platform } from "../../../src/platform/current.ts";
import { HostEvents } from "../../../src/platform/events.ts";
import { ChatTemplate } from "../../../src/text/chat_template.ts";
import type { Message } from "../../../src/text/messages.ts";
import { Tokenizer } from "../../../src/text/tokenizer.ts";
import type { Random } from "../../kernels/random.ts";
import { byteLevelJson, sentencePieceJson } from "../../text/small_tokenizers.ts";
import { fileURLToPath } from "node:url";
import { HOSTILE_STRINGS, pick } from "../hostile_values.ts";
import { bytesOf, editJson, type JsonTree, treeOf, treeOfText } from "../json_tree.ts";
import type { Files, FuzzTarget } from "../target.ts";
import { watchedSource } from "../watch.ts";

const CASES = new URL("../../cases/", import.meta.url);
const SCENES = fileURLToPath(new URL("../../../models/scenes-mllama-int4", import.meta.url));
const FILE = "tokenizer.json";

/** What is made tokens: words, white space, other scripts, specials, a long run. */
const TEXTS = [
  "hello world",
  "  a\t\n\n b ",
  "日本語 🙂 e\u0301",
  "<s>hell</s><tool>",
  "\ud800x",
  "ab ".repeat(500),
  "a".repeat(2_000),
];
const STEPS = [
  "ByteLevel",
  "Split",
  "Sequence",
  "Digits",
  "Metaspace",
  "Prepend",
  "Replace",
  "NFC",
  "NFKC",
  "Lowercase",
  "Strip",
]
  .concat(
    "ByteFallback",
    "Fuse",
    "BPE",
    "Unigram",
    "Precompiled",
    "StripAccents",
    "Isolated",
    "Removed",
    "MergedWithPrevious",
  )
  .concat(
    "\\p{L}+",
    "(?i:a|b)",
    "(a*)*b",
    "(?=a)",
    "\\s+(?!\\S)",
    "[^\\s\\S]",
    "(?<x>a)\\1",
    "always",
    "never",
    "first",
    "▁",
    "Ġ",
  );

function tokenizerTarget(name: string, bases: () => JsonTree[]): FuzzTarget {
  return {
    name,
    prepare() {
      const trees = bases();
      return Promise.resolve({
        fresh: (random: Random) => ({ tree: structuredClone(pick(random, trees)) }),
        edit: (root: { tree: JsonTree }, random: Random) => editJson(root, random, STEPS),
        write: ({ tree }: { tree: JsonTree }) => new Map([[FILE, bytesOf(tree)]]),
        run(files: Files, reached: () => void) {
          const bytes = files.get(FILE)!;
          parseJson(bytes, FILE, { code: "BAD_TOKENIZER" });
          reached();
          const tokenizer = Tokenizer.parse(bytes);
          for (const text of TEXTS) {
            const ids = tokenizer.encode(text, { addSpecialTokens: true });
            tokenizer.decode(ids, { skipSpecialTokens: true });
          }
          for (const id of [0, tokenizer.vocabSize - 1]) if (id >= 0) tokenizer.tokenBytes(id);
        },
      });
    },
  };
}

/** Committed tokenizers whose names begin so. */
function casesOf(pattern: RegExp): JsonTree[] {
  const folder = new URL("tokenizers/", CASES);
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => pattern.test(name)).sort()
    .map((name) => treeOfText(Deno.readFileSync(new URL(`${name}/${FILE}`, folder))));
}

export const bytePairTarget = tokenizerTarget(
  "tokenizer-bpe",
  () => [treeOf(byteLevelJson()), treeOf(sentencePieceJson()), ...casesOf(/^(?!unigram|unknown)/)],
);
export const unigramTarget = tokenizerTarget("tokenizer-unigram", () => casesOf(/^unigram/));

/** Pieces of Jinja that cost, or that nest. */
const JINJA: readonly (() => string)[] = [
  () => "{% for i in range(1000000000) %}x{% endfor %}",
  () => "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
  () => "{{ 'x' * 100000000 }}",
  () => "{{ 9 ** 9 ** 9 ** 9 }}",
  () => "{{ (9 ** 5000) ** 5000 }}",
  () => "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
  () => `{{ ${"(".repeat(5_000)}1${")".repeat(5_000)} }}`,
  () => `{{ ${"[".repeat(300)}${"]".repeat(300)} }}`,
  () => `{{ ${"not ".repeat(20_000)}1 }}`,
  () => `{{ ${"-".repeat(20_000)}1 }}`,
  () => `{{ 1${" + 1".repeat(20_000)} }}`,
  () => `{{ x${".a".repeat(20_000)} }}`,
  () => `{{ ''${"|trim".repeat(20_000)} }}`,
  () => "{% if 1 %}".repeat(3_000) + "{% endif %}".repeat(3_000),
  () =>
    "{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
  () => "{% set l = [1] %}{% for i in range(60) %}{% set l = l + l %}{% endfor %}{{ l }}",
  () => "{{ '%0999999999d' % 1 }}",
  () => "{{ '{:>999999999}'.format(1) }}",
  () => "{{ 'a'.center(999999999) }}{{ 'a'.ljust(999999999) }}{{ 'a'.zfill(999999999) }}",
  () => "{{ 'aaaa'.replace('', 'b' * 100000) }}",
  () => "{{ messages | tojson(indent=999999999) }}",
  () => "{{ messages | indent(999999999) }}",
  () => "{{ [messages, messages] | tojson }}{{ messages | string }}",
  () => "{{ 'a' | indent(width='b' * 99999) }}",
  () => "{{ range(10)[::-0] }}{{ 'abc'[9999999999:-9999999999:-1] }}",
  () => "{{ strftime_now('%Y' * 100000) }}",
  () => "{{ messages.__class__ }}{{ ''.constructor }}{{ messages.__proto__ }}",
  () => "{{ raise_exception('x' * 1000000) }}",
  () => "{{ 1 / 0 }}{{ 1 % 0 }}{{ 1 // 0 }}",
  () => "{%- set x = x -%}{{ x.y.z }}",
  () => "{# ",
  () => "{% raw %}",
  () => "{{ dict(a=1, **{'a': 2}) }}{{ lipsum(5) }}{{ cycler(1) }}",
  () => "{{ '\\ud800' }}{{ '\\N{x}' }}{{ '\\x' }}",
];

/** A template in pieces: marks, words, white space. */
function piecesOf(source: string): string[] {
  return source.match(/\{[{%#]-?|-?[}%#]\}|\w+|\s+|'[^']*'|[^\w\s]/g) ?? [];
}

/** Without these no template parses. */
const KEYWORDS = /^(set|if|elif|else|endif|for|in|endfor|is|not|and|or|macro|endmacro|namespace)$/;

function editTemplate(pieces: string[], random: Random): string {
  const at = random.below(pieces.length || 1);
  const kind = random.below(16);
  if (kind === 0) return `removed ${JSON.stringify(pieces.splice(at, 1 + random.below(3)))}`;
  if (kind === 1) {
    const other = random.below(pieces.length);
    [pieces[at], pieces[other]] = [pieces[other], pieces[at]];
    return `swapped ${at} and ${other}`;
  }
  if (kind < 8) {
    // Between two texts rather than within an expression, so that it parses.
    const ends = pieces.flatMap((piece, i) => /^-?[}%#]\}$/.test(piece) ? [i + 1] : []);
    const text = pick(random, JINJA)();
    pieces.splice(pick(random, [0, pieces.length, ...ends]), 0, text);
    return `put in ${text.slice(0, 70)}`;
  }
  if (kind === 8) {
    const text = pick(random, HOSTILE_STRINGS)();
    pieces.splice(pick(random, [0, pieces.length]), 0, text);
    return `put in ${text.slice(0, 70)}`;
  }
  if (kind === 9) {
    const copied = pieces.slice(at, at + random.below(12));
    pieces.splice(random.below(pieces.length || 1), 0, ...copied);
    return `repeated ${JSON.stringify(copied).slice(0, 70)}`;
  }
  const words = pieces.flatMap((piece, i) => /^\w+$/.test(piece) && !KEYWORDS.test(piece) ? [i] : []);
  if (words.length === 0) return "no words";
  const word = pick(random, words);
  const others = [
    "messages",
    "loop",
    "none",
    "0",
    "-1",
    "99999999999999999999",
    "1.5e308",
    "true",
    "range",
    "namespace",
    "tojson",
  ]
    .concat(
      "length",
      "join",
      "map",
      "selectattr",
      "sort",
      "reverse",
      "groupby",
      "batch",
      "slice",
      "upper",
      "split",
      "items",
      "__class__",
    );
  const text = random.below(2) === 0 ? pieces[pick(random, words)] : pick(random, others);
  const old = pieces[word];
  pieces[word] = text;
  return `${old} is ${text}`;
}

const CALL = { type: "function", function: { name: "look", arguments: { at: "sky" } } };
const CONVERSATIONS: Message[][] = [
  [{ role: "system", content: "Be brief." }, { role: "user", content: "Hello" }],
  [
    { role: "user", content: [{ type: "text", text: "What?" }] },
    { role: "assistant", content: "", tool_calls: [CALL] } as Message,
    { role: "tool", content: "blue" },
  ],
];

export const templateTarget: FuzzTarget = {
  name: "template",
  prepare() {
    const cases: { template: string }[] = JSON.parse(Deno.readTextFileSync(new URL("templates.json", CASES)));
    const bases = [...new Set(cases.map(({ template }) => template))].filter((template) =>
      typeof template === "string"
    );
    return Promise.resolve({
      fresh: (random: Random) => piecesOf(pick(random, bases)),
      edit: editTemplate,
      write: (pieces: string[]) =>
        new Map([["chat_template.jinja", new TextEncoder().encode(pieces.join(""))]]),
      run(files: Files, reached: () => void) {
        const source = new TextDecoder().decode(files.get("chat_template.jinja"));
        const template = new ChatTemplate(
          source,
          { bos_token: "<s>", eos_token: "</s>" },
          "chat_template.jinja",
        );
        reached();
        for (const messages of CONVERSATIONS) template.render(messages, { tools: [CALL] });
      },
    });
  },
};

const SETTINGS = [
  "tokenizer_config.json",
  "special_tokens_map.json",
  "generation_config.json",
  "preprocessor_config.json",
]
  .concat("chat_template.json", "quantize_config.json");

/** The small files beside a model that sees; the weights' header is read, nothing else of them. */
export const settingsTarget: FuzzTarget = {
  name: "settings",
  prepare() {
    const whole = new Map(
      ["config.json", "model.safetensors", FILE].map((
        name,
      ) => [name, Deno.readFileSync(`${SCENES}/${name}`)]),
    );
    const bases = SETTINGS.map((
      name,
    ): [string, JsonTree] => [name, treeOfText(Deno.readFileSync(`${SCENES}/${name}`))]);
    type Structure = Map<string, { tree: JsonTree }>;
    return Promise.resolve({
      fresh: (): Structure => new Map(bases.map(([name, tree]) => [name, { tree: structuredClone(tree) }])),
      edit(trees: Structure, random: Random) {
        const name = pick(random, SETTINGS);
        return `${name}${
          editJson(trees.get(name)!, random, ["mllama", "default", "tool_use", "{{ messages }}", "<|eot|>"])
        }`;
      },
      write: (trees: Structure) =>
        new Map([...whole, ...[...trees].map(([name, { tree }]) => [name, bytesOf(tree)] as const)]),
      async run(files: Files, reached: () => void) {
        for (const name of SETTINGS) {
          parseJson(files.get(name)!, name, { code: "BAD_CONFIG", asPython: true });
        }
        reached();
        const source = watchedSource(files);
        const surroundings = { platform, architectures: ARCHITECTURES, events: new HostEvents(platform) };
        const inspected = await inspect(source, { threads: 1, memoryBytes: 1 << 30 }, surroundings);
        inspected.source.close?.();
        const text = await TextFiles.read(source);
        text.template.render([{ role: "user", content: "Hello" }]);
        text.tokenizer.encode("Hello");
        void text.endId;
      },
    });
  },
};
