// Compiled by both asc and Deno: constants only, no types, no imports, no functions.

/** Outputs of a linear layer that lie together in one panel: two vectors of four 32-bit lanes. */
export const PANEL_OUTPUTS = 8;
/** Inputs whose codes lie together: the eight 4-bit codes of one 32-bit word. */
export const BLOCK_INPUTS = 8;
/**
 * Longest run of inputs whose products are summed in one integer. Longer weight groups are cut into runs of this length with the
 * same weight scale: a single outlier then spoils 128 activations of two bytes at most. Sums of products fit 32-bit integers:
 * 32,639 · 256 · 128 < 2^30 with words, 1,927 · 16 · 128 < 2^22 with 12 bits, 127 · 64 · 128 · FACTOR_MAX < 2^31 with bytes.
 */
export const GROUP_INPUTS_MAX = 128;
/** Inputs of a row that share the unit of their bytes: an integer factor times the row's scale. A group ends a chunk too. */
export const CHUNK_INPUTS = 32;
export const FACTOR_MAX = 2047;
/** Inputs whose scales and minimums are integers times units of their own: a block of GGUF's K formats. */
export const UNIT_INPUTS = 256;
/**
 * Version of how weights lie in memory: panels, the order of codes in a block, scales and zero points. Raise it with every
 * change, so that repacked weights on disk (src/weights/repacked_file.ts) are not taken for what they no longer are.
 */
export const WEIGHT_LAYOUT_VERSION = 5;
/** Tokens in one block of the key/value cache, which the running softmax takes at once. */
export const KV_BLOCK_TOKENS = 32;
/** Query rows that one attention tile carries. */
export const ATTENTION_ROWS = 4;
/** Tiles that pass a block of keys and values one after the other, while it lies in the first cache. */
export const ATTENTION_TILES = 16;

/** Non-finite scale or weight values are counted here by the packing kernels, as i32. */
export const RESULT_ADDRESS = 64;
/** Where the leading thread and the workers meet (kernels/assembly/lockstep.ts); one 64-byte cache line each. */
export const SEQUENCE_ADDRESS = 128;
export const DONE_ADDRESS = 192;
export const SLEEPERS_ADDRESS = 256;
export const LEADER_ASLEEP_ADDRESS = 320;
export const FAILED_ADDRESS = 384;
/** Workers that have started. */
export const READY_ADDRESS = 68;
/** How often the leading thread looks before it sleeps, and how often it slept; nobody else reads or writes them. */
export const LEADER_PATIENCE_ADDRESS = 448;
export const LEADER_NAPS_ADDRESS = 452;
/** The command: the operation's number, then its arguments, four bytes each (u32, i32 or f32). */
export const COMMAND_ADDRESS = 512;
export const COMMAND_WORDS = 64;
/** The next share of an operation whose shares go to whoever is free; see kernels/assembly/share.ts. */
export const NEXT_SHARE_ADDRESS = 832;
/** Products that share a pass over the same activations: queries, keys and values. */
export const PRODUCTS_MAX = 3;
/** Constants that kernels load instead of making them; see kernels/assembly/transcendental.ts. */
export const CONSTANTS_ADDRESS = 1024;
/**
 * Where f32 has sign, exponent and mantissa of an f16 that was shifted, and the pattern of 2^112: what the value lacks then, as its exponent
 * has f16's bias.
 */
export const HALF_BITS = 0x8fffe000;
export const HALF_FACTOR = 0x77800000;
/** Among the constants; see kernels/assembly/vector.ts. */
export const ROUND_MAGIC_ADDRESS = CONSTANTS_ADDRESS + 12;
/** Both are among the constants; see kernels/assembly/matmul/scales.ts. */
export const HALF_BITS_ADDRESS = CONSTANTS_ADDRESS + 80;
export const HALF_FACTOR_ADDRESS = CONSTANTS_ADDRESS + 84;
/** First byte that the host may allocate; what is below belongs to the kernels. */
export const HEAP_ADDRESS = 4096;

/** Storage of a matrix element or vector element. */
export const KIND_F32 = 0;
export const KIND_F16 = 1;
export const KIND_BF16 = 2;
export const KIND_INT8 = 3;
export const KIND_INT4 = 4;
/** Codes 1 … 127 around 64, without zero points of their own. */
export const KIND_INT7 = 5;
/** Codes 0 … 63 around 32, with units; see kernels/assembly/matmul/w6a8.ts. */
export const KIND_INT6 = 7;
/** Of keys and values: integers of two bytes; see kernels/assembly/attention/integers.ts. */
export const KIND_INT16 = 6;

