/**
 * Pictures as callers hand them over.
 *
 * @module
 */
import { toHex } from "../core/bytes_as_text.ts";
import { RemoraError } from "../core/errors.ts";

/** Pixels without gaps, row by row: RGB (3 bytes each) or RGBA (4 bytes each). */
export interface RawImage {
  /** Columns. */
  width: number;
  /** Rows. */
  height: number;
  /** u8 [height, width, 3 or 4]. */
  data: Uint8Array | Uint8ClampedArray;
}

/** What a reference processor made of a picture. */
export interface PreparedImage {
  /** f32 [tileCount, 3, H, W], normalised; tiles row by row. */
  pixelValues: Float32Array;
  /** Tiles in use. */
  tileCount: number;
  /** Number of the canvas among the supported ones, from 1 on; see `supportedCanvases` in src/models/mllama/tiles.ts. */
  aspectRatioId: number;
}

/** A picture that a sequence of the model has seen, or a snapshot brought along, by the name of its content. */
export interface SeenImage {
  /** As `Sequence.pictureKeys` has it. */
  readonly key: string;
  /** The picture itself, for the case that it is no longer in memory. */
  readonly image?: Uint8Array | RawImage | PreparedImage;
}

/** A PNG, JPEG or WebP file; pixels; a picture that is prepared already; or one that was seen before. */
export type ImageInput = Uint8Array | RawImage | PreparedImage | SeenImage;

/** The refusal of a picture by a model that has no vision tower. */
export function cannotSee(): RemoraError {
  return new RemoraError("UNSUPPORTED", "Cannot look at a picture", {
    expected: "a model with a vision tower",
    found: "a text model",
  });
}

/**
 * A name for a picture's content: equal for equal bytes, however often it is handed over.
 *
 * @throws {RemoraError} BAD_IMAGE when it is none of the known forms.
 */
export async function imageKey(image: ImageInput): Promise<string> {
  if (isSeen(image)) return image.key;
  const { kind, values } = describe(image);
  const bytes = new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `${kind} ${bytes.length} ${toHex(digest)}`;
}

/** The name of a picture that is seen with so many tiles at most: with fewer than the model's it is another picture. */
export function withTiles(key: string, maxTiles: number): string {
  return `${key} tiles ${maxTiles}`;
}

/** What a name says: the name of the content, and the most tiles if they are fewer than the model's. */
export function readKey(key: string): { content: string; maxTiles?: number } {
  const [, content, tiles] = /^(.*) tiles ([1-9]\d*)$/s.exec(key) ?? [];
  return content === undefined ? { content: key } : { content, maxTiles: Number(tiles) };
}

/** Whether the picture is given by its name. */
export function isSeen(image: ImageInput): image is SeenImage {
  return typeof image === "object" && image !== null && "key" in image && typeof image.key === "string";
}

function describe(image: Exclude<ImageInput, SeenImage>): { kind: string; values: ArrayBufferView } {
  if (image instanceof Uint8Array) return { kind: "file", values: image };
  if (typeof image === "object" && image !== null) {
    if ("pixelValues" in image && ArrayBuffer.isView(image.pixelValues)) {
      const { tileCount, aspectRatioId, pixelValues } = image;
      return { kind: `prepared ${tileCount} ${aspectRatioId}`, values: pixelValues };
    }
    if ("data" in image && ArrayBuffer.isView(image.data)) {
      return { kind: `raw ${image.width} ${image.height}`, values: image.data };
    }
  }
  throw new RemoraError("BAD_IMAGE", "Cannot use the picture", {
    expected:
      "bytes of a file, { width, height, data } or { pixelValues, tileCount, aspectRatioId } or { key }",
    found: typeof image === "object" ? "another object" : typeof image,
  });
}
