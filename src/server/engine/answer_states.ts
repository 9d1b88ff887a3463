/**
 * States of answers in pieces: what a client sends back so that its answer goes on, here or in another process.
 *
 *     OFFSET  SIZE  DESCRIPTION
 *          0     8  "REMORAAN"
 *          8     4  version, u32 little-endian
 *         12     4  bytes of the description D, u32
 *         16     D  description, JSON
 *          …        a snapshot of the sequence (src/sequence/snapshot.ts)
 *        −32    32  HMAC-SHA-256 of everything before
 *
 * @module
 */
import { fromBase64, toBase64, toHex } from "../../core/bytes_as_text.ts";
import { RemoraError } from "../../core/errors.ts";
import { checkBudget } from "../../generation/check_request.ts";
import type { BegunAnswer, Budget } from "../../generation/requests.ts";
import { type ApiError, badRequest } from "../api_error.ts";
import { newId } from "../http/ids.ts";
import {
  BODY_BYTES_MAX,
  type ServerOptions,
  STATE_KEY_BYTES_MIN,
  STATE_SECONDS_DEFAULT,
  type StateStore,
} from "../options.ts";

/** The field of a request that holds a state. */
const FIELD = "remora_state";
const MAGIC = "REMORAAN";
const VERSION = 1;
const VERSION_AT = 8;
const LENGTH_AT = 12;
const DESCRIPTION_AT = 16;
const MAC_BYTES = 32;
const HMAC = { name: "HMAC", hash: "SHA-256" };
/** Of a state that a store keeps. */
const ID_PREFIX = "state_";
const ID = /^state_[0-9A-Za-z]{24}$/;
/** Share of a body that a state in it may have: what base64 makes of it must fit into the next request, with that itself. */
const INLINE_SHARE = 1 / 2;

/** What a state says besides its snapshot. */
interface Description {
  /** Digest of the request, the model's name included. */
  request: string;
  /** Seconds since 1970. */
  expires: number;
  begun: BegunAnswer;
}

/** An answer, or the next piece of one. */
export interface Piece {
  budget: Budget;
  /** Of an answer that was begun: the answer so far, and the sequence that holds it. */
  earlier?: { begun: BegunAnswer; snapshot: Uint8Array };
  /** Makes what the client sends back. */
  seal(begun: BegunAnswer, snapshot: Uint8Array): Promise<string>;
}

/** Begins pieces, makes states and reads them. */
export class AnswerStates {
  readonly budget: Budget;
  readonly #key: Uint8Array<ArrayBuffer>;
  readonly #seconds: number;
  readonly #store?: StateStore;
  /** Bytes of a state that goes to a client. */
  readonly #inlineBytesMax: number;
  #imported?: Promise<CryptoKey>;

