/**
 * Streams planned weights from the checkpoint into kernel memory: windows of a tensor are read straight into a staging
 * area there and packed by a kernel, so no tensor exists a second time outside.
 *
 * @module
 */
import { yieldToEvents } from "../core/yield.ts";
import type { Kernels } from "../../kernels/host/kernels.ts";
import {
  BLOCK_INPUTS,
  GROUP_INPUTS_MAX,
  KIND_F32,
  KIND_INT4,
  PANEL_OUTPUTS,
} from "../../kernels/shared/layout.ts";
import { RemoraError } from "../core/errors.ts";
import type { Checkpoint } from "../formats/checkpoint.ts";
import { checkFinite, checkGroupIndex, type DenseLinear, type GptqLinear } from "../formats/gptq.ts";
import type { TensorEntry } from "../formats/safetensors.ts";
import type { Linear, LinearForm, StoredArray } from "./linear.ts";
import { type LoadedWeights, reserveLinear } from "./loaded_weights.ts";
import {
  formOf,
  kindOf,
  type PlannedArray,
  type PlannedLinear,
  type PlannedVector,
  type WeightPlan,
} from "./plan.ts";

/** Bytes read at a time: long enough to amortise a read, small beside any model. */
const WINDOW_BYTES = 4 << 20;

/** Told after each window. */
export interface LoadProgress {
  /** Bytes of the checkpoint read so far, and in all. */
  loadedBytes: number;
  totalBytes: number;
}

/**
 * Loads everything in the plan, each part into the memory of its kernels.
 *
 * @throws {RemoraError} BAD_TENSOR for values that cannot be (NaN scales, group indices out of range), naming file and
 * tensor; OUT_OF_MEMORY; the signal's reason when it fires between two windows.
 */
export async function loadWeights(
  plan: WeightPlan,
  checkpoint: Checkpoint,
  kernelsOf: (part: string) => Kernels,
  { onProgress, signal }: { onProgress?: (progress: LoadProgress) => void; signal?: AbortSignal } = {},
): Promise<LoadedWeights> {
  const tensors = [...plan.storedTensors()];
  const totalBytes = tensors.reduce((sum, { begin, end }) => sum + end - begin, 0);
  const progress: LoadProgress = { loadedBytes: 0, totalBytes };
  const loaders = new Map<Kernels, Loader>();
  const loaderOf = ({ part }: { part: string }) => {
    const kernels = kernelsOf(part);
    let loader = loaders.get(kernels);
    if (!loader) {
      loader = new Loader(checkpoint, kernels, progress, onProgress, signal);
      loaders.set(kernels, loader);
    }
    return loader;
  };
  const tables = new Map<string, Linear>();
  const linears = new Map<string, Linear>();
  const vectors = new Map<string, number>();
  const arrays = new Map<string, StoredArray>();
  for (const planned of plan.tables.values()) {
    tables.set(planned.name, await loaderOf(planned).linear(planned));
  }
  for (const planned of plan.linears.values()) {
    linears.set(planned.name, await loaderOf(planned).linear(planned));
  }
  for (const planned of plan.vectors.values()) {
    vectors.set(planned.name, await loaderOf(planned).vector(planned));
  }
  for (const planned of plan.arrays.values()) {
    arrays.set(planned.name, await loaderOf(planned).array(planned));
  }
  for (const loader of loaders.values()) loader.finish();
  return { tables, linears, vectors, arrays };
}

/** Bytes of memory that loading needs beside the weights: a window, and room for the largest tensor that is read whole. */
export function stagingBytes(plan: WeightPlan): number {
  let largest = 0;
  const count = (entry?: TensorEntry) => {
    if (entry) largest = Math.max(largest, entry.end - entry.begin);
  };
  for (const { stored } of [...plan.tables.values(), ...plan.linears.values()]) {
    if (stored.kind === "dense") continue;
    count(stored.scales);
    count(stored.zeros);
    if (stored.groupIndex || stored.bits !== 4) count(stored.codes);
  }
  return WINDOW_BYTES + largest;
}

/** How act-order inputs are laid out: groups padded to one length, each cut into `split` runs. */
interface InputOrder {
  indices: Int32Array;
  group: number;
  split: number;
}

