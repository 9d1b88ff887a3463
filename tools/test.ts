/**
 * Runs the test suite and closes with a line that says how many tests passed and failed.
 *
 * @module
 */

/** The runner's last line, such as `ok | 12 passed | 1 failed | 3 ignored (2s)`, colour codes removed. */
const SUMMARY = /(\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?(?: \| (\d+) ignored)?/;

/** What is run again with vectors of 256 bits: whatever compares bits or goldens. */
const WIDE = ["--v8-flags=--experimental-wasm-revectorize", "tests/kernels/", "tests/models/"];

/** Runs tests; how many passed, failed and were skipped. */
async function run(args: readonly string[]): Promise<number[]> {
  const child = new Deno.Command(Deno.execPath(), {
    // Packages that only tests need are in a lock file of their own: whoever runs the program fetches none of them.
    args: ["test", "-A", "--lock=tests/deno.lock", ...args],
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
  const [, ...counts] = SUMMARY.exec(tail) ?? [, "0", code === 0 ? "0" : "1"];
  return Array.from({ length: 3 }, (_, i) => Number(counts[i] ?? 0));
}

if (import.meta.main) {
  const runs = Deno.args.length > 0 ? [["--doc", ...Deno.args]] : [
    ["--doc", "tests/", "mod.ts", "src/", "interfaces/", "kernels/host/", "docs/"],
    WIDE,
  ];
  const totals = [0, 0, 0];
  for (const args of runs) (await run(args)).forEach((count, i) => totals[i] += count);
  const [passed, failed, ignored] = totals;
  console.log(`${passed} passed, ${failed} failed, ${ignored} skipped`);
  Deno.exit(failed > 0 ? 1 : 0);
}
