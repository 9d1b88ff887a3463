/**
 * Text of tokens as they arrive.
 *
 * @module
 */

import type { DecodeOptions, Tokenizer } from "./tokenizer.ts";

/** How to decode a stream. */
export interface StreamDecoderOptions extends DecodeOptions {
  /**
   * Whether the tokens begin a text. False for an answer that goes on where a prompt ends: then the space
   * that some tokenizers put before a text is a real one and stays. Default true.
   */
  beginsText?: boolean;
}

/**
 * Turns token ids into text piece by piece: never half a character, never a changed one, at a cost per token
 * that does not grow. All pieces and the flush together equal `tokenizer.decode` of all ids.
 */
export class StreamDecoder {
  readonly #tokenizer: Tokenizer;
  readonly #skipSpecialTokens: boolean;
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  #spacesToDrop: number;

  constructor(tokenizer: Tokenizer, options: StreamDecoderOptions = {}) {
    const { skipSpecialTokens = false, beginsText = true } = options;
    this.#tokenizer = tokenizer;
    this.#skipSpecialTokens = skipSpecialTokens;
    this.#spacesToDrop = beginsText ? tokenizer.leadingSpaces : 0;
  }

  /**
   * The text that is complete with this token; often empty in the middle of a character.
   *
   * @throws {RemoraError} `BAD_ARGUMENT` for an id outside of the vocabulary.
   */
  push(id: number): string {
    const bytes = this.#tokenizer.tokenBytes(id);
    if (this.#skipSpecialTokens && this.#tokenizer.isSpecial(id)) return "";
    return this.#release(this.#utf8.decode(bytes, { stream: true }));
  }

  /** The rest: U+FFFD for a character that was never finished. Afterwards the decoder begins anew. */
  flush(): string {
    return this.#release(this.#utf8.decode());
  }

  #release(text: string): string {
    let begin = 0;
    while (begin < text.length && this.#spacesToDrop > 0) {
      if (text[begin] === " ") {
        begin++;
        this.#spacesToDrop--;
      } else {
        this.#spacesToDrop = 0;
      }
    }
    return text.slice(begin);
  }
}
