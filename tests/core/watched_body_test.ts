/** A body that is watched as it passes: the same bytes, its end told of whatever it is, nothing read too early. */
import assert from "node:assert/strict";
import { watchedBody } from "../../src/core/watched_body.ts";

/** A body of these pieces, and how many of them were asked for; with an error it breaks off behind them. */
function bodyOf(pieces: Uint8Array[], error?: Error): { body: ReadableStream<Uint8Array>; asked(): number } {
  let asked = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (asked < pieces.length) controller.enqueue(pieces[asked++]);
      else if (error) controller.error(error);
      else controller.close();
    },
  }, { highWaterMark: 0 });
  return { body, asked: () => asked };
}

const PIECES = [Uint8Array.of(1, 2), Uint8Array.of(), Uint8Array.of(3)];

Deno.test("a watched body has the same bytes, read when they are asked for, and tells of its end", async () => {
  const { body, asked } = bodyOf(PIECES);
  let over = 0;
  const watched = watchedBody(body, { onOver: () => over++ });
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual([asked(), over], [0, 0]);
  assert.deepEqual(await Array.fromAsync(watched), PIECES);
  assert.equal(over, 1);
});

Deno.test("a watched body that breaks off tells of it, by another reason if one is given", async () => {
  const cause = new Error("cut"), reason = new Error("other");
  let over = 0;
  const onOver = () => over++;
  await assert.rejects(Array.fromAsync(watchedBody(bodyOf(PIECES, cause).body, { onOver })), cause);
  const reasonOf = (error: unknown) => error === cause ? reason : error;
  await assert.rejects(
    Array.fromAsync(watchedBody(bodyOf(PIECES, cause).body, { onOver, reasonOf })),
    reason,
  );
  assert.equal(over, 2);
});

Deno.test("a watched body that is given up gives up the one behind it", async () => {
  let over = 0, given: unknown;
  const body = new ReadableStream<Uint8Array>({ cancel: (reason) => void (given = reason) });
  await watchedBody(body, { onOver: () => over++ }).cancel("enough");
  assert.deepEqual([over, given], [1, "enough"]);
});
