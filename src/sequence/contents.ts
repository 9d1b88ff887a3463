/**
 * What a sequence consists of: token ids, and the pictures that stand in it.
 *
 * @module
 */
import { RemoraError } from "../core/errors.ts";
import type { Segment } from "../models/decoder.ts";
import type { VisionModel } from "../vision/vision_model.ts";
import type { KeyedImage, SeenPicture } from "./pictures.ts";
import type { PlacedPicture } from "./sight.ts";

/** Tokens in order, with their pictures. */
export class Contents {
  readonly #vision: VisionModel | undefined;
  /** Token ids; a picture's token or tokens stand for it. */
  tokens: number[] = [];
  /** In the order of their tokens. */
  placed: PlacedPicture[] = [];

  constructor(vision: VisionModel | undefined) {
    this.#vision = vision;
  }

  /** Positions from `from` on at which a picture's tokens stand among more ids that will be appended there. */
  pictureTokens(ids: ArrayLike<number>, from: number): number[] {
    const positions: number[] = [];
    for (let i = 0; i < ids.length; i++) {
      if (this.#vision && ids[i] === this.#vision.pictureToken) positions.push(from + i);
    }
    return positions;
  }

  /** Tokens that stand for these pictures. */
  tokensOf(pictures: readonly Pick<SeenPicture, "tokens">[]): number {
    return pictures.reduce((sum, picture) => sum + this.#tokensOf(picture), 0);
  }

  /**
   * Puts pictures where their tokens will be.
   *
   * @param positions Of all picture tokens that belong to them.
   * @throws {RemoraError} BAD_IMAGE when there are more or fewer tokens than the pictures take.
   */
  place(pictures: readonly SeenPicture[], positions: readonly number[]): void {
    const wanted = this.tokensOf(pictures);
    if (wanted !== positions.length) {
      throw new RemoraError("BAD_IMAGE", "Cannot look at the pictures", {
        expected: `${wanted} picture tokens for ${pictures.length} pictures`,
        found: `${positions.length}`,
      });
    }
    let at = 0;
    for (const picture of pictures) {
      this.placed.push({ position: positions[at], picture });
      at += this.#tokensOf(picture);
    }
  }

  /** The segments at positions begin … end − 1 of `tokens`, or of more ids that follow them. */
  segments(ids: ArrayLike<number>, begin: number): Segment[] {
    if (!this.#isInSequence) return [{ ids }];
    const segments: Segment[] = [];
    for (let i = 0; i < ids.length;) {
      const isPicture = ids[i] === this.#vision!.pictureToken;
      let end = i + 1;
      while (end < ids.length && (ids[end] === this.#vision!.pictureToken) === isPicture) end++;
      if (isPicture) segments.push(...this.#pictureRows(ids, begin, i, end));
      else segments.push({ ids: Array.prototype.slice.call(ids, i, end) });
      i = end;
    }
    return segments;
  }

  /**
   * Removes the tokens from `length` on.
   *
   * @returns Pictures that have lost their token.
   * @throws {RemoraError} BAD_ARGUMENT when that would cut a picture in two.
   */
  truncate(length: number): SeenPicture[] {
    this.#refuseToCut(length);
    this.tokens.length = Math.min(this.tokens.length, length);
    return this.#forgetPicturesFrom(length);
  }

  /**
   * Removes the pictures whose tokens did not all come, and those of their tokens that did.
   *
   * @returns The pictures.
   */
  settle(): SeenPicture[] {
    const unfinished = this.placed.find((placed) => !this.#isWhole(placed));
    if (unfinished) this.tokens.length = Math.min(this.tokens.length, unfinished.position);
    return this.#forgetPicturesFrom(this.tokens.length);
  }

  #isWhole(placed: PlacedPicture): boolean {
    return this.#stretchOf(placed).tokens === this.#tokensOf(placed.picture);
  }

  #forgetPicturesFrom(length: number): SeenPicture[] {
    const kept = this.placed.filter(({ position }) => position < length);
    const dropped = this.placed.slice(kept.length);
    this.placed = kept;
    return dropped.map(({ picture }) => picture);
  }

  /** The range begin … end − 1 with all tokens of the pictures of which it has some. */
  withWholePictures(begin: number, end: number): { begin: number; end: number } {
    if (begin === end || !this.#isInSequence) return { begin, end };
    const cut = this.placed.map((placed) => ({ first: placed.position, end: this.#stretchOf(placed).end }))
      .filter((stretch) => stretch.first < end && begin < stretch.end);
    return {
      begin: Math.min(begin, ...cut.map(({ first }) => first)),
      end: Math.max(end, ...cut.map((stretch) => stretch.end)),
    };
  }

  /**
   * Removes the pictures whose first token is at begin … end − 1; those that follow move up, the tokens do not.
   *
   * @returns The pictures.
   */
  dropPictures(begin: number, end: number): SeenPicture[] {
    const isDropped = ({ position }: PlacedPicture) => position >= begin && position < end;
    const dropped = this.placed.filter(isDropped);
    this.placed = this.placed.filter((placed) => !isDropped(placed)).map(({ position, picture }) => ({
      position: position < end ? position : position - (end - begin),
      picture,
    }));
    return dropped.map(({ picture }) => picture);
  }

  /**
   * What these contents have in common with a prompt, tokens and pictures; at most all but the prompt's last token. A picture
   * whose tokens are rows of the sequence is common as a whole or not at all.
   */
  commonPrefix(ids: ArrayLike<number>, images: readonly KeyedImage[]): { tokens: number; pictures: number } {
    const most = Math.min(this.tokens.length, ids.length - 1);
    let tokens = 0, pictures = 0;
    while (tokens < most && this.tokens[tokens] === ids[tokens]) {
      const next = this.placed[pictures];
      if (next?.position !== tokens) {
        tokens++;
        continue;
      }
      const { end } = this.#stretchOf(next);
      if (end > most || images[pictures]?.key !== next.picture.key) break;
      tokens = end;
      pictures++;
    }
    return { tokens, pictures };
  }

  #tokensOf({ tokens }: Pick<SeenPicture, "tokens">): number {
    return this.#isInSequence ? tokens : 1;
  }

  get #isInSequence(): boolean {
    return this.#vision?.join === "sequence";
  }

  /** Rows of the states of the pictures whose tokens are ids[from … to − 1]. */
  #pictureRows(ids: ArrayLike<number>, begin: number, from: number, to: number): Segment[] {
    const rows: Segment[] = [];
    for (let i = from; i < to;) {
      const position = begin + i;
      const { picture, position: first } = this.placed.findLast((placed) => placed.position <= position)!;
      if (!picture.embeddings) throw notInMemory(picture);
      // Tokens of other kinds may stand between those of one picture.
      const done = this.#pictureTokensBetween(ids, begin, first, position);
      const count = Math.min(to - i, picture.tokens - done);
      const width = picture.embeddings.length / picture.tokens;
      rows.push({ embeddings: picture.embeddings.subarray(done * width, (done + count) * width), count });
      i += count;
    }
    return rows;
  }

  #pictureTokensBetween(ids: ArrayLike<number>, begin: number, from: number, to: number): number {
    let count = 0;
    for (let position = from; position < to; position++) {
      const id = position < begin ? this.tokens[position] : ids[position - begin];
      if (id === this.#vision!.pictureToken) count++;
    }
    return count;
  }

  /** How many of a picture's tokens are there, and the position after the last of them. */
  #stretchOf({ position, picture }: PlacedPicture): { tokens: number; end: number } {
    let end = position, tokens = 0;
    for (; tokens < this.#tokensOf(picture) && end < this.tokens.length; end++) {
      if (this.tokens[end] === this.#vision!.pictureToken) tokens++;
    }
    return { tokens, end };
  }

  #refuseToCut(position: number): void {
    const cut = this.#isInSequence &&
      this.placed.find((placed) => placed.position < position && position < this.#stretchOf(placed).end);
    if (!cut) return;
    throw new RemoraError("BAD_ARGUMENT", "Cannot cut the sequence", {
      expected: `a place outside of the picture at ${cut.position} to ${this.#stretchOf(cut).end}`,
      found: `${position}`,
    });
  }
}

function notInMemory({ key }: SeenPicture): RemoraError {
  return new RemoraError("BAD_IMAGE", "Cannot compute the picture again", {
    expected: "one that is in memory",
    found: `"${key}", which came with a snapshot`,
  });
}
