/**
 * Runs the test suite and closes with a line that says how many tests passed and failed.
 *
 * @module
 */

/** The runner's last line, such as `ok | 12 passed | 1 failed | 3 ignored (2s)`, colour codes removed. */
const SUMMARY = /(\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?(?: \| (\d+) ignored)?/;

if (import.meta.main) {
  const child = new Deno.Command(Deno.execPath(), {
    // Packages that only tests need are in a lock file of their own: whoever runs the program fetches none of them.
    args: [
      "test",
      "-A",
      "--lock=tests/deno.lock",
      "--doc",
      "tests/",
      "mod.ts",
      "src/",
      "kernels/host/",
      "docs/",
      ...Deno.args,
    ],
    stdout: "piped",
    stderr: "inherit",
    env: { NO_COLOR: "1" },
  }).spawn();
  const decoder = new TextDecoder();
  let tail = "";
  for await (const chunk of child.stdout) {
    await Deno.stdout.write(chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-4000);
  }
  const { code } = await child.status;
  const [, passed, failed, ignored = "0"] = SUMMARY.exec(tail) ?? [, "0", code === 0 ? "0" : "1"];
  console.log(`${passed} passed, ${failed} failed, ${ignored} skipped`);
  Deno.exit(code);
}
