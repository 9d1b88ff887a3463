/**
 * The body of a request that may have to be sent more than once.
 *
 * @module
 */

type Piece = Uint8Array<ArrayBuffer>;

const NOTHING: Piece = new Uint8Array();

/**
 * Passes a body on as it comes and remembers it, up to a limit. Nothing is read before somebody asks for it, so that a connection that
 * fails costs nothing.
 */
export class ReplayableBody {
  readonly #reader?: ReadableStreamDefaultReader<Piece>;
  readonly #bytesMax: number;
  readonly #pieces: Piece[] = [];
  #size = 0;
  /** Pieces before this one are not kept any more. */
  #keptFrom = 0;
  #isWhole: boolean;
  #pulling?: Promise<void>;

  constructor(source: ReadableStream<Piece> | null, bytesMax: number) {
    this.#reader = source?.getReader();
    this.#bytesMax = bytesMax;
    this.#isWhole = source === null;
  }

  /** Whether there is no body at all. */
  get isAbsent(): boolean {
    return this.#reader === undefined;
  }

  /** Whether it can be read from its beginning once more. */
  get isReplayable(): boolean {
    return this.#size <= this.#bytesMax;
  }

  /** The body from its beginning, the rest as it comes. Fails as its source does. */
  async *stream(): AsyncGenerator<Piece, void, void> {
    for (let i = 0;; i++) {
      while (i >= this.#pieces.length && !this.#isWhole) await this.#pull();
      if (i >= this.#pieces.length) return;
      yield this.#pieces[i];
      if (!this.isReplayable) this.#forget(i);
    }
  }

  /** All of it; `undefined` where it is beyond the limit. Fails as its source does. */
  async bytes(): Promise<Piece | undefined> {
    while (!this.#isWhole && this.isReplayable) await this.#pull();
    return this.isReplayable ? new Uint8Array(await new Blob(this.#pieces).arrayBuffer()) : undefined;
  }

  /** Tells the client that nobody will read the rest. */
  cancel(): void {
    if (!this.#isWhole) this.#reader?.cancel().catch(() => {});
  }

  /** Gives up the pieces up to this one: nobody can begin anew. */
  #forget(last: number): void {
    while (this.#keptFrom <= last) this.#pieces[this.#keptFrom++] = NOTHING;
  }

  /** One piece, once for all who wait for it: a try that was given up may still do so. */
  async #pull(): Promise<void> {
    this.#pulling ??= this.#reader!.read().then(({ done, value }) => {
      if (done) this.#isWhole = true;
      else {
        this.#size += value.length;
        this.#pieces.push(value);
      }
    }).finally(() => this.#pulling = undefined);
    await this.#pulling;
  }
}
