/**
 * Another process that asks for a lock by file: `lock_by_file_program.ts PATH ANSWER` writes into ANSWER whether it has it, and keeps it
 * until its input ends.
 *
 * @module
 */
import { tryLockByFile } from "../../src/platform/node_storage.ts";

const [path, answer] = Deno.args;
const lock = tryLockByFile(path);
Deno.writeTextFileSync(`${answer}.new`, lock ? "held" : "refused");
Deno.renameSync(`${answer}.new`, answer);
await Deno.stdin.readable.pipeTo(new WritableStream());
