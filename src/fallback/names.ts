/**
 * The names that the local model stands in for.
 *
 * @module
 */
import type { Upstream } from "./upstream.ts";

/** How old what upstreams said of their models may be: adapters come and go while a server runs. */
const MODELS_MILLISECONDS_MAX = 60_000;

/** Which models may be stood in for: an adapter is another model than the one that it adapts. */
export class Names {
  readonly #own: string;
  readonly #given?: ReadonlySet<string>;
  readonly #base = new Map<Upstream, ReadonlySet<string>>();
  readonly #adapters = new Map<Upstream, ReadonlySet<string>>();
  readonly #asked = new Map<Upstream, number>();

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

  /** Remembers the models of an upstream that answers, asked for with the client's own key. */
  async learn(upstream: Upstream, authorization: string | null): Promise<void> {
    const now = performance.now();
    if (this.#given || now - (this.#asked.get(upstream) ?? -Infinity) < MODELS_MILLISECONDS_MAX) return;
    this.#asked.set(upstream, now);
    const models = await upstream.models(authorization);
    if (!models) return;
    this.#base.set(upstream, new Set(models.base));
    this.#adapters.set(upstream, new Set(models.adapters));
  }

  #isIn(names: ReadonlyMap<Upstream, ReadonlySet<string>>, name: string): boolean {
    return [...names.values()].some((set) => set.has(name));
  }
}
