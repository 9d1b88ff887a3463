/**
 * Chat templates with the structure of published ones. Truth: prompts that transformers 5.24 with Jinja2 3.1.6 wrote for the same
 * messages (../shared/cases/text/README.md); tests/cases/templates.json is a copy.
 */
import assert from "node:assert/strict";
import { RemoraError } from "../../src/core/errors.ts";
import { ChatTemplate } from "../../src/text/chat_template.ts";
import { findChatTemplate, findSpecialTokens } from "../../src/text/chat_template_source.ts";
import type { Message } from "../../src/text/messages.ts";
import { caseList } from "../shared.ts";

interface Case {
  id: string;
  kind: string;
  note: string;
  template?: string;
  files?: Record<string, string>;
  specialTokens?: Record<string, string>;
  messages: Message[];
  tools?: unknown[];
  addGenerationPrompt: boolean;
  variables?: Record<string, unknown>;
  now?: string;
  expected: string | { error: true; words?: string };
}

/** The README's clock, for cases that do not name another. */
const NOW = "2025-07-05T09:08:07";

function templateOf({ template, files, specialTokens = {} }: Case): ChatTemplate {
  if (template !== undefined) return new ChatTemplate(template, specialTokens, "chat_template.jinja");
  const contents = Object.fromEntries(
    Object.entries(files!).map(([name, text]) => [name, new TextEncoder().encode(text)]),
  );
  const { source, label } = findChatTemplate(contents)!;
  const specials = findSpecialTokens(contents["tokenizer_config.json"], contents["special_tokens_map.json"]);
  return new ChatTemplate(source, specials, label);
}

function render(test: Case): string {
  const { messages, tools, addGenerationPrompt, variables, now = NOW } = test;
  return templateOf(test).render(messages, { tools, addGenerationPrompt, variables, now: new Date(now) });
}

for (const test of caseList("templates", "cases", "text", "templates.json") as Case[]) {
  Deno.test(`${test.id}: ${test.note}`, () => {
    const { expected } = test;
    if (typeof expected === "string") return assert.equal(render(test), expected);
    assert.throws(() => render(test), (error) => {
      assert.ok(error instanceof RemoraError, String(error));
      assert.ok(expected.words === undefined || error.message.includes(expected.words), error.message);
      return true;
    });
  });
}
