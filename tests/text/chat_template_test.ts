/**
 * Truth: prompts in SmolLM2's reference.json and in the goldens' inputs.json, written by transformers; elsewhere what
 * the Jinja documentation says a template means.
 */
import assert from "node:assert/strict";
import { RemoraError } from "../../src/core/errors.ts";
import { ChatTemplate, type RenderOptions } from "../../src/text/chat_template.ts";
import {
  type ChatTemplateFiles,
  findChatTemplate,
  findSpecialTokens,
} from "../../src/text/chat_template_source.ts";
import type { Message } from "../../src/text/messages.ts";
import { hasShared, sharedPath } from "../shared.ts";

const HELLO: Message[] = [{ role: "user", content: "hello" }];
const bytes = (text: string) => new TextEncoder().encode(text);

function render(source: string, messages: Message[] = HELLO, options?: RenderOptions): string {
  return new ChatTemplate(source, { bos_token: "<s>" }, "chat_template.jinja").render(messages, options);
}

function refusal(run: () => unknown): RemoraError {
  let found: unknown;
  assert.throws(run, (error) => (found = error, true));
  assert.ok(found instanceof RemoraError, String(found));
  return found;
}

function checkpointTemplate(...folder: string[]): ChatTemplate {
  const files: ChatTemplateFiles = {};
  for (const name of ["chat_template.json", "tokenizer_config.json"] as const) {
    try {
      files[name] = Deno.readFileSync(sharedPath(...folder, name));
    } catch { /* not every checkpoint has both */ }
  }
  const { source, label } = findChatTemplate(files)!;
  return new ChatTemplate(source, findSpecialTokens(files["tokenizer_config.json"]!), label);
}

Deno.test({
  name: "SmolLM2: the reference conversations become the reference prompts (needs ../shared)",
  ignore: !hasShared,
  fn() {
    const folder = ["models", "SmolLM2-135M-Instruct-GPTQ-Int4"];
    const { prompts } = JSON.parse(
      Deno.readTextFileSync(sharedPath(...folder, "reference", "reference.json")),
    );
    const chats = prompts.filter((prompt: { kind: string }) => prompt.kind === "chat");
    assert.equal(chats.length, 4);
    const template = checkpointTemplate(...folder);
    for (const { messages, add_generation_prompt, text } of chats) {
      assert.equal(template.render(messages, { addGenerationPrompt: add_generation_prompt }), text);
      // The same conversation in parts: this template can only concatenate strings.
      const inParts = messages.map((message: Message) => ({
        ...message,
        content: [{ type: "text", text: message.content }],
      }));
      assert.equal(template.render(inParts, { addGenerationPrompt: add_generation_prompt }), text);
    }
    const image: Message[] = [{ role: "user", content: [{ type: "image" }] }];
    assert.equal(refusal(() => template.render(image)).code, "BAD_ARGUMENT");
  },
});

Deno.test({
  name: "Llama 3.2 Vision: image and text parts become the reference prompts (needs ../shared)",
  ignore: !hasShared,
  fn() {
    const { inputs } = JSON.parse(
      Deno.readTextFileSync(sharedPath("goldens", "mllama-inputs", "inputs.json")),
    );
    const template = checkpointTemplate("goldens", "mllama-gptq");
    const image = { type: "image", image: new Uint8Array(1000) } as const;
    const text = (content: string) => ({ type: "text", text: content }) as const;
    const user = (...content: Exclude<Message["content"], string>) =>
      template.render([{ role: "user", content }]);
    assert.equal(
      template.render([{ role: "user", content: "The other one is on the table." }]),
      inputs["text"].prompt,
    );
    assert.equal(user(text("The other one is on the table.")), inputs["text"].prompt);
    assert.equal(user(image, text("What is in it?")), inputs["one-tile"].prompt);
    assert.equal(user(text("Look:"), image, text("and the rest?")), inputs["wide-4x1"].prompt);
    assert.equal(user(image, text("This and"), image, text("are the same?")), inputs["two-images"].prompt);
  },
});

