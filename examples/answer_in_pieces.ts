/**
 * The client of a server with a budget: asks again with the state that it got, until the answer is whole.
 *
 *     deno run --allow-net examples/answer_in_pieces.ts https://example.com/v1/chat/completions "Is there a star?"
 */

/** What a server answers. */
interface Answer {
  choices: { message: { content: string }; finish_reason: string }[];
  /** Of an answer that its budget ended. */
  remora?: { state: string };
  error?: { message: string };
}

/** The whole answer: the last piece has all of it, as if it had been computed in one go. */
export async function ask(url: string, request: Record<string, unknown>): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  let state: string | undefined;
  while (true) {
    const body = JSON.stringify({ ...request, remora_state: state });
    const answer: Answer = await (await fetch(url, { method: "POST", headers, body })).json();
    if (answer.error) throw new Error(answer.error.message);
    state = answer.remora?.state;
    if (state === undefined) return answer;
  }
}

if (import.meta.main) {
  const [url, content] = Deno.args;
  const answer = await ask(url, { model: "default", messages: [{ role: "user", content }] });
  console.log(answer.choices[0].message.content);
}
