/**
 * A model that is loaded when the first session needs it.
 *
 * @module
 */
import type { Model } from "../src/generation/model.ts";
import { browserError, domError } from "./prompt_api_errors.ts";

/** Whether sessions can be made, and what that takes. */
export type Availability = "unavailable" | "downloadable" | "downloading" | "available";

/** Loads a model; told how much of it is there, from 0 to 1. Called once, when the first session is made. */
export type LoadModel = (onProgress: (share: number) => void) => Promise<Model>;

/** Loads once, for all who wait. */
export class ModelSource {
  readonly #load: LoadModel;
  readonly #listeners = new Set<(share: number) => void>();
  #loading?: Promise<Model>;
  /** When it is loaded. */
  model?: Model;

  /** A model that is there, is being loaded, or will be loaded when it is needed. */
  constructor(given: Model | Promise<Model> | LoadModel) {
    this.#load = typeof given === "function" ? given : () => Promise.resolve(given);
    if (typeof given === "function") return;
    if (!(given instanceof Promise)) this.model = given;
    this.#loading = this.#begin();
    this.#loading.catch(() => {});
  }

  /** How far it is. */
  get state(): Availability {
    return this.model ? "available" : this.#loading ? "downloading" : "downloadable";
  }

  /**
   * The model, loaded once for all who wait.
   *
   * @throws NetworkError when it cannot be loaded; the signal's reason when it fires before.
   */
  async load(onProgress: (share: number) => void, signal?: AbortSignal): Promise<Model> {
    onProgress(0);
    let last = 0;
    const listener = (share: number) => {
      // 1 is told when the model is ready, and once.
      if (share > last && share < 1) onProgress(last = share);
    };
    this.#listeners.add(listener);
    try {
      const gone = Promise.withResolvers<never>();
      signal?.addEventListener("abort", () => gone.reject(signal.reason), { once: true });
      const model = await Promise.race([this.#loading ??= this.#begin(), gone.promise]);
      onProgress(1);
      return model;
    } finally {
      this.#listeners.delete(listener);
    }
  }

  async #begin(): Promise<Model> {
    try {
      return this.model = await this.#load((share) => {
        for (const listener of this.#listeners) listener(share);
      });
    } catch (error) {
      this.#loading = undefined;
      throw domError(
        "NetworkError",
        error instanceof Error ? error.message : `${error}`,
        browserError(error),
      );
    }
  }
}
