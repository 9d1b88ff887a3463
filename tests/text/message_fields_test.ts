/** What a template sees of a message, against transformers 5.24: the text form of the whole message that jinja2 writes there. */
import assert from "node:assert/strict";
import { ChatTemplate } from "../../src/text/chat_template.ts";
import type { Message } from "../../src/text/messages.ts";

/** A message, and `{{ message }}` as `render_jinja_template` renders it. */
const CASES: [Record<string, unknown>, string][] = [
  [
    { "role": "assistant", "content": "a", "reasoning_content": "r" },
    "{'thinking': 'r', 'role': 'assistant', 'content': 'a', 'reasoning_content': 'r'}",
  ],
  [
    { "role": "assistant", "content": "a", "reasoning": "r" },
    "{'thinking': 'r', 'role': 'assistant', 'content': 'a', 'reasoning': 'r', 'reasoning_content': 'r'}",
  ],
  [
    { "role": "assistant", "content": "a", "thinking": "t", "reasoning": "r" },
    "{'thinking': 't', 'role': 'assistant', 'content': 'a', 'reasoning': 'r', 'reasoning_content': 't'}",
  ],
  [
    { "role": "assistant", "content": "a", "thinking": "t", "reasoning_content": "c" },
    "{'thinking': 't', 'role': 'assistant', 'content': 'a', 'reasoning_content': 'c'}",
  ],
  [
    { "role": "assistant", "content": "a", "reasoning_content": null, "reasoning": "r" },
    "{'thinking': 'r', 'role': 'assistant', 'content': 'a', 'reasoning': 'r', 'reasoning_content': 'r'}",
  ],
  [
    { "role": "assistant", "content": "a", "reasoning": "" },
    "{'thinking': '', 'role': 'assistant', 'content': 'a', 'reasoning': '', 'reasoning_content': ''}",
  ],
  [{
    "role": "assistant",
    "content": null,
    "tool_calls": [{ "function": { "name": "f", "arguments": null } }],
    "name": null,
  }, "{'role': 'assistant', 'tool_calls': [{'function': {'name': 'f', 'arguments': None}}]}"],
  [
    { "role": "user", "content": "a", "reasoning": "r" },
    "{'thinking': 'r', 'role': 'user', 'content': 'a', 'reasoning': 'r', 'reasoning_content': 'r'}",
  ],
];

for (const [message, text] of CASES) {
  Deno.test(`a template sees the fields of ${JSON.stringify(message)}`, () => {
    const template = new ChatTemplate(
      "{% for m in messages %}{{ m }}{% endfor %}",
      {},
      "chat_template.jinja",
    );
    assert.equal(template.render([message as Message]), text);
  });
}

Deno.test("fields that hold nothing are absent", () => {
  const template = new ChatTemplate(
    "{{ messages[0].content is defined }} {{ messages[0].name is defined }}",
    {},
    "chat_template.jinja",
  );
  const message = { role: "assistant", content: null, tool_calls: [{}], name: undefined };
  assert.equal(template.render([message as unknown as Message]), "False False");
});
