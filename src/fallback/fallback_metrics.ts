/**
 * What is measured of upstreams and of the model beside them.
 *
 * @module
 */
import type { MetricsRegistry } from "../platform/platform.ts";
import type { AnswerRecord } from "./options.ts";
import type { Upstream } from "./upstream.ts";

/** Seconds. */
const FIRST_BYTE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];
const STATE_VALUES = { closed: 0, "half-open": 1, probing: 1, open: 2 } as const;

/** Counts answers and failures. The label `model_name` is an upstream's address or the name of the local model. */
export class FallbackMetrics {
  readonly #answers;
  readonly #failures;
  readonly #firstByte;
  readonly #localName: string;

  constructor(registry: MetricsRegistry, upstreams: readonly Upstream[], localName: string) {
    this.#localName = localName;
    this.#answers = registry.counter("remora_fallback_answers", "Answers, by who gave them.", "served_by");
    this.#failures = registry.counter("remora_fallback_failures", "Tries that gave no answer.", "reason");
    this.#firstByte = registry.histogram(
      "remora_fallback_first_byte_seconds",
      "Time to the first byte of an answer, failed tries included.",
      FIRST_BYTE_BUCKETS,
    );
    registry.gauge(
      "remora_fallback_circuit",
      "0: requests pass, 1: the upstream is tried again, 2: none is sent.",
      () => upstreams.map(({ name, circuit }) => ({ model: name, value: STATE_VALUES[circuit.state] })),
    );
  }

  answered({ servedBy, upstream, milliseconds }: AnswerRecord): void {
    const name = upstream ?? (servedBy === "local" ? this.#localName : "");
    this.#answers(name, 1, servedBy);
    this.#firstByte(name, milliseconds / 1000);
  }

  failed(upstream: Upstream, reason: string): void {
    this.#failures(upstream.name, 1, reason);
  }
}