  /** @throws {RemoraError} BAD_ARGUMENT for a budget that counts nothing, or a key that is missing or short. */
  constructor(budget: Budget, options: ServerOptions) {
    const { stateKey, states, stateSeconds = STATE_SECONDS_DEFAULT, maxBodyBytes = BODY_BYTES_MAX } = options;
    checkBudget(budget);
    this.budget = { tokens: budget.tokens, promptTokens: budget.promptTokens };
    this.#inlineBytesMax = maxBodyBytes * INLINE_SHARE;
    const key = typeof stateKey === "string" ? new TextEncoder().encode(stateKey) : stateKey?.slice();
    if (!key || key.length < STATE_KEY_BYTES_MIN) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot serve with a budget", {
        expected: `a stateKey of ${STATE_KEY_BYTES_MIN} bytes or more, which signs the states of answers`,
        found: key ? `${key.length} bytes` : "none",
      });
    }
    if (!(stateSeconds > 0)) {
      throw new RemoraError("BAD_ARGUMENT", "Cannot use stateSeconds", {
        expected: "a number above 0",
        found: `${stateSeconds}`,
      });
    }
    this.#key = key;
    this.#seconds = stateSeconds;
    this.#store = states;
  }

  /**
   * The first piece of an answer to a request, or the next one where the request holds a state.
   *
   * @param about What all requests for the answer have in common.
   * @throws {ApiError} 400 for a state that is forged, damaged, too old or of another request.
   */
  async begin(about: unknown, state: string | null | undefined): Promise<Piece> {
    const request = await digestOf(about);
    return {
      budget: this.budget,
      ...(state != null && { earlier: await this.#open(state, request) }),
      seal: (begun, snapshot) => this.#seal(request, begun, snapshot),
    };
  }

  async #seal(request: string, begun: BegunAnswer, snapshot: Uint8Array): Promise<string> {
    const description: Description = { request, expires: now() + this.#seconds, begun };
    const text = new TextEncoder().encode(JSON.stringify(description));
    const end = DESCRIPTION_AT + text.length + snapshot.length;
    const most = this.#inlineBytesMax;
    if (!this.#store && end + MAC_BYTES > most) throw tooLarge(end + MAC_BYTES, most);
    const sealed = new Uint8Array(end + MAC_BYTES);
    const view = new DataView(sealed.buffer);
    sealed.set(new TextEncoder().encode(MAGIC));
    view.setUint32(VERSION_AT, VERSION, true);
    view.setUint32(LENGTH_AT, text.length, true);
    sealed.set(text, DESCRIPTION_AT);
    sealed.set(snapshot, DESCRIPTION_AT + text.length);
    const mac = await crypto.subtle.sign("HMAC", await this.#hmacKey(), sealed.subarray(0, end));
    sealed.set(new Uint8Array(mac), end);
    if (!this.#store) return toBase64(sealed).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    const id = newId(ID_PREFIX);
    await this.#store.put(id, sealed, this.#seconds);
    return id;
  }

  /** @throws {ApiError} 400, saying why the state is refused. */
  async #open(state: string, request: string): Promise<NonNullable<Piece["earlier"]>> {
    const bytes = await this.#bytesOf(state);
    const end = bytes.length - MAC_BYTES;
    const isOurs = end > DESCRIPTION_AT &&
      await crypto.subtle.verify("HMAC", await this.#hmacKey(), bytes.subarray(end), bytes.subarray(0, end));
    if (!isOurs) throw refusal("it is damaged, or was not made by this server");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const contentsAt = DESCRIPTION_AT + view.getUint32(LENGTH_AT, true);
    // Signed by this key, so it is as it was written; but a version that is older may have written it.
    if (view.getUint32(VERSION_AT, true) !== VERSION) {
      throw refusal("it is of another version of this server");
    }
    const text = new TextDecoder().decode(bytes.subarray(DESCRIPTION_AT, contentsAt));
    const description: Description = JSON.parse(text);
    if (description.request !== request) throw refusal("it belongs to another request or model");
    if (description.expires < now()) throw refusal(`it is older than ${this.#seconds} s`, "state_expired");
    return { begun: description.begun, snapshot: bytes.subarray(contentsAt, end) };
  }

  async #bytesOf(state: string): Promise<Uint8Array<ArrayBuffer>> {
    if (!this.#store) {
      try {
        if (/[^\w-]/.test(state)) throw new Error("other characters");
        return fromBase64(state.replaceAll("-", "+").replaceAll("_", "/"));
      } catch {
        throw refusal("it is no base64url");
      }
    }
    if (!ID.test(state)) throw refusal("it is no name of one");
    const kept = await this.#store.get(state);
    if (kept == null) throw refusal("it is not kept any more", "state_expired");
    return kept instanceof Uint8Array ? kept as Uint8Array<ArrayBuffer> : new Uint8Array(kept);
  }

  #hmacKey(): Promise<CryptoKey> {
    return this.#imported ??= crypto.subtle.importKey("raw", this.#key, HMAC, false, ["sign", "verify"]);
  }
}

/** Why a state is refused. */
export function refusal(reason: string, code = "invalid_state"): ApiError {
  return badRequest(`Cannot go on from '${FIELD}': ${reason}.`, FIELD, code);
}

/**
 * Whoever is answered in one piece must stay within a budget.
 *
 * @throws {ApiError} 400 for more tokens.
 */
export function requireWithin(budget: Budget, promptTokens: number, tokens: number): void {
  const found = promptTokens > budget.promptTokens
    ? `${promptTokens} tokens of prompt, at most ${budget.promptTokens}`
    : tokens > budget.tokens
    ? `${tokens < Infinity ? tokens : "any number of"} tokens of answer, at most ${budget.tokens}`
    : undefined;
  if (found === undefined) return;
  throw badRequest(
    `This server has a budget: asked for ${found} here; /v1/chat/completions and /v1/completions answer in pieces.`,
    undefined,
    "budget_exceeded",
  );
}

function tooLarge(bytes: number, most: number): ApiError {
  return badRequest(
    `The answer is longer than the budget, and its state of ${bytes} bytes does not fit into a request: ` +
      `at most ${most} bytes where the server has no store for states.`,
    undefined,
    "state_too_large",
  );
}

async function digestOf(about: unknown): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(about));
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}
