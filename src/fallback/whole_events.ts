/**
 * Server-sent events, never cut in two: a stream that breaks off ends where an event ends, so that one that tells of the error can
 * follow.
 *
 * @module
 */

type Piece = Uint8Array<ArrayBuffer>;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Bytes of an event that are kept back until its end comes; a longer one is passed on as it comes. */
const EVENT_BYTES_MAX = 4 * 1024 * 1024;

/** The same bytes, in pieces that end where events do. */
export async function* wholeEvents(pieces: AsyncIterable<Piece>): AsyncGenerator<Piece, void, void> {
  let held: Piece[] = [], size = 0, last = [0, 0, 0];
  for await (const piece of pieces) {
    const end = endOfEvents(piece, last);
    last = [...last, ...piece.subarray(-3)].slice(-3);
    if (end > 0) {
      yield await joined([...held, piece.subarray(0, end)]);
      held = [];
      size = 0;
    }
    if (end < piece.length) {
      held.push(piece.subarray(end));
      size += piece.length - end;
    }
    if (size <= EVENT_BYTES_MAX) continue;
    yield await joined(held);
    held = [];
    size = 0;
  }
  if (size > 0) yield await joined(held);
}

/** Bytes up to the last empty line. */
function endOfEvents(piece: Piece, before: readonly number[]): number {
  const at = (index: number) => index >= 0 ? piece[index] : before[before.length + index];
  for (let i = piece.length - 1; i >= 0; i--) {
    const byte = piece[i];
    if (byte !== LINE_FEED && byte !== CARRIAGE_RETURN) continue;
    // An empty line: the end of a line right after the end of another. "\r\n" is one end.
    const previous = byte === LINE_FEED && at(i - 1) === CARRIAGE_RETURN ? i - 2 : i - 1;
    if (at(previous) === LINE_FEED || at(previous) === CARRIAGE_RETURN) return i + 1;
  }
  return 0;
}

async function joined(pieces: readonly Piece[]): Promise<Piece> {
  if (pieces.length === 1) return pieces[0];
  return new Uint8Array(await new Blob([...pieces]).arrayBuffer());
}