Deno.test("text parts are joined by line breaks for a template of strings", () => {
  const content: Message["content"] = [{ type: "text", text: "one" }, { type: "text", text: "two" }];
  const source = "{% for m in messages %}[{{ m['role'] + ': ' + m['content'] }}]{% endfor %}";
  assert.equal(render(source, [{ role: "user", content }]), "[user: one\ntwo]");
});

Deno.test("a string becomes a part for a template of parts", () => {
  const source =
    "{% for m in messages %}{% for p in m.content %}<{{ p.type }}:{{ p.text }}>{% endfor %}{% endfor %}";
  assert.equal(render(source), "<text:hello>");
});

Deno.test("templates see what transformers gives them", () => {
  assert.equal(render("{{ bos_token }}{{ add_generation_prompt }}{{ tools is none }}"), "<s>TrueTrue");
  assert.equal(render("{{ add_generation_prompt }}", HELLO, { addGenerationPrompt: false }), "False");
  const tools = [{ name: "f", parameters: { "größe": 1 } }];
  assert.equal(
    render("{% for t in tools %}{{ t | tojson }}{% endfor %}", HELLO, { tools }),
    '{"name": "f", "parameters": {"größe": 1}}',
  );
  assert.equal(
    render("{% for m in messages %}\n  {% if loop.last %}\nx\n  {% endif %}\n{% endfor %}"),
    "x\n",
  );
  assert.equal(
    render(
      "{% for i in range(3) %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}{{ range(1, 7, 2) }}",
    ),
    "02range(1, 7, 2)",
  );
  assert.equal(
    render("{{ 'a-b'.replace('-', '+') }}{{ 'aXa' | replace('a', '.') }}{{ '  x '.strip() }}"),
    "a+b.X.x",
  );
  assert.equal(
    render(
      "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
    ),
    "1",
  );
});

Deno.test("fields beside role and content reach the template; a turn of tool calls needs no content", () => {
  const messages = [{
    role: "assistant",
    content: null,
    tool_calls: [{ name: "f" }],
  }] as unknown as Message[];
  assert.equal(
    render("{% for m in messages %}{{ m.tool_calls[0].name }}{{ m.content or '-' }}{% endfor %}", messages),
    "f-",
  );
});

Deno.test("strftime_now writes the given time in English, as Python does", () => {
  const now = new Date(2024, 6, 5, 15, 4, 9);
  assert.equal(render("{{ strftime_now('%d %b %Y') }}", HELLO, { now }), "05 Jul 2024");
  assert.equal(
    render("{{ strftime_now('%A, %B %-d, %y %H:%M:%S %I %p 100%%') }}", HELLO, { now }),
    "Friday, July 5, 24 15:04:09 03 PM 100%",
  );
  assert.equal(refusal(() => render("{{ strftime_now('%Q') }}")).code, "BAD_TEMPLATE");
});

Deno.test("raise_exception refuses the messages, in the template's own words", () => {
  const error = refusal(() => render("{{ raise_exception('roles must alternate') }}"));
  assert.equal(error.code, "BAD_ARGUMENT");
  assert.match(error.message, /chat_template.*roles must alternate/);
});

Deno.test("messages of a wrong shape are refused", () => {
  const bad: unknown[] = [
    null,
    { content: "x" },
    { role: 1, content: "x" },
    { role: "user" },
    { role: "user", content: 5 },
    { role: "user", content: [{ type: "video" }] },
    { role: "user", content: [{ type: "text" }] },
    { role: "user", content: [null] },
  ];
  for (const message of bad) {
    const error = refusal(() => render("{{ messages[1].content }}", [...HELLO, message as Message]));
    assert.equal(error.code, "BAD_ARGUMENT");
    assert.match(error.message, /message 1/);
  }
});

