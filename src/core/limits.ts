/**
 * The largest values we believe from the outside. A file that asks for more is refused before anything of
 * that size is allocated. Every limit is far above what exists and far below what harms.
 *
 * @module
 */

/** Bytes of a safetensors header; the limit of the format's own reader. */
export const SAFETENSORS_HEADER_BYTES_MAX = 100_000_000;

/** Bytes of a shard index. It names the same tensors as the headers do, so it gets the same limit. */
export const INDEX_BYTES_MAX = 100_000_000;

/** Bytes of config.json and its relatives; real ones have kilobytes, per-module quantisation rules included. */
export const CONFIG_BYTES_MAX = 4 * 1024 * 1024;

/** Levels of nesting in any JSON file; real ones have fewer than ten, and recursive readers stay far from overflow. */
export const JSON_DEPTH_MAX = 128;

/** Tensors of one checkpoint; a trillion-parameter mixture of experts has about 210,000. */
export const TENSOR_COUNT_MAX = 1_000_000;

/** Dimensions of one tensor; what numpy can hold. */
export const TENSOR_RANK_MAX = 64;

/** Bytes of a GGUF header; the tokenizer is in it, so it gets that one's limit. */
export const GGUF_HEADER_BYTES_MAX = 128 * 1024 * 1024;

/** Items of metadata of a GGUF file; real ones have a few dozen. */
export const GGUF_METADATA_COUNT_MAX = 65_536;

/** Elements of an array in a GGUF header; the longest are the merges of a tokenizer, below a million. */
export const GGUF_ARRAY_MAX = 1 << 22;

/** Dimensions of a tensor in a GGUF file; what its own reader takes. */
export const GGUF_RANK_MAX = 4;

/** Alignment of data in a GGUF file; real ones have 32. */
export const GGUF_ALIGNMENT_MAX = 1 << 20;

/** Files of one checkpoint; the largest published ones have a few hundred. */
export const SHARD_COUNT_MAX = 10_000;

/** Files or requests in flight at once: hides latency of a web server without being rude to it. */
export const CONCURRENT_READS_MAX = 8;

/** Bytes copied at a time where a source cannot read straight into place. */
export const COPY_WINDOW_BYTES = 4 * 1024 * 1024;

/**
 * Times a layer's inputs that its groups may take, all as long as the longest one: they lie so in memory. Tools write groups of one
 * length but for the last, which is at most twice.
 */
export const GROUPS_SHARE_MAX = 4;

/** Input channels that share a scale; no layer is that wide, so a larger number is damage. */
export const GROUP_SIZE_MAX = 1 << 20;

/** Characters of one module pattern in a quantisation config; real ones have a few dozen. */
export const PATTERN_CHARACTERS_MAX = 1_000;

/**
 * Matcher steps of all module patterns of one config together. Bounds the time to look up one module: each
 * character of its name visits each step at most once. Room for an own pattern per module of an 80-layer model.
 */
export const PATTERN_STEPS_MAX = 32_768;

/** Width of the residual stream; the largest dense models have below 20,000. */
export const HIDDEN_SIZE_MAX = 1 << 17;

/** Width inside an MLP; usually 3 to 8 times the hidden size. */
export const INTERMEDIATE_SIZE_MAX = 1 << 20;

/** Layers of a model; the deepest published ones have below 200. */
export const LAYER_COUNT_MAX = 1_024;

/** Attention heads of a layer, of any kind. */
export const HEAD_COUNT_MAX = 1_024;

/** Channels of one attention head; the widest published ones have 512. */
export const HEAD_SIZE_MAX = 1_024;

/** Pixels of a side of a tile that a vision tower may demand; published ones have 560. */
export const VISION_IMAGE_SIZE_MAX = 4_096;

/** Tiles that a picture may be cut into; published models have 4. */
export const VISION_TILES_MAX = 64;

/**
 * Bytes kept of pictures that no sequence uses any more (keys and values, or embeddings); the last such picture is kept
 * whatever its size. A picture of the 11B model takes up to 420 MB and minutes to encode.
 */
export const PICTURE_CACHE_BYTES_MAX = 256 * 1024 * 1024;

/** Pictures in one sequence: far above any conversation, and a bound on what one call can be told to look at. */
export const PICTURE_COUNT_MAX = 64;

/** Rows of an embedding table; the largest published ones have about 260,000. */
export const VOCABULARY_SIZE_MAX = 1 << 21;

/** Positions a config may promise; the longest published promise is 10 million. */
export const CONTEXT_SIZE_MAX = 1 << 24;

/** Bytes of tokenizer.json; the largest published ones have about 35 million. */
export const TOKENIZER_BYTES_MAX = 128 * 1024 * 1024;

/** Bytes of a file that holds a chat template; tokenizer_config.json also lists hundreds of added tokens. */
export const CHAT_TEMPLATE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Tokens of context at most when the caller names none: models promise up to ten million, and a prompt that long takes
 * too much time.
 */
export const CONTEXT_DEFAULT_MAX = 1 << 17;

/** Tokens of context at least when the caller names none: with fewer a model is of no use, and is refused. */
export const CONTEXT_DEFAULT_MIN = 512;

/** Tokens guessed in one step: in longer steps a row costs no less, and each row takes a row of logits. */
export const DRAFT_TOKENS_MAX = 64;

/** Bytes of a picture file; the largest photographs from cameras have about 100 million. */
export const IMAGE_BYTES_MAX = 128 * 1024 * 1024;

