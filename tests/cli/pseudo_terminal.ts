/**
 * Programs on a terminal, which Python's pty module provides.
 *
 * @module
 */
import assert from "node:assert/strict";
import { remoraProgram } from "./remora.ts";

/** Starts argv[2:] on a terminal; argv[1] has its width and a list of [text to wait for, keys to press then, how]. */
const DRIVER = `
import fcntl, json, os, pty, select, struct, sys, termios, time
given = json.loads(sys.argv[1])
process, terminal = pty.fork()
if process == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
def resize(columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
resize(given["columns"])
steps, keys, seen, begin, from_here = given["steps"], b"", b"", time.time(), 0
while time.time() - begin < given["seconds"]:
    readable, writable, _ = select.select([terminal], [terminal] if keys else [], [], 0.1)
    if readable:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    if writable:
        keys = keys[os.write(terminal, keys[:256]):]
    if b"Deno requests" in seen and not given["mayAsk"]:
        break
    if steps and not keys and (place := seen.find(steps[0][0].encode(), from_here)) >= 0:
        from_here = place + len(steps[0][0].encode())
        _, text, *more = steps.pop(0)
        how = more[0] if more else {}
        if "columns" in how:
            resize(how["columns"])
        time.sleep(how.get("pause", 0))
        keys = text.encode()
else:
    seen += b" TIMEOUT, waiting for " + json.dumps(steps[:1]).encode()
    os.kill(process, 9)
if b"Deno requests" in seen and not given["mayAsk"]:
    os.kill(process, 9)
code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
print(json.dumps({"code": code, "text": seen.decode(errors="replace")}))
`;

/** What happened on the terminal. */
export interface Session {
  code: number;
  /** Everything that was written to it. */
  text: string;
}

/** Text to wait for, and keys to press then: after some seconds, or when the terminal has another width. */
export type Step = [string, string] | [string, string, { pause?: number; columns?: number }];

/** How a session goes. */
export interface SessionOptions {
  steps?: Step[];
  /** Permissions of the command line, as flags. */
  permissions?: string[];
  columns?: number;
  seconds?: number;
  /** Whether the runtime may ask for a permission; otherwise that ends the session and the test. */
  mayAsk?: boolean;
  env?: Record<string, string>;
}

/** Whether there is a Python that has terminals; tests that need it say so in their names. */
export const hasPython: boolean = (() => {
  try {
    return new Deno.Command("python3", { args: ["-c", "import pty, termios"] }).outputSync().success;
  } catch {
    return false;
  }
})();

/** A command line that starts remora. */
export function remoraCommand(args: string[], permissions: string[] = []): string[] {
  return [...remoraProgram(permissions), ...args];
}

/** Runs a program on a terminal. */
export async function onTerminal(
  command: string[],
  { steps = [], columns = 80, seconds = 20, mayAsk = false, env }: SessionOptions = {},
): Promise<Session> {
  const { stdout, stderr } = await new Deno.Command("python3", {
    args: ["-c", DRIVER, JSON.stringify({ steps, columns, seconds, mayAsk }), ...command],
    env,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.ok(stdout.length > 0, text(stderr));
  const session: Session = JSON.parse(text(stdout));
  assert.ok(mayAsk || !session.text.includes("Deno requests"), session.text);
  return session;
}
