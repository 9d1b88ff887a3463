/**
 * Models and tokenizers in other forms than those that are read: what they are, where a file of ours is missing.
 *
 * @module
 */

const SAVE_TOKENIZER = "save_pretrained of transformers' tokenizer writes it";

/** By the file that tells the form, in the order in which they are looked for. */
const INSTEAD_OF_CONFIG: readonly (readonly [file: string, form: string])[] = [
  ["adapter_config.json", "a LoRA adapter alone: merge it into its base model (merge_and_unload of peft)"],
  ["params.json", "a model in its maker's own form: take the files for transformers"],
];
const INSTEAD_OF_TOKENIZER: readonly (readonly [file: string, form: string])[] = [
  ["tekken.json", `a tokenizer in its maker's own form: ${SAVE_TOKENIZER}`],
  ["tokenizer.model", `SentencePiece's model alone: ${SAVE_TOKENIZER}`],
  ["vocab.json", `a vocabulary alone: ${SAVE_TOKENIZER}`],
];

function formIn(files: Iterable<string>, forms: typeof INSTEAD_OF_CONFIG): string | undefined {
  const names = new Set(files);
  const form = forms.find(([file]) => names.has(file));
  return form && `${form[0]}, ${form[1]}`;
}

/** What is there in place of config.json, if it is known. */
export function insteadOfConfig(files: Iterable<string>): string | undefined {
  return formIn(files, INSTEAD_OF_CONFIG);
}

/** What is there in place of tokenizer.json, if it is known. */
export function insteadOfTokenizer(files: Iterable<string>): string | undefined {
  return formIn(files, INSTEAD_OF_TOKENIZER);
}

/** What changes the model elsewhere and is not used here. */
export function noticeOfAdapter(files: ReadonlyMap<string, number>): string | undefined {
  return files.has("adapter_config.json")
    ? "adapter_config.json beside the model is not used: a LoRA adapter has to be merged into it"
    : undefined;
}
