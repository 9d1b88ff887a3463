/**
 * Streams planned weights from the checkpoint into kernel memory: windows of a tensor are read straight into a staging area
 * there and packed as the format's recipe says, so no tensor is held a second time outside kernel memory.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import { elementBytes } from "../../kernels/host/types.ts";
import { RemoraError } from "../core/errors.ts";
import type { Checkpoint } from "../formats/containers/checkpoint.ts";
import type { TensorEntry } from "../formats/containers/safetensors.ts";
import type { InputOrder, PackingStep, StagedRows, StoredLinear } from "../formats/stored_linear.ts";
import { elementTypeOf } from "../formats/tensor_checks.ts";
import type { HostEvents } from "../platform/events.ts";
import type { Linear, StoredArray, Vector } from "./linear.ts";
import type { WeightPlan } from "./plan.ts";

/** Bytes read at a time at most, which amortise a read, and at least; in between a share of the model, so that they add little to it. */
const WINDOW_BYTES_MAX = 4 << 20;
const WINDOW_BYTES_MIN = 1 << 17;
const WINDOW_SHARE = 1 / 512;
/** While one window is packed, the next one is read. */
const WINDOWS = 2;

/** Told after each window. */
export interface LoadProgress {
  /** Bytes of the checkpoint read so far, and in all. */
  loadedBytes: number;
  /** See `loadedBytes`. */
  totalBytes: number;
}

/** How to load. */
export interface WeightLoadOptions {
  /** The kernels in whose memory a part will lie. */
  kernelsOf(part: string): Kernels;
  events: HostEvents;
  onProgress?(progress: LoadProgress): void;
  /** Told of tensors that cannot be meant and are not used. */
  onNotice?(text: string): void;
  signal?: AbortSignal;
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
  options: WeightLoadOptions,
): Promise<void> {
  const staging = stagingOf(plan);
  const progress: LoadProgress = { loadedBytes: 0, totalBytes: storedBytes(plan) };
  const loaders = new Map<Kernels, Loader>();
  const loaderOf = ({ part }: { part: string }) => {
    const kernels = options.kernelsOf(part);
    let loader = loaders.get(kernels);
    if (!loader) loaders.set(kernels, loader = new Loader(checkpoint, kernels, staging, progress, options));
    return loader;
  };
  for (const linear of plan.linearLayers()) await loaderOf(linear).linear(linear);
  for (const vector of plan.vectors.values()) await loaderOf(vector).vector(vector);
  for (const array of plan.arrays.values()) await loaderOf(array).array(array);
  for (const loader of loaders.values()) loader.finish();
}

/** Bytes that loading needs in each memory besides the weights: windows, and room for the largest tensor that is read whole. */
export function stagingBytes(plan: WeightPlan): number {
  const { window, whole } = stagingOf(plan);
  return WINDOWS * window + whole;
}

interface Staging {
  /** Bytes of a window. */
  readonly window: number;
  /** Of the largest tensor that is read whole and is longer; 0: there is none. */
  readonly whole: number;
}

function stagingOf(plan: WeightPlan): Staging {
  const window = windowBytes(plan);
  const whole = [...tensorsReadWhole(plan, window)].reduce(
    (most, { begin, end }) => Math.max(most, end - begin),
    0,
  );
  return { window, whole: whole > window ? whole : 0 };
}

/** All tensors that may be: in which order inputs lie is known only when the tensor that says so was read. */
function* tensorsReadWhole(plan: WeightPlan, window: number): Generator<TensorEntry> {
  for (const { tensor, windows, order } of storedSteps(plan)) {
    if (!windows || order || rowsIn(window, windows) === 0) yield tensor;
  }
  for (const { stored: { bias } } of plan.linearLayers()) if (bias) yield bias;
  for (const { stored } of plan.vectors.values()) yield stored;
}

function storedBytes(plan: WeightPlan): number {
  return [...plan.storedTensors()].reduce((sum, { begin, end }) => sum + end - begin, 0);
}

/** The steps of all linear layers as if their inputs kept their order, and the order that they may have. */
function* storedSteps(plan: WeightPlan): Generator<PackingStep & Pick<StoredLinear, "order">> {
  for (const { stored } of plan.linearLayers()) {
    for (const step of stored.steps(undefined)) yield { ...step, order: stored.order };
  }
}

function windowBytes(plan: WeightPlan): number {
  let least = Math.max(WINDOW_BYTES_MIN, storedBytes(plan) * WINDOW_SHARE);
  for (const { windows } of storedSteps(plan)) {
    if (windows) least = Math.max(least, windows.rowBytes * windows.multiple);
  }
  // Each begins with a cache line, as pieces of memory do.
  return Math.min(WINDOW_BYTES_MAX, Math.ceil(least / 64) * 64);
}

/** Rows of a tensor that are read at a time; 0 where the fewest that can be packed are too many. */
function rowsIn(window: number, { rowBytes, multiple }: NonNullable<PackingStep["windows"]>): number {
  return Math.floor(window / rowBytes / multiple) * multiple;
}

/** Loads into one memory. */
class Loader {
  readonly #checkpoint: Checkpoint;
  readonly #kernels: Kernels;
  readonly #staging: Staging;
  readonly #window: number;
  /** Room for tensors that are read whole, from the first one on. */
  #whole = 0;
  readonly #options: WeightLoadOptions;
  readonly #progress: LoadProgress;

  constructor(
    checkpoint: Checkpoint,
    kernels: Kernels,
    staging: Staging,
    progress: LoadProgress,
    options: WeightLoadOptions,
  ) {
    this.#checkpoint = checkpoint;
    this.#kernels = kernels;
    this.#options = options;
    this.#staging = staging;
    this.#window = kernels.memory.allocate(WINDOWS * staging.window, false);
    this.#progress = progress;
  }

