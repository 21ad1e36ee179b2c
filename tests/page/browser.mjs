// A real Chromium, and pages in it that note whatever goes wrong.

import { createRequire } from "node:module";
import { join } from "node:path";

const installed = createRequire(join(process.env.PACER_PAGE_MODULES, "package.json"));
const { chromium } = installed("playwright-core");

export const PHONE = { width: 390, height: 844 };
export const DESK = { width: 1280, height: 1100 };

/** Root, as in a container, has no sandbox; the only page that is opened is ours. */
export function launch() {
  const args = ["--disable-dev-shm-usage", "--force-color-profile=srgb"];
  return chromium.launch({ executablePath: process.env.CHROMIUM, chromiumSandbox: process.getuid() !== 0, args });
}

/** Opens the dashboard at `admin`; `faults` gathers errors, refusals of the policy and requests to elsewhere. */
export async function open(browser, admin, { viewport = DESK, colorScheme = "light" } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "no-preference" });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(`error: ${error}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(admin) && !request.url().startsWith("data:")) faults.push(`asked: ${request.url()}`);
  });
  await page.goto(`${admin}/dashboard`);
  return { page, faults };
}
