/**
 * Where the pictures of a prompt stand, and how much of a prompt one call computes.
 *
 * @module
 */
import type { KeyedImage } from "../sequence/pictures.ts";

/** A picture of the prompt, and how many picture tokens stand for it. */
export interface PromptImage extends KeyedImage {
  readonly tokens: number;
}

/** A prompt with its pictures in the order of their tokens. */
export interface PromptParts {
  promptIds: number[];
  images: PromptImage[];
  pictureToken?: number;
}

/** A picture and its first and last token; of one that has none, neither is there. */
export interface PlacedImage {
  image: PromptImage;
  first?: number;
  last?: number;
}

/** Where each picture stands. */
export function placesOf({ promptIds, images, pictureToken }: PromptParts): PlacedImage[] {
  const places = promptIds.flatMap((id, place) => id === pictureToken ? [place] : []);
  let at = 0;
  return images.map((image) => ({ image, first: places[at], last: places[(at += image.tokens) - 1] }));
}

/** What one call computes of a prompt. */
export interface PromptPiece {
  ids: number[];
  images: PromptImage[];
  /** Whether nothing of the prompt is left after it. */
  isLast: boolean;
}

/**
 * The next piece of a prompt: at most so many tokens, but for a picture that begins it, which is looked at whole.
 *
 * @param known What the sequence holds already.
 */
export function pieceOf(
  prompt: PromptParts,
  known: { tokens: number; pictures: number },
  tokens: number,
): PromptPiece {
  const { promptIds, images } = prompt;
  let end = Math.min(known.tokens + tokens, promptIds.length);
  const placed = placesOf(prompt).slice(known.pictures);
  const cut = placed.find(({ first, last }) => first! < end && last! >= end);
  if (cut) end = cut.first! > known.tokens ? cut.first! : cut.last! + 1;
  const isLast = end >= promptIds.length;
  return {
    ids: promptIds.slice(known.tokens, end),
    // One without a token is refused with the last piece.
    images: isLast
      ? images.slice(known.pictures)
      : placed.filter(({ first }) => first! < end).map(({ image }) => image),
    isLast,
  };
}
