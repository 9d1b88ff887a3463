/**
 * Fields of messages besides role and content, as transformers hands them to templates (5.24, chat_template_utils.py).
 *
 * @module
 */

/** Names under which APIs pass what a model thought before it answered; the first is what templates read. */
const REASONING = ["reasoning_content", "thinking", "reasoning"];

/**
 * A message's fields without those that hold nothing, as APIs write what is absent, and with the reasoning under each name that
 * templates read, whichever of them the caller has used.
 */
export function templateFields(message: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const isThere = (value: unknown) => value !== undefined && value !== null;
  const fields = Object.fromEntries(Object.entries(message).filter(([, value]) => isThere(value)));
  const name = REASONING.find((key) => Object.hasOwn(fields, key));
  if (name === undefined) return fields;
  const reasoning = fields[name];
  // Templates may write the whole message, so the order counts too.
  return { thinking: reasoning, ...fields, reasoning_content: reasoning };
}
