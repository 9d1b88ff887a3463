/**
 * `deno task demo`: a question to the model that is at hand. Words after `demo` are the question.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const MODEL = fileURLToPath(new URL("../../shared/models/SmolLM2-135M-Instruct-GPTQ-Int4", import.meta.url));
const MAIN = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const QUESTION = "What is the capital of France, and what is it known for?";

if (import.meta.main) {
  const question = Deno.args.length > 0 ? Deno.args.join(" ") : QUESTION;
  console.error(`> ${question}\n`);
  const { code } = new Deno.Command(Deno.execPath(), {
    args: ["run", `--allow-read=${MODEL}`, MAIN, "run", MODEL, question, "-n", "160", "--verbose"],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).outputSync();
  Deno.exit(code);
}
