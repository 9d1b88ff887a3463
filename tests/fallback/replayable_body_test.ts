/**
 * A body is read once and can be sent again, while it is small enough.
 */
import { deepEqual, equal, rejects } from "node:assert/strict";
import { ReplayableBody } from "../../src/fallback/replayable_body.ts";

function source(count: number) {
  let pulled = 0;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (pulled === count) controller.close();
      else controller.enqueue(new Uint8Array([pulled++]));
    },
  }, { highWaterMark: 0 });
  return {
    stream,
    get pulled() {
      return pulled;
    },
  };
}

async function read(body: AsyncIterable<Uint8Array>): Promise<number[]> {
  const bytes: number[] = [];
  for await (const piece of body) bytes.push(...piece);
  return bytes;
}

Deno.test("nothing is read before somebody asks, and everything can be read again", async () => {
  const from = source(5);
  const body = new ReplayableBody(from.stream, 100);
  equal(from.pulled, 0);
  const first = body.stream();
  await first.next();
  await first.next();
  equal(from.pulled, 2);
  deepEqual(await read(body.stream()), [0, 1, 2, 3, 4]);
  deepEqual(await body.bytes(), new Uint8Array([0, 1, 2, 3, 4]));
});

Deno.test("two readers at once share what comes", async () => {
  const body = new ReplayableBody(source(50).stream, 100);
  const [a, b] = await Promise.all([read(body.stream()), read(body.stream())]);
  deepEqual(a, b);
  equal(a.length, 50);
});

Deno.test("beyond the limit a body passes once", async () => {
  const body = new ReplayableBody(source(5).stream, 3);
  deepEqual(await read(body.stream()), [0, 1, 2, 3, 4]);
  equal(body.isReplayable, false);
  equal(await body.bytes(), undefined);
});

Deno.test("a source that fails fails whoever reads", async () => {
  const body = new ReplayableBody(
    new ReadableStream({ pull: (controller) => controller.error(new Error("broken")) }),
    9,
  );
  await rejects(read(body.stream()), /broken/);
  await rejects(body.bytes(), /broken/);
});