Deno.test("a long conversation is no hostile template", () => {
  const messages = Array.from(
    { length: 2000 },
    (_, i) => ({ role: i % 2 ? "assistant" : "user", content: `turn ${i}` }),
  );
  const source =
    "{% for m in messages %}{% if messages[0].role == 'user' and loop.index0 <= messages | length %}" +
    "{{ '<' + m['role'] + '>' + m['content'] | trim }}{% endif %}{% endfor %}";
  assert.equal(render(source, messages), messages.map((m) => `<${m.role}>${m.content}`).join(""));
  const long = "x".repeat(5_000_000);
  assert.equal(
    render("{{ messages[0].content | trim }}", [{ role: "user", content: long }]).length,
    long.length,
  );
});

const DOUBLED =
  "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(15) %}{% set ns.s = ns.s + ns.s %}{% endfor %}";
const HOSTILE: Record<string, string> = {
  "an endless loop": "{% for i in range(1000000000000000) %}x{% endfor %}",
  "nested loops without a body":
    "{% for a in range(60000) %}{% for b in range(60000) %}{% endfor %}{% endfor %}",
  "loops over one list": "{% set r = range(60000) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}",
  "searches in one list": "{% set r = range(60000) %}{% for a in r %}{{ -1 in r }}{% endfor %}",
  "a doubled string": `${DOUBLED}{% for i in range(9) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}`,
  "a doubled list":
    "{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
  "a list of the same list":
    "{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}",
  "an object of the same object":
    "{% set ns = namespace(a={'x': 1}) %}{% for i in range(60) %}{% set ns.a = {'x': ns.a, 'y': ns.a} %}{% endfor %}{{ ns.a | tojson }}",
  "namespaces in namespaces":
    "{% set ns = namespace(a=1) %}{% for i in range(60) %}{% set ns.a = namespace(a=ns.a, b=ns.a) %}{% endfor %}{{ ns }}",
  "a deep list":
    "{% set ns = namespace(a=[1]) %}{% for i in range(60000) %}{% set ns.a = [ns.a] %}{% endfor %}",
  "a recursive macro": "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
  "a growing replace": `${DOUBLED}{{ ns.s.replace('x', ns.s) }}`,
  "a growing replace, by subscript": `${DOUBLED}{{ ns.s['replace']('x', ns.s) }}`,
  "a growing replace, by computed name": `${DOUBLED}{% set p = 'replace' %}{{ ns.s[p]('x', ns.s) }}`,
  "a growing replace, as a value": `${DOUBLED}{% set f = ns.s.replace %}{{ f('x', ns.s) }}`,
  "a growing replace, as a filter": `${DOUBLED}{{ ns.s | replace('x', ns.s) }}`,
  "a growing join": `${DOUBLED}{{ range(60000) | join(ns.s) }}`,
  "a wide indent": "{{ 'a\nb' | indent(width=500000000) }}",
  "wide JSON": "{{ [[1, 2]] | tojson(indent=100000000) }}",
  "many splits": `${DOUBLED}{% for i in range(1000) %}{{ ns.s.split('x') | length }}{% endfor %}`,
  "many undefined names": "{% for i in range(60000) %}" + "{{ nope }}".repeat(100) + "{% endfor %}",
  "many parentheses": "{{ " + "(".repeat(60_000) + "1" + ")".repeat(60_000) + " }}",
  "a long sum": "{{ " + "1+".repeat(60_000) + "1 }}",
  "much white space": "\n ".repeat(60_000) + "{{ 1 }}",
  "a template without end": "{{ 1 }}".repeat(100_000),
  "an unclosed block": "{% for m in messages %}{{ m.content ",
  "an unknown filter": "{{ 1 | nope }}",
};
for (const [name, source] of Object.entries(HOSTILE)) {
  Deno.test(`${name} is refused as BAD_TEMPLATE`, () => {
    const begin = performance.now();
    const error = refusal(() => render(source));
    assert.equal(error.code, "BAD_TEMPLATE", error.message);
    assert.match(error.message, /chat_template/);
    assert.equal(error.file, "chat_template.jinja");
    assert.ok(performance.now() - begin < 10_000);
  });
}

