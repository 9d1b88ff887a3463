// Compiled by both asc and Deno: constants only. The number of each operation a team can run in lockstep.

export const OP_EXIT = 0;
export const OP_PACK_INT4 = 1;
export const OP_PACK_INT4_GATHERED = 2;
export const OP_PACK_INT8_GATHERED = 3;
export const OP_PACK_SCALES = 4;
export const OP_PACK_ZEROS = 5;
export const OP_PACK_DENSE = 6;
export const OP_PACK_DENSE_CODES = 7;
export const OP_WIDEN = 8;
export const OP_EMBED = 9;
export const OP_RMS_NORM = 10;
export const OP_GATHER_COLUMNS = 11;
export const OP_QUANTIZE = 12;
export const OP_MATMUL_CODES = 13;
export const OP_MATMUL_INT4_EXACT = 15;
export const OP_MATMUL_INT8_EXACT = 16;
export const OP_MATMUL_DENSE = 17;
export const OP_ROPE_TABLE = 18;
export const OP_ROPE = 19;
export const OP_STORE_KEYS_VALUES = 20;
export const OP_ATTENTION = 21;
export const OP_GATED_ACTIVATION = 22;
export const OP_ADD_SCALED = 23;
export const OP_SOFTMAX = 24;
export const OP_LAYER_NORM = 25;
export const OP_ACTIVATION = 26;
export const OP_SPREAD_COLUMNS = 27;
export const OP_GPTQ_TO_MARLIN = 28;
export const OP_MARLIN_TO_GPTQ = 29;
export const OP_MARLIN_TO_PANELS = 30;
export const OP_MARLIN_PERMUTE_SCALES = 31;
export const OP_PACK_MARLIN_SCALES = 32;
export const OP_UNPACK_CODES = 33;
export const OP_ATTENTION_WEIGHTS = 34;
/** Sends the workers to another memory; its number is the argument. */
export const OP_MOVE = 35;
