/**
 * The names that the local model stands in for.
 *
 * @module
 */
import type { Upstream } from "./upstream.ts";

/** How old what upstreams said of their models may be: adapters come and go while a server runs. */
const MODELS_MILLISECONDS_MAX = 60_000;
/** After an upstream that did not tell, the next try waits so long. */
const ASK_AGAIN_MILLISECONDS = 1_000;

/** Which models may be stood in for: an adapter is another model than the one that it adapts. */
export class Names {
  readonly #own: string;
  readonly #given?: ReadonlySet<string>;
  readonly #base = new Map<Upstream, ReadonlySet<string>>();
  readonly #adapters = new Map<Upstream, ReadonlySet<string>>();
  readonly #askAt = new Map<Upstream, number>();

  constructor(own: string, given: readonly string[] | undefined) {
    this.#own = own;
    this.#given = given && new Set(given);
  }

  /** Whether the local model may answer to this name. */
  includes(name: string): boolean {
    if (name === this.#own || this.#given?.has(name)) return true;
    if (this.#given || this.#isIn(this.#adapters, name)) return false;
    return this.#base.size === 0 || this.#isIn(this.#base, name);
  }

  /** Asks an upstream for its models while it answers something else, with the client's own key. Never throws. */
  async learn(upstream: Upstream, authorization: string | null): Promise<void> {
    const now = performance.now();
    if (this.#given || now < (this.#askAt.get(upstream) ?? -Infinity)) return;
    this.#askAt.set(upstream, now + ASK_AGAIN_MILLISECONDS);
    const models = await upstream.models(authorization);
    // A server that is starting lists none: that is no reason to stand in for nobody.
    if (!models || models.base.length + models.adapters.length === 0) return;
    this.#askAt.set(upstream, now + MODELS_MILLISECONDS_MAX);
    this.#base.set(upstream, new Set(models.base));
    this.#adapters.set(upstream, new Set(models.adapters));
  }

  #isIn(names: ReadonlyMap<Upstream, ReadonlySet<string>>, name: string): boolean {
    return [...names.values()].some((set) => set.has(name));
  }
}
