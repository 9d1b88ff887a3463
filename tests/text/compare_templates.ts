/**
 * Chat templates rendered by us and by Python's jinja2: a command, not a test, since it needs Python with transformers.
 *
 *   PYTHON=venv/bin/python deno task templates FOLDER [--verbose]
 *
 * FOLDER holds templates (*.jinja), or a templates.json like that of tests/cases. Each is rendered with every set of messages below.
 * Prints how many renderings are the same, refused by both, refused by us alone, and different.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { Template } from "../../src/text/jinja/template.ts";
import { strftime } from "../../src/text/strftime.ts";

const NOW = new Date(2025, 6, 5, 9, 8, 7);
const WEATHER = {
  type: "function",
  function: {
    name: "weather",
    description: "Weather of a town",
    parameters: {
      type: "object",
      properties: { town: { type: "string", description: "Its name" }, days: { type: "integer" } },
      required: ["town"],
    },
  },
};
const CALL = {
  id: "call00001",
  type: "function",
  function: { name: "weather", arguments: { town: "Łódź", days: 2, exact: true, none: null } },
};
const user = (content: unknown) => ({ role: "user", content });
const assistant = (content: unknown, more: object = {}) => ({ role: "assistant", content, ...more });

/** Variables that a template may be given. */
const SETS: Record<string, Record<string, unknown>> = {
  question: { messages: [user('Hi <there> & "you"')] },
  turns: {
    messages: [user("a"), assistant("<think>\nx\n</think>\n\nb"), user("c"), assistant("d"), user("  e ")],
  },
  system: { messages: [{ role: "system", content: "Be brief." }, user("Hi")] },
  unasked: { messages: [user("Hi"), assistant("Yes?")], add_generation_prompt: false },
  tools: { messages: [user("Rain?")], tools: [WEATHER, WEATHER] },
  toolSystem: { messages: [{ role: "system", content: "S" }, user("Rain?")], tools: [WEATHER] },
  called: {
    messages: [
      user("Rain?"),
      assistant("", { tool_calls: [CALL] }),
      { role: "tool", tool_call_id: "call00001", name: "weather", content: '{"rain": 0.5}' },
      assistant("Some."),
      user("And now?"),
    ],
    tools: [WEATHER],
  },
  parts: {
    messages: [
      user([{ type: "text", text: "Look:" }, { type: "image" }]),
      assistant([{ type: "text", text: "ok" }]),
      user([{ type: "text", text: "?" }]),
    ],
  },
  reasoning: {
    messages: [user("q"), assistant("a", { reasoning_content: "because" }), user("r")],
    enable_thinking: true,
  },
  thoughtless: { messages: [user("q")], enable_thinking: false },
  nothing: { messages: [] },
  twoUsers: { messages: [user("a"), user("b")] },
};
const SPECIALS = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>", pad_token: "<pad>" };

function variablesOf(set: Record<string, unknown>): Record<string, unknown> {
  return { tools: null, documents: null, add_generation_prompt: true, ...SPECIALS, ...set };
}

function templatesIn(folder: string): Record<string, string> {
  const templates: Record<string, string> = {};
  for (const { name } of Deno.readDirSync(folder)) {
    const text = () => Deno.readTextFileSync(`${folder}/${name}`);
    if (name.endsWith(".jinja")) templates[name] = text();
    if (name !== "templates.json") continue;
    for (const { id, template } of JSON.parse(text())) if (template !== undefined) templates[id] = template;
  }
  return templates;
}

async function renderedByPython(
  templates: Record<string, string>,
): Promise<Record<string, Record<string, string | null>>> {
  const sets = Object.fromEntries(Object.entries(SETS).map(([name, set]) => [name, variablesOf(set)]));
  const child = new Deno.Command(Deno.env.get("PYTHON") ?? "python3", {
    args: [fileURLToPath(new URL("compare_templates.py", import.meta.url))],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify({ templates, sets })));
  await writer.close();
  return JSON.parse(new TextDecoder().decode((await child.output()).stdout));
}

function renderedByUs(source: string, set: Record<string, unknown>): string | null {
  try {
    return new Template(source).render(variablesOf(set), 1 << 20, (format) => strftime(NOW, format));
  } catch (error) {
    if (Deno.args.includes("--verbose")) lastRefusal = `${error}`.slice(0, 160);
    return null;
  }
}

let lastRefusal = "";

if (import.meta.main) {
  const [folder] = Deno.args;
  const templates = templatesIn(folder);
  const expected = await renderedByPython(templates);
  const counts = { same: 0, "both refuse": 0, refused: 0, "only we render": 0, different: 0 };
  for (const [name, source] of Object.entries(templates)) {
    for (const [label, set] of Object.entries(SETS)) {
      const theirs = expected[name][label], ours = renderedByUs(source, set);
      const kind = ours === theirs
        ? ours === null ? "both refuse" : "same"
        : ours === null
        ? "refused"
        : theirs === null
        ? "only we render"
        : "different";
      counts[kind]++;
      if (kind !== "same" && kind !== "both refuse") {
        console.error(`${kind}: ${name}, ${label} ${kind === "refused" ? lastRefusal : ""}`);
      }
    }
  }
  console.log(`${Object.keys(templates).length} templates × ${Object.keys(SETS).length} sets:`, counts);
}