for (const name of ["template-endless", "template-doubling", "template-syntax"]) {
  Deno.test({
    name: `hostile ${name} is refused, naming chat_template (needs ../shared)`,
    ignore: !hasShared,
    fn() {
      const error = refusal(() => checkpointTemplate("goldens", "hostile", name).render(HELLO));
      assert.equal(error.code, "BAD_TEMPLATE");
      assert.match(error.message, /chat_template/);
    },
  });
}

Deno.test("findChatTemplate() takes the files in the order of transformers, and all of several by name", () => {
  const jinja = bytes("J");
  const json = bytes(JSON.stringify({ chat_template: "P" }));
  const list = [{ name: "tool_use", template: "T" }, { name: "default", template: "D" }];
  const config = bytes(JSON.stringify({ chat_template: list }));
  const all = { "tokenizer_config.json": config, "chat_template.json": json, "chat_template.jinja": jinja };
  assert.deepEqual(findChatTemplate(all), { source: "J", label: "chat_template.jinja" });
  assert.deepEqual(findChatTemplate({ ...all, "chat_template.jinja": undefined }), {
    source: "P",
    label: "chat_template.json",
  });
  assert.deepEqual(findChatTemplate({ "tokenizer_config.json": config }), {
    source: { tool_use: "T", default: "D" },
    label: "tokenizer_config.json",
  });
  assert.equal(findChatTemplate({ "tokenizer_config.json": bytes("{}") }), undefined);
  assert.equal(findChatTemplate({}), undefined);
});

Deno.test("findChatTemplate() refuses what is no template, naming the file", () => {
  for (const template of [5, [{ name: "rag", template: "R" }], {}, [null]]) {
    const config = bytes(JSON.stringify({ chat_template: template }));
    const error = refusal(() => findChatTemplate({ "tokenizer_config.json": config }));
    assert.equal(error.code, "BAD_TEMPLATE");
    assert.equal(error.file, "tokenizer_config.json");
    assert.match(error.message, /chat_template/);
  }
  assert.equal(
    refusal(() => findChatTemplate({ "chat_template.jinja": Uint8Array.of(0xff) })).code,
    "BAD_TEMPLATE",
  );
});

Deno.test("findSpecialTokens() reads both spellings and leaves flags alone", () => {
  const config = {
    bos_token: "<s>",
    eos_token: { content: "</s>" },
    add_bos_token: true,
    pad_token: null,
    name: "x",
  };
  assert.deepEqual(findSpecialTokens(bytes(JSON.stringify(config))), { bos_token: "<s>", eos_token: "</s>" });
});

Deno.test("the caller's variables reach the template and win over special tokens; four names are not theirs", () => {
  const variables = { level: 3, share: 0.5, deep: { on: true }, bos_token: "<begin>" };
  assert.equal(
    render("{{ level }} {{ share }} {{ deep }} {{ bos_token }}", HELLO, { variables }),
    "3 0.5 {'on': True} <begin>",
  );
  for (const name of ["messages", "tools", "add_generation_prompt", "documents"]) {
    const error = refusal(() => render("", HELLO, { variables: { [name]: [] } }));
    assert.equal(error.code, "BAD_ARGUMENT");
    assert.match(error.message, new RegExp(name));
  }
  const error = refusal(() => render("", HELLO, { variables: { when: () => 1 } }));
  assert.equal(error.code, "BAD_ARGUMENT");
  assert.match(error.message, /when.*a function/);
});

Deno.test("what the interpreter does not have is refused by name", () => {
  const missing: Record<string, RegExp> = {
    "{{ 'a' | pprint }}": /the filter pprint/,
    "{{ 'a'.encode() }}": /the method encode of str/,
    "{% include 'x' %}": /the statement include/,
    "{{ self }}": /the name self/,
    "{{ strftime_now }}": /the text form of a function/,
    "{{ 'x' | nope }}": /No filter named 'nope'/,
    "{{ nope.x }}": /'nope' is undefined/,
  };
  for (const [source, words] of Object.entries(missing)) {
    const error = refusal(() => render(source));
    assert.equal(error.code, "BAD_TEMPLATE", source);
    assert.match(error.message, words);
  }
});

