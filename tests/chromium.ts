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

/** Starts it, without a window and without a graphics processor: wllama would compute there. */
export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}

/** The highest resident size that one of its pages' processes had, MB. */
export async function peakMegabytes(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const peaks = processInfo.filter(({ type }) => type === "renderer").map(({ id }) =>
    Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${id}/status`))![1]) * 1024 / 1e6
  );
  return Math.max(...peaks);
}
