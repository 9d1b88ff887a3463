/**
 * What the templates of tiles.ts ask of a kernel of coded weights. A kernel is a class without data: the templates are
 * instantiated with it, and its methods are inlined. It has
 *
 *   bits                    of a code
 *   mask(count)             what unpacking needs in a register; see masks.ts for `count`
 *   unpack0(stored, mask)   of a vector of codes, what its first step multiplies
 *   unpack1, 2, 3           as many of these as a vector has steps
 *   begin(total)            the sums that a chunk's products are added to
 *   add(sums, activations, codes, mask)
 *                           adds the products of a step to four sums (i32 [4]) or eight (i16 [8])
 *   end(total, sums, factor)
 *                           the total after a chunk
 *   factor(pair)            the chunk's factor as `end` takes it, of one that stands twice in each 32-bit lane
 *
 * and what this class says of it.
 */

/**
 * The shape of a block of eight inputs × eight outputs. Type parameters are as wide as there are
 *   V  vectors of codes for four outputs, u8 or u16: the block has 32 bytes or 64
 *   S  steps in which a vector is multiplied, each with as many activations of a row: u8, u16 or u32
 * and `A` is the activation, i8 or i16. Bytes have a factor for each chunk of CHUNK_INPUTS inputs and one scale a row; words have
 * a scale for each group, which is their only chunk.
 */
@unmanaged
export class CodedKernel<V, S, A> {
  // @ts-ignore: decorator
  @inline
  get vectors(): usize {
    return sizeof<V>();
  }

  // @ts-ignore: decorator
  @inline
  get steps(): usize {
    return sizeof<S>();
  }

  // @ts-ignore: decorator
  @inline
  get hasFactors(): bool {
    return sizeof<A>() == 1;
  }

  /** Whether weights may have offsets: codes of 7 bits, which are made at loading, have none. */
  // @ts-ignore: decorator
  @inline
  get mayHaveOffsets(): bool {
    return sizeof<A>() == 2 || sizeof<V>() == 1;
  }

  /** Whether a block has four steps; else it has two. */
  // @ts-ignore: decorator
  @inline
  get hasFourSteps(): bool {
    return sizeof<V>() * sizeof<S>() == 4;
  }

  /** Bytes of a row's activations of a block. */
  // @ts-ignore: decorator
  @inline
  get activationBytes(): usize {
    return 8 * sizeof<A>();
  }

  /** Whether activations are a ladder (w4a12.ts), of which planes can be made. */
  // @ts-ignore: decorator
  @inline
  get hasLadder(): bool {
    return sizeof<V>() == 1 && sizeof<S>() == 4;
  }

  /** Whether they are planes (planes.ts). */
  // @ts-ignore: decorator
  @inline
  get hasPlanes(): bool {
    return sizeof<V>() == 1 && sizeof<S>() == 2 && sizeof<A>() == 2;
  }
}

/** Bytes of a block of eight inputs × eight outputs. */
// @ts-ignore: decorator
@inline
export function blockBytes<K>(): usize {
  const kernel = changetype<K>(0);
  return kernel.bits == 6 ? 48 : kernel.vectors * 32;
}

/** Whether scales may have units, or (of 6 bits) always do. */
// @ts-ignore: decorator
@inline
export function mayHaveUnits<K>(): bool {
  const kernel = changetype<K>(0);
  return kernel.mayHaveOffsets || kernel.bits == 6;
}

/** Bytes of a panel's scales of a group: of f16, or of integers with those of the offsets beside them; codes of 6 bits have none. */
// @ts-ignore: decorator
@inline
export function groupScaleBytes<K>(): usize {
  return changetype<K>(0).bits == 6 ? 8 : 16;
}

/** What kernels of words have in common: a product adds two inputs to 32 bits, and a group is its only chunk. */
@unmanaged
export class WordKernel<V, S> extends CodedKernel<V, S, i16> {
  // @ts-ignore: decorator
  @inline
  get isDot32(): bool {
    return false;
  }

  // @ts-ignore: decorator
  @inline
  factor(pair: v128): v128 {
    return pair;
  }

  // @ts-ignore: decorator
  @inline
  begin(total: v128): v128 {
    return total;
  }

  // @ts-ignore: decorator
  @inline
  add(sums: v128, activations: v128, codes: v128, mask: v128): v128 {
    return i32x4.add(sums, i32x4.dot_i16x8_s(activations, codes));
  }

  // @ts-ignore: decorator
  @inline
  end(total: v128, sums: v128, factor: v128): v128 {
    return sums;
  }
}
