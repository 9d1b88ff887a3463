/**
 * What is shown until an answer begins.
 *
 * @module
 */
import type { GenerateRequest } from "../mod.ts";
import { ProgressBar } from "./terminal.ts";

/** Bars for pictures that are looked at and long prompts that are read, until disposed. */
export class PromptBars implements Disposable {
  readonly #looking = new ProgressBar("Looking");
  readonly #reading = new ProgressBar("Reading");

  /** What a request takes to move the bars. */
  get listeners(): Pick<GenerateRequest, "onPictureProgress" | "onPromptProgress"> {
    return {
      onPictureProgress: (share) => this.#looking.show(share),
      // A prompt that is read at once needs no bar.
      onPromptProgress: (done, total) => done < total && this.#reading.show(done / total),
    };
  }

  [Symbol.dispose](): void {
    this.#looking[Symbol.dispose]();
    this.#reading[Symbol.dispose]();
  }
}
