/**
 * Measurements in processes of their own: nothing that one did to its engine's code or memory reaches the next.
 *
 * @module
 */

/** How a command is started. */
export interface CommandSettings {
  cwd?: string;
  env?: Record<string, string>;
  /** Show what it says on stderr only if it fails; else it is shown as it comes. */
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
    stderr: isQuiet ? "piped" : "inherit",
  });
  const output = await child.output();
  const decoder = new TextDecoder();
  if (output.code !== 0) {
    const said = isQuiet ? `\n${decoder.decode(output.stderr)}` : "";
    throw new Error(`${command} ${args.join(" ")}: expected exit code 0, found ${output.code}${said}`);
  }
  const lines = decoder.decode(output.stdout).split("\n");
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}
