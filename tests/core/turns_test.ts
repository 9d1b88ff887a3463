/** Turns: one at a time, in the order of coming, whoever fails or gives up on the way. */
import assert from "node:assert/strict";
import { Turns } from "../../src/core/turns.ts";

const turnOfEvents = () => new Promise((resolve) => setTimeout(resolve, 1));

Deno.test("turns never overlap and keep the order of coming, failures among them", async () => {
  const turns = new Turns();
  const log: string[] = [];
  const results = ["a", "b", "c", "d"].map((name) =>
    turns.take(async () => {
      log.push(`${name} begins`);
      await turnOfEvents();
      log.push(`${name} ends`);
      if (name === "b") throw new Error(name);
      return name;
    })
  );
  const settled = await Promise.allSettled(results);
  assert.deepEqual(settled.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  assert.deepEqual(log, ["a", "b", "c", "d"].flatMap((name) => [`${name} begins`, `${name} ends`]));
});

Deno.test("who waits gives up the place at the signal, at once, and nobody else loses theirs", async () => {
  const turns = new Turns();
  const reason = new Error("enough");
  const controller = new AbortController();
  const { promise: held, resolve: leave } = Promise.withResolvers<void>();
  const order: number[] = [];
  const first = turns.take(() => held);
  const second = turns.take(() => order.push(2), controller.signal);
  const third = turns.take(() => order.push(3));
  controller.abort(reason);
  await assert.rejects(second, reason);
  await turnOfEvents();
  assert.deepEqual(order, [], "the first still holds the turn");
  leave();
  await Promise.all([first, third]);
  assert.deepEqual(order, [3]);
  await assert.rejects(turns.take(() => assert.fail("never"), AbortSignal.abort(reason)), reason);
});

Deno.test("a turn that was entered lasts until it is disposed; who is aborted meanwhile loses its place", async () => {
  const turns = new Turns();
  const order: string[] = [];
  const first = await turns.enter();
  const controller = new AbortController();
  const second = turns.enter(controller.signal).catch((reason) => void order.push(`second: ${reason}`));
  const third = turns.enter().then((turn) => {
    order.push("third");
    return turn;
  });
  controller.abort("gone");
  await second;
  order.push("first leaves");
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  assert.deepEqual(order, ["second: gone", "first leaves", "third"]);
  await assert.rejects(turns.enter(AbortSignal.abort(new Error("too late"))), /too late/);
  (await turns.enter())[Symbol.dispose]();
});
