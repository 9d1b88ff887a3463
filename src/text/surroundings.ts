/**
 * What a tokenizer puts round every text, e.g. `<s>`: the `post_processor` entry of tokenizer.json.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { asId, damaged } from "./byte_pair_file.ts";

/** Ids in front of a text and behind it. */
export interface Surroundings {
  prefix: number[];
  suffix: number[];
}

type Json = Record<string, unknown>;

const KNOWN = ["TemplateProcessing", "RobertaProcessing", "BertProcessing", "ByteLevel", "Sequence"];

/**
 * The ids round one text. They are taken as ids: what the entry calls them beside need not be what the vocabulary does.
 *
 * @param config The entry; null for none.
 * @param vocabularySize One more than the highest id.
 * @throws {RemoraError} `BAD_TOKENIZER` naming the file when it is damaged, `UNSUPPORTED` for what is not known here.
 */
export function readSurroundings(config: unknown, vocabularySize: number, file: string): Surroundings {
  const step = (config ?? { type: "ByteLevel" }) as Json;
  const idOf = (value: unknown) => {
    const id = asId(value, "a token of post_processor", file);
    if (id < vocabularySize) return id;
    throw damaged("post_processor with ids of the vocabulary", `${id}`, file);
  };
  switch (step.type) {
    case "TemplateProcessing":
      return readTemplate(step, idOf, file);
    case "RobertaProcessing":
    case "BertProcessing": {
      const [before, after] = [step.cls, step.sep].map((pair) => idOf((pair as unknown[] | undefined)?.[1]));
      return { prefix: [before], suffix: [after] };
    }
    // Changes offsets into the text, not ids.
    case "ByteLevel":
      return { prefix: [], suffix: [] };
    case "Sequence": {
      const steps = Array.isArray(step.processors) ? step.processors : [];
      const all = steps.map((part) => readSurroundings(part, vocabularySize, file))
        .filter(({ prefix, suffix }) => prefix.length + suffix.length > 0);
      if (all.length > 1) throw unsupported(`${all.length} that add tokens`, file);
      return all[0] ?? { prefix: [], suffix: [] };
    }
  }
  throw unsupported(`post-processor ${String(step.type)}`, file);
}

/** A list of special tokens with one text, `$A`, among them. */
function readTemplate(step: Json, idOf: (value: unknown) => number, file: string): Surroundings {
  const pieces = Array.isArray(step.single) ? step.single as Record<string, Json | undefined>[] : [];
  const isText = (piece: Record<string, Json | undefined>) => piece?.Sequence?.id === "A";
  const at = pieces.findIndex(isText);
  if (at < 0 || at !== pieces.findLastIndex(isText)) {
    const found = `${pieces.filter(isText).length}`;
    throw damaged("post_processor with one text in its template", found, file);
  }
  const tokens = (step.special_tokens ?? {}) as Record<string, Json | undefined>;
  const idsOf = ({ SpecialToken: token }: Record<string, Json | undefined>) => {
    const name = String(token?.id);
    const ids = Object.hasOwn(tokens, name) ? tokens[name]?.ids : undefined;
    if (Array.isArray(ids)) return ids.map(idOf);
    throw damaged("post_processor with ids for its special tokens", `none for "${name}"`, file);
  };
  return { prefix: pieces.slice(0, at).flatMap(idsOf), suffix: pieces.slice(at + 1).flatMap(idsOf) };
}

function unsupported(found: string, file: string): RemoraError {
  return new RemoraError("UNSUPPORTED", "Cannot use the tokenizer of", {
    file,
    expected: `post-processors ${KNOWN.join(", ")}, one of them with tokens`,
    found,
  });
}