/** Pixels on one side of a picture; what a JPEG header can say. */
export const IMAGE_SIDE_MAX = 65_535;

/**
 * Pixels of a picture: 64 million, a square of 8,192. Decoding takes up to 14 bytes for each (a progressive JPEG),
 * which must fit a decoder's memory of 2 GiB; the limit of PIL, 89 million, comes too close.
 */
export const IMAGE_PIXELS_MAX = 1 << 26;

/** Pixels of a CMYK picture: 16 million. Its decoder takes about 60 bytes for each, in plain JavaScript. */
export const CMYK_PIXELS_MAX = 1 << 24;

/**
 * Scans of a JPEG. Encoders write about ten; each costs a walk over the whole picture, however few bytes it has, so
 * a small file with thousands would keep a decoder busy for minutes.
 */
export const JPEG_SCANS_MAX = 100;

/** Bytes of a text in a PNG file, unpacked; Pillow's limit. XMP packets have kilobytes. */
export const PNG_TEXT_BYTES_MAX = 1 << 20;

/** Characters of one regular expression of a tokenizer; the longest known has about a thousand. Bounds the time to translate it. */
export const TOKENIZER_REGEX_CHARACTERS_MAX = 5_000;

/**
 * Characters of a regular expression that an answer must match; real ones have a few hundred. Half as many optional characters in a
 * row are still far from an overflow of recursive readers.
 */
export const GRAMMAR_REGEX_CHARACTERS_MAX = 5_000;

/** Characters of an EBNF, whose shortest optional text has four. */
export const GRAMMAR_EBNF_CHARACTERS_MAX = 10_000;

/** Repetitions that a grammar may count: of characters, items or groups. */
export const GRAMMAR_REPEATS_MAX = 1 << 20;

/** States of one grammar that are remembered; each takes 2 KiB. They are forgotten together and made again as they are needed. */
export const GRAMMAR_STATES_MAX = 8_192;

/** States that conditions on one text (a pattern and a length, say) may take together; each is looked at when a grammar is made. */
export const GRAMMAR_PRODUCT_STATES_MAX = 20_000;

/** Derivatives that looking at these states may take, and all of one schema together: half a second. */
export const GRAMMAR_PRODUCT_STEPS_MAX = 2_000_000;

/** Bytes of the masks of one grammar that are remembered: 1,300 masks of 49,152 words. */
export const GRAMMAR_MASK_BYTES_MAX = 8 * 1024 * 1024;

/** Grammars that a model remembers. */
export const GRAMMAR_COUNT_MAX = 16;

/** Cases that the `anyOf`, `oneOf`, `not` and `if` of one value may make together. */
export const GRAMMAR_SHAPES_MAX = 1_024;

/** Places in one schema: sets of conditions that a value may have to fulfil, each a rule of the grammar. */
export const GRAMMAR_RULES_MAX = 20_000;

/** Named properties of one object: each optional one may be followed by any later one, which for so many takes 0.3 s. */
export const GRAMMAR_PROPERTIES_MAX = 1_500;

/**
 * Values of all `enum` of one schema, and texts of a choice: five times what OpenAI's API takes. Comparing each with each takes
 * below 0.1 s.
 */
export const GRAMMAR_CONSTANTS_MAX = 5_000;

/**
 * Characters of names, constants and patterns of one schema, and of the texts of a choice; what OpenAI's API takes. Each becomes a
 * term, and nothing else is answered meanwhile: a tenth of a second or two.
 */
export const GRAMMAR_CHARACTERS_MAX = 120_000;

/**
 * Characters of one text that is made tokens: nothing else is done meanwhile, for 0.15 s with so many of English and 0.5 s of
 * Chinese. They are 131,072 tokens of English; longer prompts can be given as ids.
 */
export const TEXT_CHARACTERS_MAX = 640_000;

/** Characters of what a tokenizer's normalizer puts in place of others; real ones have one or two. */
export const REPLACEMENT_CHARACTERS_MAX = 64;

/** Characters that a normalizer may make of a text: six times the longest one; each takes two bytes and more meanwhile. */
export const NORMALIZED_CHARACTERS_MAX = 4_000_000;

/**
 * Bytes of the description in a snapshot or a conversation: the ids of a million tokens, and the messages. Parsed, it takes up to
 * ten times as much.
 */
export const DESCRIPTION_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Bytes of one answer of a hub's interface; the listing of a page of 1,000 files has about 500,000. The engine makes up to forty times
 * as many of them (an array of empty objects).
 */
export const HUB_ANSWER_BYTES_MAX = 8 * 1024 * 1024;

/** Files of a repository, of which a model takes a few; the largest published ones have some thousand. */
export const HUB_FILES_MAX = 100_000;

/** Bytes of a name between slashes in a repository: what most file systems allow. */
export const HUB_NAME_BYTES_MAX = 255;

/** Pages of a listing: as many as these files fill, and a bound on a server that always has another. */
export const HUB_PAGES_MAX = 1_000;

/** Bytes of one file of a hub: far above the largest that are published (50 GB), and exact as a number. */
export const HUB_FILE_BYTES_MAX = 2 ** 40;

/** Redirects of one request; a hub sends on once, to where large files lie. */
export const HUB_REDIRECTS_MAX = 5;

/** Bytes of a token in its file; real ones have 37. */
export const HUB_TOKEN_BYTES_MAX = 4_096;
