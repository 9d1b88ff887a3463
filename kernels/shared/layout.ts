// Compiled by both asc and Deno: constants only, no types, no imports, no functions.

/** Outputs of a linear layer that lie together in one panel: two vectors of four 32-bit lanes. */
export const PANEL_OUTPUTS = 8;
/** Inputs whose codes lie together: the eight 4-bit codes of one 32-bit word. */
export const BLOCK_INPUTS = 8;
/**
 * Longest run of inputs that shares one activation scale. Longer weight groups are cut into runs of this length with the same
 * weight scale: a single outlier then spoils 128 activations at most. Sums of products fit 32-bit integers: with activations of
 * 16 bits they stay below 2^30 (32,639 · 256 · 128), with those of 12 bits and of bytes below 2^22, where their conversion to
 * f32 is exact.
 */
export const GROUP_INPUTS_MAX = 128;
/**
 * Version of how weights lie in memory: panels, the order of codes in a block, scales and zero points. Raise it with every
 * change, so that repacked weights on disk (src/weights/repacked_file.ts) are not taken for what they no longer are.
 */
export const WEIGHT_LAYOUT_VERSION = 1;
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
/** Products that share a pass over the same activations: queries, keys and values. */
export const PRODUCTS_MAX = 3;
/** Constants that kernels load instead of making them; see kernels/assembly/transcendental.ts. */
export const CONSTANTS_ADDRESS = 1024;
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
/** Of keys and values: integers of two bytes; see kernels/assembly/attention/integers.ts. */
export const KIND_INT16 = 6;

/**
 * Integers for activations: one signed byte; 12 bits, as planes of bytes (kernels/assembly/matmul/w4a8.ts) or as a ladder
 * (w4a12.ts); or 16 bits.
 */
export const FORM_BYTE = 0;
export const FORM_PLANES = 1;
export const FORM_WORD = 2;
export const FORM_LADDER = 3;
/** The largest integers of the forms: a word of a ladder is a difference, at most 17 · 1,927 < 2^15. */
export const BYTE_MAX = 127;
export const LADDER_MAX = 1927;
export const WORD_MAX = 32639;

/** Activations of feed-forward networks. */
export const ACTIVATION_SILU = 0;
export const ACTIVATION_GELU_TANH = 1;
/** The exact form, with the error function. */
export const ACTIVATION_GELU = 2;
