/**
 * What a model takes from its checkpoint: linear layers, vectors and arrays, planned from headers and given their places in
 * kernel memory when they are loaded.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import { type LinearBytes, linearBytes, type LinearForm } from "../../kernels/host/sizes.ts";
import type { ElementType } from "../../kernels/host/types.ts";
import type { TensorEntry } from "../formats/containers/safetensors.ts";
import { formInMemory, type LinearArrays, type StoredLinear } from "../formats/stored_linear.ts";

/** A linear layer in kernel memory: addresses of its arrays, 0 for those that are not there. */
export interface PackedLinear extends LinearArrays {
  readonly kernels: Kernels;
  readonly form: LinearForm;
}

/** An array in kernel memory. */
export interface ArrayPlace {
  readonly kernels: Kernels;
  readonly address: number;
}

/** A linear layer W [outputs, inputs], whatever the checkpoint stored. */
export class Linear {
  readonly name: string;
  /** What it lies together with in one memory; see `WeightPlan.part`. */
  readonly part: string;
  readonly inputs: number;
  readonly stored: StoredLinear;
  /** As it will lie in memory if its inputs keep their order. */
  readonly planned: LinearForm;
  #packed?: PackedLinear;

  constructor(
    name: string,
    part: string,
    inputs: number,
    stored: StoredLinear,
    scaleType: LinearForm["scaleType"],
    takesBytes = false,
  ) {
    this.name = name;
    this.part = part;
    this.inputs = inputs;
    this.stored = stored;
    const form = scaleType === "f16" && takesBytes && stored.byteForm || stored.form;
    this.planned = formInMemory(form, scaleType);
  }

  get outputs(): number {
    return this.stored.form.outputs;
  }

  /** As it lies in memory; before it is loaded, as planned. */
  get form(): LinearForm {
    return this.#packed?.form ?? this.planned;
  }

  /** Bytes in kernel memory. */
  get bytes(): number {
    return sumOf(linearBytes(this.form));
  }

  /** Where it lies; only loaded layers have a place. */
  get packed(): PackedLinear {
    if (this.#packed) return this.#packed;
    throw new Error(`${this.name} is not loaded`);
  }

  /**
   * Reserves its arrays.
   *
   * @param form Another form than the planned one, for inputs in an order of their own.
   * @param allocate Gives address 0 for 0 bytes.
   */
  place(kernels: Kernels, form: LinearForm, allocate: (bytes: number) => number): PackedLinear {
    const bytes = linearBytes(form);
    const [bias, order, weights, scales, zeros, offsets, units] = [
      bytes.bias,
      bytes.order,
      bytes.weights,
      bytes.scales,
      bytes.zeros,
      bytes.offsets,
      bytes.units,
    ].map(allocate);
    return this.#packed = { kernels, form, bias, order, weights, scales, zeros, offsets, units };
  }
}

/** A vector (a norm's weight, a gate) that becomes f32 [length]. */
export class Vector {
  readonly name: string;
  readonly part: string;
  readonly stored: TensorEntry;
  readonly length: number;
  /** Added to every element: 1 where the file holds w − 1. */
  readonly offset: number;
  #place?: ArrayPlace;

  constructor(name: string, part: string, stored: TensorEntry, length: number, offset: number) {
    this.name = name;
    this.part = part;
    this.stored = stored;
    this.length = length;
    this.offset = offset;
  }

  get bytes(): number {
    return this.length * 4;
  }

  get place(): ArrayPlace {
    return requirePlace(this.#place, this.name);
  }

  set place(place: ArrayPlace) {
    this.#place = place;
  }

  /** A copy of its values. */
  read(): Float32Array {
    const { kernels, address } = this.place;
    return kernels.memory.floatsAt(address, this.length).slice();
  }
}

/** An array that stays as it is stored, row-major. */
export class StoredArray {
  readonly name: string;
  readonly part: string;
  readonly stored: TensorEntry;
  readonly elementType: ElementType;
  #place?: ArrayPlace;

  constructor(name: string, part: string, stored: TensorEntry, elementType: ElementType) {
    this.name = name;
    this.part = part;
    this.stored = stored;
    this.elementType = elementType;
  }

  get bytes(): number {
    return this.stored.end - this.stored.begin;
  }

  get place(): ArrayPlace {
    return requirePlace(this.#place, this.name);
  }

  set place(place: ArrayPlace) {
    this.#place = place;
  }
}

function requirePlace(place: ArrayPlace | undefined, name: string): ArrayPlace {
  if (place) return place;
  throw new Error(`${name} is not loaded`);
}

function sumOf(bytes: LinearBytes): number {
  return Object.values(bytes).reduce((sum, count) => sum + count, 0);
}
