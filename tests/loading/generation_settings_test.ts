/**
 * Settings of generation_config.json that nobody follows here. Which change what transformers generates, and at which values, is
 * what its GenerationConfig documents.
 */
import assert from "node:assert/strict";
import { loadModel, memoryModelSource } from "../../mod.ts";
import { goldenPath } from "../shared.ts";

const GOLDEN = goldenPath("arch-llama");

async function noticesOf(generation: Record<string, unknown>): Promise<string[]> {
  const files = new Map<string, Uint8Array>();
  for (const { name } of Deno.readDirSync(GOLDEN)) files.set(name, Deno.readFileSync(`${GOLDEN}/${name}`));
  files.set("generation_config.json", new TextEncoder().encode(JSON.stringify(generation)));
  const notices: string[] = [];
  const onNotice = (text: string) => notices.push(text);
  await using _model = await loadModel(memoryModelSource(files), { threads: 1, onNotice });
  return notices;
}

Deno.test("settings that change what is generated and are not followed are told by name", async () => {
  const changing = {
    suppress_tokens: [1, 2],
    bad_words_ids: [[5]],
    no_repeat_ngram_size: 3,
    num_beams: 4,
    stop_strings: ["###"],
    min_new_tokens: 5,
  };
  const notices = await noticesOf({ do_sample: true, ...changing });
  assert.equal(notices.length, 1);
  for (const name of Object.keys(changing)) assert.ok(notices[0].includes(name), notices[0]);
  assert.ok(!notices[0].includes("do_sample"));
});

Deno.test("the same settings at values that change nothing are no news", async () => {
  const neutral = {
    _from_model_config: true,
    bad_words_ids: null,
    begin_suppress_tokens: [],
    encoder_repetition_penalty: 1.0,
    guidance_scale: 1.0,
    max_length: 4096,
    max_new_tokens: 512,
    min_length: 0,
    no_repeat_ngram_size: 0,
    num_beams: 1,
    pad_token_id: 0,
    suppress_tokens: null,
    temperature: 0.6,
    transformers_version: "5.24.0",
    use_cache: true,
  };
  assert.deepEqual(await noticesOf(neutral), []);
});
