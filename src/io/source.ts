/**
 * Where a model's bytes come from. All other code reads through this one interface, so a directory, a web
 * server and a map in memory load alike.
 *
 * @module
 */

/** Lists names and reads byte ranges; nothing else is asked of a place that holds a model. */
export interface ModelSource {
  /** What error messages call this place, such as the directory as the user wrote it. */
  readonly label?: string;
  /** The local folder, where it is one. */
  readonly folder?: string;
  /** File names with their sizes in bytes, `/`-separated, relative to the model's folder. */
  list(): Promise<ReadonlyMap<string, number>> | ReadonlyMap<string, number>;
  /**
   * Bytes `begin` up to and not including `end` of a listed file. Offsets are plain numbers: files above
   * 4 GiB are ordinary.
   */
  read(name: string, begin: number, end: number): Promise<Uint8Array> | Uint8Array;
  /**
   * Fills `target` with the bytes from `begin` on; optional, saves a copy where the place can do it.
   */
  readInto?(name: string, begin: number, target: Uint8Array): Promise<void> | void;
  /** Closes open files; called once when loading has ended, well or not. */
  close?(): void;
}
