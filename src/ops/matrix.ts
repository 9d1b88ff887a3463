/**
 * A matrix is a value: rows of numbers somewhere in one memory. Every operation takes and gives matrices; parts of them are
 * matrices too, so no code above names an address or a stride.
 *
 * @module
 */
import type { Kernels } from "../../kernels/host/kernels.ts";
import { elementBytes, type ElementType } from "../../kernels/host/types.ts";
import type { StoredArray } from "../weights/linear.ts";
import type { Space } from "./space.ts";

/** [rows, columns] in row-major order, its rows `stride` bytes apart. */
export class Matrix {
  readonly space: Space;
  /** Of the first row, in bytes. */
  readonly address: number;
  readonly rows: number;
  readonly columns: number;
  /** Bytes from one row to the next; 0: all rows are the same one. */
  readonly stride: number;
  readonly element: ElementType;

  constructor(
    space: Space,
    address: number,
    rows: number,
    columns: number,
    stride: number,
    element: ElementType = "f32",
  ) {
    this.space = space;
    this.address = address;
    this.rows = rows;
    this.columns = columns;
    this.stride = stride;
    this.element = element;
  }

  /** A new f32 matrix without gaps. */
  static reserve(space: Space, rows: number, columns: number): Matrix {
    return new Matrix(space, space.allocate(rows * columns * 4), rows, columns, columns * 4);
  }

  get kernels(): Kernels {
    return this.space.kernels;
  }

  /** Rows `from` up to and not including `to`. */
  sliceRows(from: number, to = this.rows): Matrix {
    if (from === 0 && to === this.rows) return this;
    const address = this.address + from * this.stride;
    return new Matrix(this.space, address, to - from, this.columns, this.stride, this.element);
  }

  /** Columns `from` up to and not including `to`. */
  sliceColumns(from: number, to = this.columns): Matrix {
    const address = this.address + from * elementBytes(this.element);
    return new Matrix(this.space, address, this.rows, to - from, this.stride, this.element);
  }

  /** A copy of its values, f32 [rows, columns]. Only matrices of f32 without gaps are read. */
  read(): Float32Array {
    return this.#values().slice();
  }

  /** Copies its values; see `read`. */
  readInto(target: Float32Array): void {
    target.set(this.#values());
  }

  /** Replaces its values; see `read`. */
  write(values: Float32Array): void {
    this.#values().set(values);
  }

  /** Makes all values 0; see `read`. */
  clear(): void {
    this.#values().fill(0);
  }

  /** Copies the values of a matrix of the same shape, which may lie in another memory; see `read`. */
  copyFrom(other: Matrix): void {
    this.#values().set(other.#values());
  }

  #values(): Float32Array {
    if (this.element !== "f32" || (this.rows > 1 && this.stride !== this.columns * 4)) {
      throw new Error("only matrices of f32 without gaps are read and written");
    }
    return this.kernels.memory.floatsAt(this.address, this.rows * this.columns);
  }
}

/** `rows` rows of a stored array, beginning with its element `begin`; with `isShared` they all are the first one. */
export function arrayRows(
  space: Space,
  { place, elementType }: StoredArray,
  begin: number,
  rows: number,
  columns: number,
  isShared = false,
): Matrix {
  const bytes = elementBytes(elementType);
  const stride = isShared ? 0 : columns * bytes;
  return new Matrix(space, place.address + begin * bytes, rows, columns, stride, elementType);
}