/** Blocks of GGUF files; see kernels/assembly/pack/block_formats.ts. */
export const BLOCKS_Q4_0 = 0;
export const BLOCKS_Q4_1 = 1;
export const BLOCKS_Q5_0 = 2;
export const BLOCKS_Q5_1 = 3;
export const BLOCKS_Q8_0 = 4;
export const BLOCKS_Q2_K = 5;
export const BLOCKS_Q3_K = 6;
export const BLOCKS_Q4_K = 7;
export const BLOCKS_Q5_K = 8;
export const BLOCKS_Q6_K = 9;
export const BLOCKS_IQ4_NL = 10;
export const BLOCKS_IQ4_XS = 11;

/** Integers for activations: one signed byte; 12 bits as a ladder (kernels/assembly/matmul/w4a12.ts); or 16 bits. */
export const FORM_BYTE = 0;
export const FORM_LADDER = 1;
export const FORM_WORD = 2;
/** The largest integers of the forms: a word of a ladder is a difference, at most 17 · 1,927 < 2^15. */
export const BYTE_MAX = 127;
export const LADDER_MAX = 1927;
export const WORD_MAX = 32639;

/** Activations of feed-forward networks. */
export const ACTIVATION_SILU = 0;
export const ACTIVATION_GELU_TANH = 1;
/** The exact form, with the error function. */
export const ACTIVATION_GELU = 2;

/** Wide tiles (kernels/wide/text.ts): four rows by 16 outputs, so many inputs at a time. */
export const WIDE_ROWS = 4;
export const WIDE_VECTORS = 4;
export const WIDE_INPUTS = 128;
/** Rows from which on unpacking the weights first pays, of bytes and of words; fewer are products of few rows. */
export const ROWS_FEW_END_BYTES = 8;
export const ROWS_FEW_END_WORDS = 20;
/** What stands for the address of a thread's area in the module; five bytes, which are replaced. */
export const WIDE_PLACEHOLDER = 0x7badc0de;
/**
 * Where a thread's area has what: weights of words take twice what bytes take; four turns of sums, of groups of 16 none, and their
 * zero points take some of that room; one turn of totals more than there are groups.
 */
export const WIDE_WEIGHTS = 64;
/** Scales of groups of 16, of which there are twice as many: behind the weights of bytes. */
export const WIDE_SHORT_SCALES = 2112;
export const WIDE_SCALES = 4160;
export const WIDE_ZEROS = 4416;
export const WIDE_SUMS = 4672;
export const WIDE_TOTALS = 5696;
/** The same area, of the tile of floats: so many inputs of weights at a time, and two turns of totals. */
export const FLOAT_INPUTS = 64;
export const FLOAT_TOTALS = 4160;
/** The same area, of tiles of few rows: copies of activations, sums, totals, multipliers of ladders, units of two panels and masks. */
export const FEW_CODES = 64;
export const FEW_SUMS = 256;
export const FEW_TOTALS = 768;
export const FEW_LADDER = 1024;
export const FEW_UNITS = 1056;
export const FEW_MASKS = 1184;
/**
 * The same area, of the softmax of attention in bytes: a tile's sums, scores, powers and weights, f32 [4, 32] each, then of its rows the
 * largest scores, the sums of powers (two vectors each) and the centres; of a block the scales of keys and values; constants.
 */
export const SOFTMAX_SUMS = 64;
export const SOFTMAX_SCORES = 576;
export const SOFTMAX_POWERS = 1088;
export const SOFTMAX_WEIGHTS = 1600;
export const SOFTMAX_MAXIMA = 2112;
export const SOFTMAX_TOTALS = 2240;
export const SOFTMAX_CENTRES = 2368;
export const SOFTMAX_KEY_SCALES = 2432;
export const SOFTMAX_VALUE_SCALES = 2560;
export const SOFTMAX_CONSTANTS = 2688;
export const WIDE_AREA_BYTES = 8192;
/** The first thread's area; the others' follow. */
export const WIDE_ADDRESS = 4096;
/** Tiles of rows, and pairs of panels, that pass one run of inputs before the next. */
export const WIDE_TILES = 64;
export const WIDE_PAIRS = 24;
/** Of a thread's scratch: totals of those tiles and pairs, then the tiles' last inputs, filled up with zeros, then their planes. */
export const WIDE_TAIL_ADDRESS = WIDE_TILES * WIDE_PAIRS * 256;
export const WIDE_PLANES_ADDRESS = WIDE_TAIL_ADDRESS + WIDE_TILES * (1024 + 64 + 64);
export const WIDE_SCRATCH_BYTES = WIDE_PLANES_ADDRESS + WIDE_TILES * 1024;
/** Pages that a memory with wide tiles has from the start: the areas of 256 threads and what lies before them. */
export const WIDE_MEMORY_PAGES = 33;
