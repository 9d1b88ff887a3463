/** The file of a history: bounded, of its owner alone, and never another program's. */
import assert from "node:assert/strict";
import { ChatHistory, HISTORY_BYTES_MAX } from "../../cli/chat_history.ts";

function withFolder(run: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync();
  try {
    run(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("messages come back as they were, those of chats at the same time too", () => {
  withFolder((folder) => {
    const path = `${folder}/deep/er/history`;
    const one = ChatHistory.open(path), two = ChatHistory.open(path);
    one.add("a\nb \"c\" \u2028 '日本'");
    two.add("other");
    one.add("last");
    one.add("last");
    one.add("  ");
    assert.deepEqual(ChatHistory.open(path).messages, ["a\nb \"c\" \u2028 '日本'", "other", "last"]);
  });
});

Deno.test("a file that is full keeps its newest half; a message that alone would fill it stays in the chat", () => {
  withFolder((folder) => {
    const path = `${folder}/history`;
    const history = ChatHistory.open(path);
    const long = "x".repeat(10_000);
    for (let i = 0; i < 300; i++) {
      history.add(`${i} ${long}`);
      assert.ok(Deno.statSync(path).size <= HISTORY_BYTES_MAX);
    }
    const kept = ChatHistory.open(path).messages;
    assert.equal(kept.at(-1), `299 ${long}`);
    assert.ok(kept.length >= 50 && kept.length < 110);
    history.add("y".repeat(HISTORY_BYTES_MAX));
    assert.deepEqual(ChatHistory.open(path).messages, kept);
    assert.equal(history.messages.at(-1)!.length, HISTORY_BYTES_MAX);
    assert.deepEqual([...Deno.readDirSync(folder)].map(({ name }) => name), ["history"]);
  });
});

Deno.test("a write that was cut short loses that message alone", () => {
  withFolder((folder) => {
    const path = `${folder}/history`;
    Deno.writeTextFileSync(path, '"one"\n"tw');
    const history = ChatHistory.open(path);
    history.add("three");
    assert.deepEqual(ChatHistory.open(path).messages, ["one", "three"]);
  });
});

Deno.test("another program's file, a folder and a device are left as they are", () => {
  withFolder((folder) => {
    const path = `${folder}/notes.txt`;
    for (const text of ["dear diary", "dear\ndiary\n", "\0\0\0", "[1]\n"]) {
      Deno.writeTextFileSync(path, text);
      const history = ChatHistory.open(path);
      history.add("hello");
      assert.deepEqual(history.messages, ["hello"]);
      assert.equal(Deno.readTextFileSync(path), text);
    }
    for (const other of [folder, "/dev/zero"]) ChatHistory.open(other).add("hello");
  });
});
