/**
 * What a cache of downloaded files asks of a file system: more than models do, which only read. Within the permissions that were
 * granted; nothing here asks for one.
 *
 * @module
 */
import type { Hash } from "./hash.ts";

/** An entry of a folder, links not followed. */
export interface StoredEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

/** What is at a path, links followed. */
export interface StoredStatus {
  readonly isFile: boolean;
  readonly bytes: number;
  /** Two paths with the same identity lead to the same bytes on disk. */
  readonly identity: string;
}

/** A file that grows at its end; its own process is the only one that writes it. */
export interface GrowingFile extends Disposable {
  /** Bytes so far. */
  readonly size: number;
  append(bytes: Uint8Array): void;
  /** The bytes so far, in pieces. */
  pieces(): Iterable<Uint8Array>;
  /** Forgets all bytes. */
  clear(): void;
  /** Returns when the bytes are on the disk and not only on their way. */
  sync(): void;
}

/** A file system that keeps downloaded files. All but `list`, `status` and `readText` throw a RemoraError when they fail. */
export interface Storage {
  /** Makes a folder and those around it. */
  makeDirectory(path: string): void;
  /** None where there is no such folder or it may not be read. */
  list(path: string): StoredEntry[];
  /** `undefined` where nothing is, or a link leads nowhere, or it may not be known. */
  status(path: string): StoredStatus | undefined;
  /** `undefined` where there is no such file of at most so many bytes. */
  readText(path: string, bytesMax: number): string | undefined;
  /** Writes a file under another name and renames it, so that at any time it is the old one or the new one. */
  writeText(path: string, text: string): void;
  /**
   * Gives a file another name: by a link that says `target`, seen from the folder of `path`. Where such links may not be made (Deno
   * permits them only with all of the file system) both names are those of the same bytes; where there is neither, the file moves.
   */
  link(target: string, path: string): void;
  rename(from: string, to: string): void;
  /** Removes a file, or a folder with all that is in it; links are removed, not what they lead to. */
  remove(path: string): void;
  open(path: string): GrowingFile;
  /** Bytes that may still be written there; `undefined` where that may not be known. */
  freeBytes(path: string): number | undefined;
  /**
   * Takes a lock that ends with the process at the latest: that of Python's `filelock` where the runtime has it.
   *
   * @returns What gives it back; `undefined` while somebody else has it.
   */
  tryLock(path: string): Disposable | undefined;
  /** As `Platform.createHash`, and SHA-1, by which git and the hub name small files. */
  createHash(algorithm: "sha1" | "sha256"): Hash;
}
