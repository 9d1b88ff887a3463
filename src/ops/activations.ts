/**
 * The activations of a model whose parts may lie in several memories: one workspace in each, of which one holds the hidden
 * state.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import { Workspace, type WorkspaceShape } from "./workspace.ts";

/** Follows the hidden state through the parts. */
export class Activations {
  readonly #kernelsOf: (part: string) => Kernels;
  readonly #workspaces = new Map<Kernels, Workspace>();
  readonly #hiddenSize: number;
  readonly rows: number;
  /** Where the hidden state is. */
  #current: Workspace;

  /** @param parts All parts that activations pass through. */
  constructor(kernelsOf: (part: string) => Kernels, parts: readonly string[], shape: WorkspaceShape) {
    for (const part of parts) {
      const kernels = kernelsOf(part);
      if (!this.#workspaces.has(kernels)) this.#workspaces.set(kernels, new Workspace(kernels, shape));
    }
    this.#kernelsOf = kernelsOf;
    this.#hiddenSize = shape.hiddenSize;
    this.rows = shape.rows;
    this.#current = this.of(parts[0]);
  }

  /** All workspaces. */
  get workspaces(): Iterable<Workspace> {
    return this.#workspaces.values();
  }

  /** The workspace beside a part's weights, wherever the hidden state is. */
  of(part: string): Workspace {
    return this.#workspaces.get(this.#kernelsOf(part))!;
  }

  /** The workspace beside a part's weights; the hidden state will be written there. */
  begin(part: string): Workspace {
    return this.#current = this.of(part);
  }

  /** The workspace beside a part's weights, with the hidden state of the first `rows` rows in it. */
  enter(part: string, rows: number): Workspace {
    const next = this.of(part);
    if (next !== this.#current) {
      const { kernels: { heap }, hidden } = this.#current;
      const state = heap.bytesAt(hidden, rows * this.#hiddenSize * 4);
      next.kernels.heap.bytesAt(next.hidden, state.length).set(state);
      this.#current = next;
    }
    return next;
  }
}
