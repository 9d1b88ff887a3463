/**
 * Keeps requests away from a server that fails.
 *
 * @module
 */

/**
 * closed: requests pass. open: none does. probing: one request waits for a probe, the others stay away. half-open: the probe
 * succeeded and requests pass; the first outcome decides.
 */
export type CircuitState = "closed" | "open" | "probing" | "half-open";

/** When a circuit opens, and for how long. */
export interface CircuitRules {
  readonly circuitFailures: number;
  readonly circuitWindowMilliseconds: number;
  readonly circuitOpenMilliseconds: number;
}

/** Outcomes that are remembered: with more in a window the older ones say nothing new. */
const OUTCOMES_MAX = 1_000;

/** How a request ended. */
export interface Outcome {
  readonly at: number;
  isFailure: boolean;
}

/** One server's circuit. */
export class CircuitBreaker {
  readonly #rules: CircuitRules;
  readonly #now: () => number;
  readonly #onChange: (state: CircuitState, reason?: string) => void;
  #state: CircuitState = "closed";
  #openUntil = 0;
  #outcomes: Outcome[] = [];

  /** @param now Milliseconds; a test has a clock of its own. */
  constructor(
    rules: CircuitRules,
    onChange: (state: CircuitState, reason?: string) => void = () => {},
    now: () => number = () => performance.now(),
  ) {
    this.#rules = rules;
    this.#onChange = onChange;
    this.#now = now;
  }

  get state(): CircuitState {
    return this.#state;
  }

  /** What a request may do now. Who is told to probe must call {@linkcode probed}. */
  admit(): "pass" | "probe" | "refuse" {
    if (this.#state === "closed" || this.#state === "half-open") return "pass";
    if (this.#state === "probing" || this.#now() < this.#openUntil) return "refuse";
    this.#set("probing");
    return "probe";
  }

  probed(isAlive: boolean): void {
    if (this.#state !== "probing") return;
    if (isAlive) this.#set("half-open");
    else this.#open(this.#rules.circuitOpenMilliseconds, "probe failed");
  }

  /** An answer has begun. What is returned takes that back, should it break off. */
  succeeded(): Outcome {
    const outcome = this.#remember(false);
    // A request from before the circuit opened says nothing of the server as it is now.
    if (this.#state === "half-open") this.#close();
    return outcome;
  }

  /**
   * @param openMilliseconds The server asked to be left alone for so long.
   * @param begun What {@linkcode succeeded} returned for the answer that broke off.
   */
  failed(
    reason: string,
    { openMilliseconds, begun }: { openMilliseconds?: number; begun?: Outcome } = {},
  ): void {
    if (begun) begun.isFailure = true;
    else this.#remember(true);
    if (openMilliseconds !== undefined) return this.#open(openMilliseconds, reason);
    if (this.#state === "half-open") return this.#open(this.#rules.circuitOpenMilliseconds, reason);
    if (this.#state !== "closed") return;
    const failures = this.#outcomes.filter(({ isFailure }) => isFailure).length;
    const { circuitFailures, circuitOpenMilliseconds } = this.#rules;
    // Requests that make a healthy server fail must not take it away from everybody.
    if (failures >= circuitFailures && 2 * failures >= this.#outcomes.length) {
      this.#open(circuitOpenMilliseconds, reason);
    }
  }

  #remember(isFailure: boolean): Outcome {
    const at = this.#now();
    const since = at - this.#rules.circuitWindowMilliseconds;
    const outcome = { at, isFailure };
    this.#outcomes.push(outcome);
    if (this.#outcomes.length > OUTCOMES_MAX || this.#outcomes[0].at < since) {
      this.#outcomes = this.#outcomes.slice(-OUTCOMES_MAX).filter((outcome) => outcome.at >= since);
    }
    return outcome;
  }

  #open(milliseconds: number, reason: string): void {
    this.#openUntil = this.#now() + milliseconds;
    this.#set("open", reason);
  }

  #close(): void {
    this.#outcomes = [];
    this.#set("closed");
  }

  #set(state: CircuitState, reason?: string): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#onChange(state, reason);
  }
}