/** Loads into one memory. */
class Loader {
  readonly #checkpoint: Checkpoint;
  readonly #kernels: Kernels;
  readonly #window: number;
  readonly #onProgress?: (progress: LoadProgress) => void;
  readonly #signal?: AbortSignal;
  readonly #progress: LoadProgress;

  constructor(
    checkpoint: Checkpoint,
    kernels: Kernels,
    progress: LoadProgress,
    onProgress?: (progress: LoadProgress) => void,
    signal?: AbortSignal,
  ) {
    this.#checkpoint = checkpoint;
    this.#kernels = kernels;
    this.#onProgress = onProgress;
    this.#signal = signal;
    this.#window = kernels.heap.allocate(WINDOW_BYTES);
    this.#progress = progress;
  }

  finish(): void {
    this.#kernels.heap.free(this.#window, WINDOW_BYTES);
  }

  async vector({ stored, length, offset }: PlannedVector): Promise<number> {
    const address = this.#kernels.heap.allocate(length * 4);
    await this.#widen(stored, address, length, offset);
    return address;
  }

  async array({ stored, kind, bytes }: PlannedArray): Promise<StoredArray> {
    const { heap } = this.#kernels;
    const address = heap.allocate(bytes);
    const size = kind === KIND_F32 ? 4 : 2;
    await this.#windows(stored, size, 1, (window, begin, count) => {
      const part = heap.bytesAt(window, count * size);
      const values = kind === KIND_F32
        ? heap.floatsAt(window, count)
        : new Uint16Array(part.buffer, window, count);
      checkFinite(values, stored.dtype, stored);
      heap.bytesAt(address + begin * size, part.length).set(part);
    });
    return { address, kind };
  }

  async linear(planned: PlannedLinear): Promise<Linear> {
    const { stored, outputs } = planned;
    const linear = stored.kind === "dense"
      ? await this.#dense(planned, stored)
      : await this.#codes(planned, stored);
    if (stored.bias) await this.#widen(stored.bias, linear.bias, outputs, 0);
    return linear;
  }

  #reserve(planned: PlannedLinear, form: LinearForm): Linear {
    return reserveLinear(planned, form, (bytes) => this.#kernels.heap.allocate(bytes));
  }

  async #dense(planned: PlannedLinear, { weight }: DenseLinear): Promise<Linear> {
    const { kind, inputs, group } = planned;
    const linear = this.#reserve(planned, formOf(planned));
    const { weights, scales } = linear.matrix;
    const rowBytes = inputs * (weight.dtype === "F32" ? 4 : 2);
    await this.#windows(weight, rowBytes, PANEL_OUTPUTS, (at, row, rows) => {
      const panel = row / PANEL_OUTPUTS;
      if (scales) {
        this.#kernels.packDenseCodes(
          at,
          kindOf(weight),
          kind,
          weights,
          scales,
          rows,
          inputs,
          group,
          panel,
        );
      } else {
        this.#kernels.packDense(at, kind, weights, rows, inputs, panel);
      }
    });
    this.#refuseNonFinite(weight);
    return linear;
  }

  async #codes(planned: PlannedLinear, stored: GptqLinear): Promise<Linear> {
    const { kind, outputs } = planned;
    const inputOrder = stored.groupIndex ? await this.#inputOrder(stored, stored.groupIndex) : undefined;
    const form = formOf(planned);
    const linear = this.#reserve(
      planned,
      inputOrder
        ? { ...form, group: inputOrder.group, packedInputs: inputOrder.indices.length, hasOrder: true }
        : form,
    );
    const { order, packedInputs, matrix: { weights, scales, zeros, group } } = linear;
    const groups = Math.ceil(packedInputs / group);
    // The last stored group may be shorter, so their number does not tell into how many runs a whole one was cut.
    const split = inputOrder?.split ?? (stored.groups === 1 ? groups : stored.groupSize / group);
    const blocks = packedInputs / BLOCK_INPUTS;

    if (inputOrder) this.#kernels.heap.wordsAt(order, packedInputs).set(inputOrder.indices);
    if (kind === KIND_INT4 && !order) {
      await this.#windows(stored.codes, outputs * 4, 1, (at, block, count) => {
        this.#kernels.packInt4(at, weights, outputs, blocks, block, count);
      });
    } else {
      await this.#whole(stored.codes, (at) => {
        if (kind === KIND_INT4) this.#kernels.packInt4Gathered(at, order, weights, outputs, blocks);
        else this.#kernels.packInt8Gathered(at, order, weights, outputs, blocks);
      });
    }

    await this.#whole(stored.scales, (at) => {
      this.#kernels.packScales(at, kindOf(stored.scales), scales, outputs, groups, split);
    });
    this.#refuseNonFinite(stored.scales);

    if (stored.zeros) {
      await this.#whole(stored.zeros, (at) => {
        this.#kernels.packZeros(at, stored.bits, stored.zerosStoredMinusOne, zeros, outputs, groups, split);
      });
    }
    return linear;
  }

  /**
   * Sorts the inputs by group. `undefined` when the index says nothing that input / group size does not: tools write
   * trivial indices, and configs claim act-order where there is none.
   */
  async #inputOrder(stored: GptqLinear, entry: TensorEntry): Promise<InputOrder | undefined> {
    const index = new Int32Array(stored.inputs);
    await this.#checkpoint.readTensorInto(entry, 0, new Uint8Array(index.buffer));
    this.#advance(index.byteLength);
    checkGroupIndex(index, stored.groups, entry);
    if (index.every((group, input) => group === Math.floor(input / stored.groupSize))) return undefined;

    const members: number[][] = Array.from({ length: stored.groups }, () => []);
    index.forEach((group, input) => members[group].push(input));
    const longest = Math.max(...members.map((inputs) => inputs.length));
    const split = Math.ceil(longest / GROUP_INPUTS_MAX);
    const group = Math.ceil(longest / split / BLOCK_INPUTS) * BLOCK_INPUTS;
    const indices = new Int32Array(stored.groups * split * group).fill(-1);
    members.forEach((inputs, g) => indices.set(inputs, g * split * group));
    return { indices, group, split };
  }

  async #widen(entry: TensorEntry, target: number, length: number, offset: number): Promise<void> {
    await this.#whole(entry, (at) => this.#kernels.widen(at, kindOf(entry), target, length, offset));
    this.#refuseNonFinite(entry);
  }

  /** Reads the tensor whole into memory of its own for as long as `use` takes. */
  async #whole(entry: TensorEntry, use: (address: number) => void): Promise<void> {
    const bytes = entry.end - entry.begin;
    if (bytes <= WINDOW_BYTES) {
      await this.#read(entry, 0, this.#window, bytes);
      use(this.#window);
      return;
    }
    const address = this.#kernels.heap.allocate(bytes);
    await this.#read(entry, 0, address, bytes);
    use(address);
    this.#kernels.heap.free(address, bytes);
  }

  /** Reads the tensor in windows of whole rows, `multiple` at a time, and hands each to `use`. */
  async #windows(
    entry: TensorEntry,
    rowBytes: number,
    multiple: number,
    use: (address: number, row: number, rows: number) => void,
  ): Promise<void> {
    const total = (entry.end - entry.begin) / rowBytes;
    const perWindow = Math.floor(WINDOW_BYTES / rowBytes / multiple) * multiple;
    if (perWindow === 0) {
      await this.#whole(entry, (address) => use(address, 0, total));
      return;
    }
    for (let row = 0; row < total; row += perWindow) {
      const rows = Math.min(perWindow, total - row);
      await this.#read(entry, row * rowBytes, this.#window, rows * rowBytes);
      use(this.#window, row, rows);
    }
  }

  async #read(entry: TensorEntry, offset: number, address: number, bytes: number): Promise<void> {
    await yieldToEvents();
    this.#signal?.throwIfAborted();
    await this.#checkpoint.readTensorInto(entry, offset, this.#kernels.heap.bytesAt(address, bytes));
    this.#advance(bytes);
  }

  #advance(bytes: number): void {
    this.#progress.loadedBytes += bytes;
    this.#onProgress?.({ ...this.#progress });
  }

  #refuseNonFinite(entry: TensorEntry): void {
    const count = this.#kernels.takeNonFiniteCount();
    if (count === 0) return;
    throw new RemoraError("BAD_TENSOR", "Cannot load", {
      file: entry.file,
      tensor: entry.name,
      expected: "finite values",
      found: `${count} that are NaN or infinite`,
    });
  }
}
