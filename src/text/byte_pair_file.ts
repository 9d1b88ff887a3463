/**
 * The tokens and merges of a byte-pair model, straight from the bytes of tokenizer.json.
 *
 * They are nearly all of that file. Parsed as objects they would take ten times its size until garbage is collected, and leave
 * behind a heap several times as large as what lives there.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import { JsonReader, LIST, OBJECT } from "../core/json_reader.ts";
import { VOCABULARY_SIZE_MAX } from "../core/limits.ts";
import { Utf8Buffer } from "../core/utf8.ts";
import { MERGES_MAX } from "./byte_pair_encoder.ts";
import { Vocabulary } from "./vocabulary.ts";

const SPACE = 0x20;
/** Bytes of a pair of tokens for which there is room at first. */
const PAIR_BYTES = 256;

/** An object of tokens with their ids. */
export function readVocabulary(bytes: Uint8Array | undefined, file: string): Vocabulary {
  const expected = "an object named model.vocab", token = new Utf8Buffer(PAIR_BYTES);
  const reader = readerOf(bytes, expected, file);
  const vocabulary = new Vocabulary(reader.countElements());
  for (let more = reader.opens(OBJECT, expected); more; more = reader.goesOn(OBJECT)) {
    token.length = 0;
    reader.key(token);
    const id = reader.value();
    if (!isId(id)) asId(id, token.toString(), file);
    else if (!vocabulary.setBytes(token, id)) throw reader.refuseTwice(token.toString());
  }
  if (vocabulary.size === 0) throw damaged("tokens in model.vocab", "none", file);
  return vocabulary;
}

/** [3 · merges] left, right and merged id, without merges into special tokens. */
export function readMerges(
  bytes: Uint8Array | undefined,
  vocabulary: Vocabulary,
  isSpecial: (id: number) => boolean,
  file: string,
): Int32Array {
  const expected = "a list named model.merges", pair = new Utf8Buffer(PAIR_BYTES);
  const reader = readerOf(bytes, expected, file), count = reader.countElements();
  if (count > MERGES_MAX) throw damaged(`at most ${MERGES_MAX} merges`, `${count}`, file);
  const idIn = (begin: number, end: number) => {
    const id = vocabulary.idOfBytes(pair.bytes, begin, end);
    if (id !== undefined) return id;
    throw damaged("merges of tokens in the vocabulary", `"${pair.toString(begin, end)}"`, file);
  };
  const table = new Int32Array(3 * count);
  let end = 0;
  for (let more = reader.opens(LIST, expected); more; more = reader.goesOn(LIST)) {
    const middle = readPair(reader, pair, file);
    const merged = idIn(0, pair.length), left = idIn(0, middle), right = idIn(middle, pair.length);
    if (isSpecial(merged)) continue;
    table[end++] = left;
    table[end++] = right;
    table[end++] = merged;
  }
  return end === table.length ? table : table.slice(0, end);
}

/** Reads two tokens, one after the other; returns where the second begins. */
function readPair(reader: JsonReader, pair: Utf8Buffer, file: string): number {
  pair.length = 0;
  if (reader.isAtString) {
    // Older files write the pair as one string; a space inside of a token cannot occur there.
    reader.string(pair);
    const space = pair.bytes.indexOf(SPACE), { length } = pair;
    const isPair = space >= 0 && space < length && !pair.bytes.subarray(space + 1, length).includes(SPACE);
    if (!isPair) throw damaged("pairs in model.merges", pair.toString(), file);
    pair.bytes.copyWithin(space, space + 1, length);
    pair.length--;
    return space;
  }
  if (!reader.isAtList) throw damaged("pairs in model.merges", String(reader.value()), file);
  let middle = 0, count = 0;
  for (let more = reader.opens(LIST); more; more = reader.goesOn(LIST)) {
    if (++count === 2) middle = pair.length;
    reader.string(pair);
  }
  if (count !== 2) throw damaged("pairs in model.merges", `${count} tokens`, file);
  return middle;
}

function readerOf(bytes: Uint8Array | undefined, expected: string, file: string): JsonReader {
  if (bytes === undefined) throw damaged(expected, "none", file);
  return new JsonReader(bytes, file, "BAD_TOKENIZER");
}

/** An id, as far as there can be so many. */
export function asId(id: unknown, token: string, file: string): number {
  if (isId(id)) return id;
  throw damaged(`token ids from 0 to ${VOCABULARY_SIZE_MAX - 1}`, `${String(id)} for "${token}"`, file);
}

function isId(id: unknown): id is number {
  return typeof id === "number" && Number.isInteger(id) && id >= 0 && id < VOCABULARY_SIZE_MAX;
}

/** The refusal of a file that is not what it should be. */
export function damaged(expected: string, found: string, file: string): RemoraError {
  return new RemoraError("BAD_TOKENIZER", "Cannot read the tokenizer from", { file, expected, found });
}
