/**
 * The licences of what is bundled.
 *
 * @module
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Writes NOTICES.md: name, version and licence of each package with its text. */
export async function writeNotices(
  out: string,
  packages: string,
  versions: Readonly<Record<string, string>>,
): Promise<void> {
  const parts = ["# Notices\n\nThis package contains parts of the following ones.\n"];
  for (const name of Object.keys(versions).sort()) {
    const folder = join(packages, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((file) => /^licen[cs]e/i.test(file));
    const text = file ? await readFile(join(folder, file), "utf8") : `Licence: ${license}\n`;
    parts.push(`## ${name} ${version} (${license})\n\n\`\`\`\n${text.trim()}\n\`\`\`\n`);
  }
  await writeFile(join(out, "NOTICES.md"), parts.join("\n"));
}
