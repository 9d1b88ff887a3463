/**
 * When a circuit opens and closes, with a clock of the test's own.
 */
import { deepEqual, equal } from "node:assert/strict";
import { CircuitBreaker } from "../../src/fallback/circuit_breaker.ts";

const RULES = { circuitFailures: 3, circuitWindowMilliseconds: 10_000, circuitOpenMilliseconds: 5_000 };

function circuit() {
  const clock = { now: 0 };
  const states: string[] = [];
  const breaker = new CircuitBreaker(RULES, (state) => states.push(state), () => clock.now);
  return { clock, states, breaker };
}

Deno.test("failures within the window open the circuit; a probe and a success close it", () => {
  const { clock, states, breaker } = circuit();
  for (let i = 0; i < 3; i++) {
    equal(breaker.admit(), "pass");
    breaker.failed("status_500");
  }
  equal(breaker.admit(), "refuse");
  clock.now = 4_999;
  equal(breaker.admit(), "refuse");
  clock.now = 5_000;
  equal(breaker.admit(), "probe");
  equal(breaker.admit(), "refuse");
  breaker.probed(true);
  equal(breaker.admit(), "pass");
  breaker.succeeded();
  deepEqual(states, ["open", "probing", "half-open", "closed"]);
});

Deno.test("a probe that fails, or the first request after it, keeps the circuit open", () => {
  const { clock, states, breaker } = circuit();
  for (let i = 0; i < 3; i++) breaker.failed("silent");
  clock.now = 5_000;
  equal(breaker.admit(), "probe");
  breaker.probed(false);
  clock.now = 9_999;
  equal(breaker.admit(), "refuse");
  clock.now = 10_000;
  equal(breaker.admit(), "probe");
  breaker.probed(true);
  breaker.failed("status_500");
  equal(breaker.admit(), "refuse");
  deepEqual(states, ["open", "probing", "open", "probing", "half-open", "open"]);
});

Deno.test("failures that are far apart, or few among successes, open nothing", () => {
  const { clock, states, breaker } = circuit();
  for (let i = 0; i < 20; i++) {
    breaker.failed("status_500");
    clock.now += 5_001;
  }
  for (let i = 0; i < 20; i++) {
    breaker.succeeded();
    breaker.succeeded();
    breaker.failed("status_500");
    clock.now += 100;
  }
  deepEqual(states, []);
});

Deno.test("answers that break off are failures and no successes", () => {
  const { states, breaker } = circuit();
  for (let i = 0; i < 3; i++) breaker.failed("connection_reset", { begun: breaker.succeeded() });
  deepEqual(states, ["open"]);
});

Deno.test("Retry-After opens at once and for so long; a late success of before changes nothing", () => {
  const { clock, states, breaker } = circuit();
  breaker.failed("status_503", { openMilliseconds: 2_000 });
  breaker.succeeded();
  clock.now = 1_999;
  equal(breaker.admit(), "refuse");
  clock.now = 2_000;
  equal(breaker.admit(), "probe");
  deepEqual(states, ["open", "probing"]);
});