Deno.test("contents are converted where a template cannot take them as given, message by message", () => {
  const parts = (...texts: string[]) => texts.map((text) => ({ type: "text", text }) as const);
  const list: Message[] = [{ role: "user", content: parts("a", "b") }];
  assert.equal(render("{{ messages[0].content }}", list), "a\nb");
  assert.equal(render("{{ messages[0].content | tojson }}", list), '"a\\nb"');
  assert.equal(render("{{ messages[0].content | map(attribute='text') | join('+') }}", list), "a+b");
  // What a template drops in every form stays as it is.
  const source = "{% for m in messages if m.role == 'user' %}{{ m.content + ';' }}{% endfor %}";
  assert.equal(render(source, [{ role: "system", content: parts("s") }, ...list, ...HELLO]), "a\nb;hello;");
  // A template that looks at the end of a text.
  const end = "{{ messages[0].content if messages[0].content.endswith('o') else raise_exception('no') }}";
  assert.equal(render(end), "hello");
  const picture: Message[] = [{ role: "user", content: [{ type: "image" }, ...parts("a")] }];
  assert.match(refusal(() => render("{{ messages[0].content }}", picture)).message, /message 0.*no pictures/);
});

/** What Jinja2 3.1.6 wrote, with the settings of transformers. */
const JINJA: [string, string][] = [
  ["{{ '1' + 2 ~ 3 }}|{{ 2 ** 3 ** 2 }}|{{ -2 ** 2 }}|{{ 1 if 0 else 3 if 0 else 5 }}", "123|64|4|5"],
  ["{{ {1: 'a', 1.0: 'b', true: 'c'} }}|{{ (1,) }}|{{ 1e16 }}|{{ -0.0 }}", "{1: 'c'}|(1,)|1e+16|-0.0"],
  ["{% for x in [1] %}{% continue %}{% else %}E{% endfor %}", "E"],
  ["{% macro f() %}{{ x }}{% endmacro %}{{ f() }}{% set x = 1 %}{{ f() }}", "1"],
  ["{% set x = 5 %}{% for i in [1, 2] %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "51525"],
  [
    "{% for x in [1, 2, 3] if x > 1 %}{{ loop.index }}/{{ loop.length }}{{ loop.last }} {% endfor %}",
    "1/2False 2/2True ",
  ],
  ["{{ d.items is callable }}{{ d['items'] }}{{ d.pop }}", "True5"],
  [
    "{{ '%5.1f|%-4d|%+d|%x' % (2.25, 3, 4, 255) }}|{{ '{:>5}|{:,.2f}'.format('a', 1234.5) }}",
    "  2.2|3   |+4|ff|    a|1,234.50",
  ],
  ["{{ 'ab' | center(5) }}|{{ 'ab'.center(5, '*') }}|{{ '-7'.zfill(4) }}", "  ab |**ab*|-007"],
  ["{{ '<b>' | e ~ '<i>' }}|{{ ('<b>' | e) + '<i>' }}", "&lt;b&gt;<i>|&lt;b&gt;&lt;i&gt;"],
  [
    "{% macro f(a, b=a) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, x=4) }}",
    "12(3,){'x': 4}",
  ],
  ["  {%- set x = 1 %}  \n  {{ x }}\n", "  \n  1"],
  ["a\n  {{ 1 }}\n  {#- x #}\n b\n  {% raw %}\n{{ g }}\n  {% endraw %}\nc", "a\n  1 b\n\n{{ g }}\nc"],
  ["{{ 'x' if false }}|{{ missing ~ 'y' }}|{{ [missing] }}|{{ missing | default(3) }}", "|y|[Undefined]|3"],
  [
    "{{ 'Σας ΟΔΟΣ'.swapcase() }}|{{ 'ǆ ß'.title() }}|{{ '½'.isnumeric() }}{{ '²'.isdigit() }}",
    "σΑΣ οδος|ǅ Ss|TrueTrue",
  ],
];
for (const [source, text] of JINJA) {
  Deno.test(`as Jinja2: ${source}`, () => {
    assert.equal(render(source, HELLO, { variables: { d: { items: 5 } } }), text);
  });
}
