/**
 * What is shown until an answer begins.
 *
 * @module
 */
import type { GenerateRequest } from "../mod.ts";
import { note, ProgressBar } from "./terminal.ts";

/** Seconds that a picture must still take for this to be said. */
const SECONDS_WORTH_SAYING = 5;

/** Bars for pictures that are looked at and long prompts that are read, until disposed. */
export class PromptBars implements Disposable {
  readonly #looking = new ProgressBar("Looking");
  readonly #reading = new ProgressBar("Reading");
  #begin = 0;

  /** What a request takes to move the bars, and to say of pictures that they are seen with fewer tiles. */
  get listeners(): Pick<GenerateRequest, "onFewerTiles" | "onPictureProgress" | "onPromptProgress"> {
    return {
      onFewerTiles: ({ tiles, unlimited }) =>
        note(`note: a picture is seen with ${tiles} of its ${unlimited} tiles, as --max-tiles says\n`),
      onPictureProgress: (share) => this.#look(share),
      // A prompt that is read at once needs no bar.
      onPromptProgress: (done, total) => done < total && this.#reading.show(done / total),
    };
  }

  [Symbol.dispose](): void {
    this.#looking[Symbol.dispose]();
    this.#reading[Symbol.dispose]();
  }

  #look(share: number): void {
    if (share === 0) this.#begin = performance.now();
    this.#looking.show(share, lookingLabel(share, (performance.now() - this.#begin) / 1000));
  }
}

/** How long looking will still take: the rest as long as `share` took. The first layer of a tower is enough to know. */
export function lookingLabel(share: number, seconds: number): string {
  const left = seconds * (1 - share) / share;
  if (share === 0 || left < SECONDS_WORTH_SAYING) return "Looking";
  const rounded = left < 90 ? `${Math.ceil(left)} s` : `${Math.round(left / 60)} min`;
  return `Looking, about ${rounded} left`;
}
