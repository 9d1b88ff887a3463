/**
 * An answer as blocks: stretches of one kind, one after the other.
 *
 * @module
 */
import type { AnswerPart } from "../../dialects/answer_parts.ts";
import { newId } from "./ids.ts";

/** A stretch of an answer. */
export interface Block {
  readonly index: number;
  readonly kind: "text" | "reasoning" | "call";
  /** Names the block, and of a call what its result will refer to. */
  readonly id: string;
  readonly name?: string;
  /** All of it so far. */
  text: string;
}

/** What happens to a block. */
export type BlockEvent =
  | { type: "open"; block: Block }
  | { type: "close"; block: Block }
  | { type: "delta"; block: Block; text: string };

/** Collects blocks and says what happens to them. */
export class Blocks {
  readonly all: Block[] = [];
  readonly #idOf: (kind: Block["kind"]) => string;
  #open?: Block;

  /** @param idOf Makes the id of a block. */
  constructor(idOf: (kind: Block["kind"]) => string = () => newId("call_")) {
    this.#idOf = idOf;
  }

  *push(parts: readonly AnswerPart[]): Generator<BlockEvent, void, void> {
    for (const part of parts) {
      const kind = part.type === "arguments" ? "call" : part.type;
      if (part.type === "call" || this.#open?.kind !== kind) {
        yield* this.#begin(kind, part.type === "call" ? part.name : undefined);
      }
      if (part.type === "call") continue;
      const block = this.#open!;
      block.text += part.text;
      yield { type: "delta", block, text: part.text };
    }
  }

  /** Closes the last block. An answer without any has an empty text. */
  *end(): Generator<BlockEvent, void, void> {
    if (this.all.length === 0) yield* this.#begin("text");
    yield* this.#close();
  }

  *#begin(kind: Block["kind"], name?: string): Generator<BlockEvent, void, void> {
    yield* this.#close();
    const block: Block = { index: this.all.length, kind, id: this.#idOf(kind), name, text: "" };
    this.all.push(block);
    this.#open = block;
    yield { type: "open", block };
  }

  *#close(): Generator<BlockEvent, void, void> {
    const block = this.#open;
    if (!block) return;
    this.#open = undefined;
    if (block.kind === "call" && block.text === "") {
      block.text = "{}";
      yield { type: "delta", block, text: "{}" };
    }
    yield { type: "close", block };
  }
}
