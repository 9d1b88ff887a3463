/**
 * Measurements in processes of their own: nothing that one did to its engine's code or memory reaches the next.
 *
 * @module
 */

/** How a command is started. */
export interface CommandSettings {
  cwd?: string;
  env?: Record<string, string>;
  /** Throw away what it says on stderr; else it is shown. */
  isQuiet?: boolean;
}

/** Runs a command; returns the objects that it prints as JSON, one a line. */
export async function runForJson<T>(
  command: string,
  args: readonly string[],
  { cwd, env, isQuiet = false }: CommandSettings = {},
): Promise<T[]> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    env,
    stdin: "null",
    stdout: "piped",
    stderr: isQuiet ? "null" : "inherit",
  });
  const { code, stdout } = await child.output();
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: expected exit code 0, found ${code}`);
  const lines = new TextDecoder().decode(stdout).split("\n");
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}