  finish(): void {
    const { memory } = this.#kernels, { window, whole } = this.#staging;
    memory.free(this.#window, WINDOWS * window);
    if (this.#whole) memory.free(this.#whole, whole);
  }

  async vector(vector: Vector): Promise<void> {
    const address = this.#kernels.memory.allocate(vector.bytes);
    vector.place = { kernels: this.#kernels, address };
    await this.#widen(vector.stored, address, vector.length, vector.offset);
  }

  async array(array: StoredArray): Promise<void> {
    const { stored, elementType, bytes } = array;
    const address = this.#kernels.memory.allocate(bytes);
    array.place = { kernels: this.#kernels, address };
    const rowBytes = elementBytes(elementType);
    await this.#windows(stored, { rowBytes, multiple: 1 }, ({ address: source, begin, count }) => {
      const target = address + begin * rowBytes;
      this.#kernels.copyFloats({ source, sourceType: elementType, count, target });
    });
    this.#refuseNonFinite(stored);
  }

  async linear(linear: Linear): Promise<void> {
    const { stored, planned, outputs } = linear;
    const order = await this.#readOrder(stored);
    const form = order
      ? { ...planned, group: order.group, packedInputs: order.indices.length, hasOrder: true }
      : planned;
    const { memory } = this.#kernels;
    const packed = linear.place(this.#kernels, form, (bytes) => memory.allocate(bytes));
    if (order) memory.wordsAt(packed.order, order.indices.length).set(order.indices);
    for (const { tensor, windows, pack } of stored.steps(order)) {
      const use = (rows: StagedRows) => pack(this.#kernels, rows, { form, arrays: packed });
      if (windows) await this.#windows(tensor, windows, use);
      else await this.#readWhole(tensor, (address) => use({ address, begin: 0, count: 1 }));
      this.#refuseNonFinite(tensor);
    }
    if (stored.bias) await this.#widen(stored.bias, packed.bias, outputs, 0);
  }

  async #readOrder({ order }: StoredLinear): Promise<InputOrder | undefined> {
    if (!order) return undefined;
    const { tensor } = order;
    const bytes = new Uint8Array(tensor.end - tensor.begin);
    await this.#checkpoint.readTensorInto(tensor, 0, bytes);
    this.#advance(bytes.length);
    const index = tensor.dtype === "I64"
      ? Array.from(new BigInt64Array(bytes.buffer), Number)
      : new Int32Array(bytes.buffer);
    return order.read(index, this.#options.onNotice);
  }

  async #widen(tensor: TensorEntry, target: number, count: number, offset: number): Promise<void> {
    const sourceType = elementTypeOf(tensor);
    await this.#readWhole(
      tensor,
      (source) => this.#kernels.widen({ source, sourceType, count, offset, target }),
    );
    this.#refuseNonFinite(tensor);
  }

  /** Reads the tensor whole and hands it to `use`. */
  async #readWhole(tensor: TensorEntry, use: (address: number) => void): Promise<void> {
    await this.#options.events.pauseWhenDue();
    const bytes = tensor.end - tensor.begin, { window, whole } = this.#staging;
    if (bytes > window) this.#whole ||= this.#kernels.memory.allocate(whole, false);
    const address = bytes > window ? this.#whole : this.#window;
    await this.#read(tensor, 0, address, bytes);
    use(address);
  }

  /** Reads the tensor in windows of whole rows, `multiple` at a time, and hands each to `use`, which may not allocate. */
  async #windows(
    tensor: TensorEntry,
    windows: NonNullable<PackingStep["windows"]>,
    use: (rows: StagedRows) => void,
  ): Promise<void> {
    const { rowBytes } = windows;
    const total = (tensor.end - tensor.begin) / rowBytes, perWindow = rowsIn(this.#staging.window, windows);
    if (perWindow === 0) {
      await this.#readWhole(tensor, (address) => use({ address, begin: 0, count: total }));
      return;
    }
    const read = async (index: number) => {
      const address = this.#window + index % WINDOWS * this.#staging.window;
      const begin = index * perWindow, count = Math.min(perWindow, total - begin);
      await this.#read(tensor, begin * rowBytes, address, count * rowBytes);
      return { address, begin, count };
    };
    const count = Math.ceil(total / perWindow);
    let next: Promise<StagedRows> | undefined = total > 0 ? read(0) : undefined;
    try {
      for (let index = 1; next !== undefined; index++) {
        const rows: StagedRows = await next;
        next = undefined;
        await this.#options.events.pauseWhenDue();
        this.#kernels.beside(() => next = index < count ? read(index) : undefined, () => use(rows));
      }
    } finally {
      // Where packing fails, a read may still be on its way.
      await next?.catch(() => {});
    }
  }

  async #read(tensor: TensorEntry, offset: number, address: number, bytes: number): Promise<void> {
    this.#options.signal?.throwIfAborted();
    await this.#checkpoint.readTensorInto(tensor, offset, this.#kernels.memory.bytesAt(address, bytes));
    this.#advance(bytes);
  }

  #advance(bytes: number): void {
    this.#progress.loadedBytes += bytes;
    this.#options.onProgress?.({ ...this.#progress });
  }

  #refuseNonFinite(tensor: TensorEntry): void {
    const count = this.#kernels.takeNonFiniteCount();
    if (count === 0) return;
    throw new RemoraError("BAD_TENSOR", "Cannot load", {
      file: tensor.file,
      tensor: tensor.name,
      expected: "finite values",
      found: `${count} that are NaN or infinite, or scales beyond the largest f16`,
    });
  }
}
