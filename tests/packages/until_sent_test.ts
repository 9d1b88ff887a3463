/**
 * examples/cloudflare/until_sent.js on streams alone; attack_test.ts has it in workerd.
 */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { untilSent } from "../../examples/cloudflare/until_sent.js";

const FIRST = new Uint8Array([1, 2, 3]);

/** What a Worker is given: what its request waits for. */
function contextOf(
  waiting: Promise<unknown>[],
): { waitUntil(work: Promise<unknown>): void } {
  return { waitUntil: (work) => void waiting.push(work) };
}

Deno.test("untilSent(): an answer arrives whole, and its request ends with it", async () => {
  const waiting: Promise<unknown>[] = [];
  const answer = new Response("an answer", {
    status: 201,
    headers: { "x-kept": "yes" },
  });
  const response = await untilSent(Promise.resolve(answer), contextOf(waiting));
  deepEqual([response.status, response.headers.get("x-kept")], [201, "yes"]);
  equal(await response.text(), "an answer");
  await Promise.all(waiting);
});

Deno.test("untilSent(): a client that leaves cancels the answer", async () => {
  const waiting: Promise<unknown>[] = [];
  let isCancelled = false;
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(FIRST),
    cancel: () => void (isCancelled = true),
  });
  const response = await untilSent(
    Promise.resolve(new Response(body)),
    contextOf(waiting),
  );
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  await Promise.all(waiting);
  equal(isCancelled, true);
});

Deno.test("untilSent(): an answer that breaks off is an error, not an answer without an end", async () => {
  const waiting: Promise<unknown>[] = [];
  let isBegun = false;
  const body = new ReadableStream({
    pull(controller) {
      if (isBegun) controller.error(new Error("broken off"));
      else controller.enqueue(FIRST);
      isBegun = true;
    },
  });
  const response = await untilSent(
    Promise.resolve(new Response(body)),
    contextOf(waiting),
  );
  await rejects(response.arrayBuffer(), /broken off/);
  await Promise.all(waiting);
});
