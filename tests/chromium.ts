/**
 * A browser for tests: Chromium of the system, driven through playwright-core.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "npm:playwright-core@1.65.1";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = PLACES.find(existsSync);

/** Whether there is one; tests that need it are ignored otherwise and say so in their name. */
export const hasChromium: boolean = executablePath !== undefined;

/** Starts it, without a window. */
export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}
